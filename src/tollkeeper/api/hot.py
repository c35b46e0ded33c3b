"""The routes that are measured: what ResourceRoute gives the others, without a framework between.

They keep the same manners (envelope, errors, authentication, limits, `X-Request-Id`, metrics,
documentation), but have no transaction of their own: the gate's is theirs.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollkeeper.api.answers import refused
from tollkeeper.api.json_body import BodyRequest
from tollkeeper.api.middleware import observe, request_id_of
from tollkeeper.api.refusals import unexpected
from tollkeeper.gate.gate import Gate
from tollkeeper.infra.errors import coded
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.authenticate import Principal, require

_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as a hot handler sees it."""

    principal: Principal
    body: bytes
    media_type: str
    gate: Gate
    runtime: Runtime


Handler = Callable[[Call], Awaitable[bytes]]


@dataclass(frozen=True, slots=True)
class HotRoute:
    """A POST at a fixed path. handle answers the body of a 200, or raises a CodedError."""

    path: str
    handle: Handler
    operation: Mapping[str, Any]  # its OpenAPI description
    max_body_bytes: Callable[[Runtime], int]
    permission: Permission = Permission.WRITE


class HotRoutes:
    """The outermost middleware: answers the hot routes, hands everything else on."""

    def __init__(self, app: ASGIApp, routes: tuple[HotRoute, ...]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._routes.get(scope["path"]) if scope["type"] == "http" else None
        if route is None or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = request_id_of(headers.get(b"x-request-id", b"").decode("latin-1"))
        status, body, extra = await self._answer(route, scope, headers, receive)
        length = (b"content-length", str(len(body)).encode())
        sent = [_JSON, length, (b"x-request-id", request_id.encode()), *extra]
        await send({"type": "http.response.start", "status": status, "headers": sent})
        await send({"type": "http.response.body", "body": body})
        observe(scope, route.path, status, time.perf_counter() - started)

    async def _answer(
        self, route: HotRoute, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive
    ) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
        runtime: Runtime = scope["app"].state.runtime
        gate: Gate = scope["app"].state.gate
        response: Response
        try:
            principal = await gate.tokens.authenticate(
                headers.get(b"host", b"").decode("latin-1"),
                headers.get(b"authorization", b"").decode("latin-1"),
            )
            require(principal, route.permission)
            body = await _read(scope, receive, route.max_body_bytes(runtime))
            media_type = headers.get(b"content-type", b"").decode("latin-1")
            return 200, await route.handle(Call(principal, body, media_type, gate, runtime)), []
        except CodedError as error:
            response = refused(Request(scope), error)
        except (DBAPIError, PoolTimeoutError) as error:
            known = coded(error)
            request = Request(scope)
            response = refused(request, known) if known else unexpected(request, error)
        except Exception as error:  # noqa: BLE001 - the net: logged, counted and answered
            response = unexpected(Request(scope), error)
        kept = [h for h in response.raw_headers if h[0] not in {b"content-type", b"content-length"}]
        return response.status_code, bytes(response.body), kept


async def _read(scope: Scope, receive: Receive, most: int) -> bytes:
    """The whole body. Raises request.too_large and request.incomplete_body."""
    taken: list[Message] = []
    size = 0
    while True:
        message = await receive()
        taken.append(message)
        size += len(message.get("body", b""))
        if message["type"] != "http.request" or size > most:
            break
        if not message.get("more_body"):
            return b"".join(piece.get("body", b"") for piece in taken)

    async def from_the_first() -> Message:
        return taken.pop(0) if taken else await receive()

    # Broken off, or too large: it is told as every other route tells it.
    request = BodyRequest.of(Request(scope, from_the_first), most)
    await request.receive_body()
    return await request.body()

"""What every resource route has in common: a caller, one transaction, the first answer again.

A handler says who may call it by its signature, and gets a unit of work in return:

    async def create(body: CustomerInput, work: Writer) -> Response: ...
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine
from typing import Annotated, Any

import msgspec
from fastapi import Depends, Header, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from tollkeeper.api.answers import JsonResponse, refused
from tollkeeper.api.errors import TOO_SLOW, UNKNOWN_PARAMETER
from tollkeeper.api.json_body import BodyRequest
from tollkeeper.infra import idempotency
from tollkeeper.infra.errors import IDEMPOTENCY_KEY_INVALID, IDEMPOTENCY_KEYS_DIFFER
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.scope import Actor, Permission
from tollkeeper.providers.authenticate import authenticate, note_use, require

Handler = Callable[[Request], Coroutine[Any, Any, Response]]

# Refusals that say something about the request alone, or about now: a retry may fare better.
_NOT_REMEMBERED = frozenset({400, 401, 403, 408, 413, 415, 422, 429})

_BEARER = HTTPBearer(
    auto_error=False,
    scheme_name="access_token",
    description="An access token `<id>|<secret>` of the provider that the host name belongs to.",
)
_CANONICAL = msgspec.json.Encoder(decimal_format="number", order="sorted")


class Reads:
    """A dependency: the caller holds this scope; the handler reads in a unit of work."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission

    async def __call__(
        self, request: Request, _credentials: Annotated[Any, Depends(_BEARER)]
    ) -> UnitOfWork:
        work: UnitOfWork = request.state.work
        return work


class Changes(Reads):
    """A dependency: the caller holds this scope; the handler changes things, at most once."""

    async def __call__(
        self,
        request: Request,
        _credentials: Annotated[Any, Depends(_BEARER)],
        _idempotency_key: Annotated[
            str | None,
            Header(
                alias="Idempotency-Key",
                min_length=1,
                max_length=255,
                pattern=r"^[\x21-\x7e]+$",
                description="A name for this request, at will: sent again with the same body, it "
                "gets the first answer again.",
                examples=["6e0ad2ee-4a4b-4c43-8c3c-0b8a6f0d1f0a"],
            ),
        ] = None,
    ) -> UnitOfWork:
        work: UnitOfWork = request.state.work
        return work


Reader = Annotated[UnitOfWork, Depends(Reads(Permission.READ))]
Writer = Annotated[UnitOfWork, Depends(Changes(Permission.WRITE))]
AdminReader = Annotated[UnitOfWork, Depends(Reads(Permission.ADMIN))]
AdminWriter = Annotated[UnitOfWork, Depends(Changes(Permission.ADMIN))]


class ResourceRoute(APIRoute):
    """A route that authenticates, opens the unit of work and commits it before it answers."""

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()
        access = _access_of(self.dependant)
        if access is None:
            raise TypeError(
                f"{self.path} does not say who may call it: take `work: Reader` or `Writer`"
            )

        takes_parameters = bool(self.dependant.query_params)

        async def in_one_transaction(request: Request) -> Response:
            runtime: Runtime = request.app.state.runtime
            if request.url.query and not takes_parameters:
                name = next(iter(request.query_params), request.url.query)[:100]
                raise UNKNOWN_PARAMETER.error(f"{name} is not a known parameter of this route")
            limited = BodyRequest.of(request, runtime.settings.max_body_bytes)
            if isinstance(access, Changes):
                # Before a connection is taken: who sends slowly must not keep it from others.
                try:
                    async with asyncio.timeout(runtime.settings.body_seconds):
                        await limited.receive_body()
                except TimeoutError as error:
                    raise TOO_SLOW.error(
                        f"the body did not arrive within {runtime.settings.body_seconds} s"
                    ) from error
            async with runtime.database.transaction() as db:
                now = runtime.clock.now()
                principal = await authenticate(
                    db,
                    host=_only(request, "host") or "",
                    authorization=_only(request, "authorization"),
                    base_domains=runtime.settings.base_domains,
                    now=now,
                )
                require(principal, access.permission)
                work = UnitOfWork(
                    scope=principal.scope,
                    db=db,
                    jobs=runtime.jobs,
                    now=now,
                    actor=Actor("access_token", str(principal.token_id)),
                    request_id=request.state.request_id,
                )
                limited.state.work = work
                if isinstance(access, Changes):
                    response = await _answer_once(limited, work, handle)
                else:
                    response = await handle(limited)
                await note_use(db, principal, now)
                return response

        return in_one_transaction


async def _answer_once(
    request: BodyRequest, work: UnitOfWork, handle: Callable[[Request], Awaitable[Response]]
) -> Response:
    """Handle the request, or give the answer that its idempotency key already has."""
    body = await request.require_json()
    key = _idempotency_key(request, body)
    if key is None:
        return await handle(request)
    fingerprint = _fingerprint(request, body)
    known = await idempotency.claim(work, key, fingerprint)
    if known is not None:
        return JsonResponse(
            known.body, status_code=known.status, headers={"Idempotency-Replayed": "true"}
        )
    try:
        # A refusal is remembered too, without what the operation had done before it refused.
        async with work.db.begin_nested():
            response = await handle(request)
    except CodedError as error:
        if error.kind.status in _NOT_REMEMBERED or error.kind.status >= 500:
            raise
        response = refused(request, error)
    first = idempotency.Answer(response.status_code, bytes(response.body))
    await idempotency.remember(work, key, fingerprint, first)
    return response


def _only(request: Request, name: str) -> str | None:
    """The header's value, if it has one: of two, somebody before us may have read the other."""
    values = request.headers.getlist(name)
    return values[0] if len(values) == 1 else None


def _idempotency_key(request: Request, body: Any) -> str | None:
    header = request.headers.get("idempotency-key")
    if len(request.headers.getlist("idempotency-key")) > 1:
        raise IDEMPOTENCY_KEY_INVALID.error(
            "the Idempotency-Key header is sent twice; send it once"
        )
    field = body.get("idempotency_key") if isinstance(body, dict) else None
    if header is not None and field is not None and header != field:
        raise IDEMPOTENCY_KEYS_DIFFER.error(
            "idempotency_key in the body and the Idempotency-Key header differ; send one of them"
        )
    key = header if header is not None else field
    if key is None:
        return None
    if not isinstance(key, str) or not 1 <= len(key) <= 255 or not _is_printable(key):
        raise IDEMPOTENCY_KEY_INVALID.error(
            "idempotency_key must be 1 to 255 printable ASCII characters without spaces"
        )
    return key


def _is_printable(key: str) -> bool:
    return all("!" <= character <= "~" for character in key)


def _fingerprint(request: Request, body: Any) -> bytes:
    """What makes two requests the same: method, address and the body's meaning."""
    meaning = body
    if isinstance(body, dict):
        meaning = {name: value for name, value in body.items() if name != "idempotency_key"}
    parts = [request.method, request.url.path, request.url.query, meaning]
    return hashlib.sha256(_CANONICAL.encode(parts)).digest()


def _access_of(dependant: Dependant) -> Reads | None:
    found = [
        dependency.call
        for dependency in dependant.dependencies
        if isinstance(dependency.call, Reads)
    ]
    return found[0] if found else None

"""What surrounds every request: its id, its time, its log line, and a net under it."""

import logging
import re
import time
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tollkeeper.api.address import check_query, read_path
from tollkeeper.api.answers import refused
from tollkeeper.api.errors import ADDRESS_INVALID
from tollkeeper.api.refusals import unexpected
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.ids import new_uuid7

log = structlog.get_logger("tollkeeper.request")
_REQUESTS = logging.getLogger("tollkeeper.request")

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
# Worth a line in the log though nothing failed, in seconds.
_SLOW = 1.0


class RequestMiddleware:
    """Gives each request an `X-Request-Id` (the caller's, if it is usable), counts and times it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        request_id = request_id_of(request.headers.get("x-request-id", ""))
        request.state.request_id = request_id
        started = time.perf_counter()
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode())]
            elif is_head:
                message = {**message, "body": b""}
            await send(message)

        is_head = scope["method"] == "HEAD"
        if is_head:
            # What GET would answer, without its body (RFC 9110, section 9.3.2).
            scope["method"] = "GET"

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            answering = self._app
            try:
                scope["path"] = read_path(scope)
                check_query(scope)
            except UnicodeDecodeError:
                answering = refused(
                    request,
                    ADDRESS_INVALID.error("the path and the query must be percent-encoded UTF-8"),
                )
            try:
                await answering(scope, receive, send_with_id)
            except Exception as error:  # noqa: BLE001 - the net: logged, counted and answered
                response = unexpected(request, error)
                if not status:
                    await response(scope, receive, send_with_id)
            finally:
                observe(scope, _route_template(scope), status, time.perf_counter() - started)


def request_id_of(given: str) -> str:
    """The caller's `X-Request-Id` if it is usable, else a new one."""
    return given if _REQUEST_ID.fullmatch(given) else str(new_uuid7())


def _route_template(scope: MutableMapping[str, Any]) -> str:
    """The route's path with its parameters' names, and the prefix that its router does not know."""
    template: str | None = getattr(scope.get("route"), "path", None)
    if template is None:
        return "unmatched"
    parts = scope["path"].split("/")
    prefix = parts[: len(parts) - template.count("/")]
    return "/".join(prefix) + template


def observe(scope: MutableMapping[str, Any], route: str, status: int, seconds: float) -> None:
    """Count and time the request under its route's template; log it where it is remarkable."""
    runtime: Runtime = scope["app"].state.runtime
    # A 405 may have any method that its sender made up: each would be a series of its own.
    method = "any" if route == "unmatched" or status == 405 else scope["method"]
    runtime.metrics.observe(method, route, status, seconds)
    # A probe that asks every second would fill the log with what /readyz itself says better.
    remarkable = (status >= 500 and route != "/readyz") or seconds > _SLOW
    if not remarkable and not _REQUESTS.isEnabledFor(logging.DEBUG):
        return
    write = log.info if remarkable else log.debug
    write(
        "request",
        method=scope["method"],
        path=scope["path"],
        status=status,
        milliseconds=round(seconds * 1000, 2),
    )

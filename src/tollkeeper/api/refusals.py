"""Every failure in the contract's envelope: what handlers raise, and what frameworks raise."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from tollkeeper.api.answers import refused
from tollkeeper.api.errors import (
    INTERNAL,
    METHOD_NOT_ALLOWED,
    UNKNOWN_FIELD,
    UNKNOWN_PARAMETER,
    UNKNOWN_PATH,
)
from tollkeeper.infra.errors import coded
from tollkeeper.kernel.errors import CodedError, ErrorCode, InvalidValue

log = structlog.get_logger(__name__)

# The libraries' sentences, made to follow the name of a field.
_REPHRASED = (
    (re.compile(r"^Value error, "), ""),
    (re.compile(r"^(?:Input|String|List|Dictionary|Value|Data) should "), "must "),
    (re.compile(r"^Field required$"), "is required"),
    (re.compile(r"(?<=^must be a valid )dictionary.*"), "JSON object"),
    (re.compile(r" after validation, not .*"), ""),
)


_MAX_DETAILS = 100
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def add_refusals(app: FastAPI) -> None:
    """Register the handlers below."""
    app.add_exception_handler(CodedError, _coded_error)
    app.add_exception_handler(RequestValidationError, _invalid_request)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(DBAPIError, _database_error)
    app.add_exception_handler(PoolTimeoutError, _database_error)


def unexpected(request: Request, error: Exception) -> Response:
    """500, with nothing of the cause in it; the log has it."""
    log.error("request failed", exc_info=error, path=request.url.path)
    return refused(request, INTERNAL.error("an unexpected error occurred; it has been logged"))


async def _coded_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, CodedError):
        raise error
    if error.private:
        log.warning("request refused", code=error.kind.code, private=error.private)
    return refused(request, error)


async def _database_error(request: Request, error: Exception) -> Response:
    if isinstance(error, DBAPIError | PoolTimeoutError):
        passing = coded(error)
        if passing is not None:
            return await _coded_error(request, passing)
    return unexpected(request, error)


async def _http_exception(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404:
        return refused(request, UNKNOWN_PATH.error(f"nothing is at {request.url.path[:200]}"))
    if error.status_code == 405:
        allowed = ", ".join(_allowed_methods(request))
        response = refused(
            request,
            METHOD_NOT_ALLOWED.error(
                f"{request.method[:20]} is not allowed here; this path answers to {allowed}"
            ),
        )
        response.headers["Allow"] = allowed
        return response
    return unexpected(request, error)


def _allowed_methods(request: Request) -> list[str]:
    def answers_to(method: str) -> bool:
        asked = {**request.scope, "method": "GET" if method == "HEAD" else method}
        return any(route.matches(asked)[0] is Match.FULL for route in request.app.router.routes)

    return [method for method in _METHODS if answers_to(method)]


async def _invalid_request(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    area = _area(request)
    details = [_detail(area, problem) for problem in error.errors()[:_MAX_DETAILS]]
    first = details[0]
    kind = ErrorCode(first["code"], 422, "A field is missing, unknown or invalid.", "")
    return refused(request, kind.error(first["message"], details=details))


def _area(request: Request) -> str:
    route = request.scope.get("route")
    tags = route.tags if isinstance(route, APIRoute) else []
    return str(tags[0]).replace("-", "_") if tags else "request"


def _detail(area: str, problem: Mapping[str, Any]) -> dict[str, str]:
    source, *path = problem["loc"]
    sentence = _sentence(problem)
    if path and path[-1] == "[key]":
        *path, _, _ = path
        sentence = f"has a name in it that {sentence}"
    field = _field(source, path)
    sentence = f"{field} {sentence}"
    name = re.sub(r"[^a-z0-9]+", "_", str(path[0] if path else source).lower()).strip("_")
    if problem["type"] == "extra_forbidden":
        code = (UNKNOWN_FIELD if source == "body" else UNKNOWN_PARAMETER).code
    else:
        prefix = area if source == "body" and path else "request"
        code = f"{prefix}.{name}_{'required' if problem['type'] == 'missing' else 'invalid'}"
    return {"field": field, "code": code, "message": sentence}


def _field(source: str, path: Sequence[str | int]) -> str:
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text[:200] or source


def _sentence(problem: Mapping[str, Any]) -> str:
    cause = problem.get("ctx", {}).get("error")
    if isinstance(cause, InvalidValue):
        return str(cause)
    if problem["type"] == "extra_forbidden":
        return f"is not a known {'field' if problem['loc'][0] == 'body' else 'parameter'}"
    sentence = str(problem["msg"])
    for pattern, replacement in _REPHRASED:
        sentence = pattern.sub(replacement, sentence)
    return sentence

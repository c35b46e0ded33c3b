"""Who may call is in the signature: every route names its caller, or is public on purpose."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from tests.architecture.source import explained

from tollkeeper.api.app import document
from tollkeeper.api.error_pages import explain
from tollkeeper.api.route import Changes, Reader, Reads, Writer
from tollkeeper.api.usage import HOT_ROUTES

# Whoever reaches the server may read these: they say nothing about any provider.
PUBLIC = {
    "GET /",
    "GET /healthz",
    "GET /readyz",
    "GET /metrics",
    "GET /api/openapi.json",
    "GET /api/reference",
    "GET /api/reference/scalar.js",
    "GET /api/errors",
    "GET /api/errors/{code}",
}
# These name their scope themselves, and are once-only by `request_id`.
HOT = {route.path: route.permission for route in HOT_ROUTES}
_READING = {"GET", "HEAD", "OPTIONS"}
_REMEDY = (
    "take `work: Reader` (or AdminReader) in a handler that reads, `work: Writer` (or AdminWriter) "
    "in one that changes; what anybody may read goes on the list PUBLIC in this test"
)


def _accesses(dependant: Dependant) -> Iterator[Reads]:
    for dependency in dependant.dependencies:
        if isinstance(dependency.call, Reads):
            yield dependency.call
        yield from _accesses(dependency)


def _operations(app: FastAPI) -> Iterator[tuple[str, str, list[Reads]]]:
    for route in iter_route_contexts(app.routes):
        dependant = getattr(route.original_route, "dependant", None)
        accesses = list(_accesses(dependant)) if dependant else []
        if str(route.path) in HOT:
            continue
        for method in sorted((route.methods or {"ANY"}) - {"HEAD"}):
            yield method, str(route.path), accesses


def _faults(app: FastAPI, public: Iterable[str]) -> list[str]:
    found = []
    for method, path, accesses in _operations(app):
        operation = f"{method} {path}"
        changes = [isinstance(access, Changes) for access in accesses]
        if not accesses and operation not in public:
            found.append(f"{operation} does not say who may call it")
        elif accesses and operation in public:
            found.append(f"{operation} is on the public list, and wants a token")
        elif method not in _READING and not all(changes):
            found.append(f"{operation} changes something, and is not once-only by `Changes`")
        elif method in _READING and any(changes):
            found.append(f"{operation} reads, and takes an Idempotency-Key")
    return found


def test_every_route_says_who_may_call_it(routed_app: FastAPI) -> None:
    """No route is open by oversight, and no change is made twice by a retry."""
    if faults := _faults(routed_app, PUBLIC):
        pytest.fail(explained(faults, _REMEDY), pytrace=False)


def test_the_public_list_has_nothing_that_is_gone(routed_app: FastAPI) -> None:
    """A path that is on the list before its route exists would be open on its first day."""
    assert {f"{method} {path}" for method, path, _ in _operations(routed_app)} >= PUBLIC


async def _open() -> None: ...


async def _reading(work: Reader) -> None: ...


async def _changing(work: Writer) -> None: ...


@pytest.mark.parametrize(
    ("method", "handler", "public", "fault"),
    [
        ("GET", _open, (), "does not say who may call it"),
        ("POST", _open, (), "does not say who may call it"),
        ("DELETE", _reading, (), "not once-only"),
        ("GET", _changing, (), "takes an Idempotency-Key"),
        ("GET", _reading, ("GET /planted/x",), "wants a token"),
        ("POST", _open, ("POST /planted/x",), None),
        ("GET", _reading, (), None),
        ("PATCH", _changing, (), None),
    ],
)
def test_a_planted_route_is_judged(
    method: str, handler: Any, public: tuple[str, ...], fault: str | None
) -> None:
    """The test above sees through included routers, and can fail."""
    router = APIRouter(prefix="/planted")
    router.add_api_route("/x", handler, methods=[method])
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(router)
    found = _faults(app, public)
    assert len(found) == (fault is not None)
    assert not found or fault is None or fault in found[0]


def test_every_documented_refusal_is_a_code_of_the_catalogue(routed_app: FastAPI) -> None:
    """What the reference shows as an error's example leads to a page, and has that status."""
    for path, operations in document(routed_app)["paths"].items():
        for method, operation in operations.items():
            for status, response in operation["responses"].items():
                example = response["content"]["application/json"]["example"]
                if int(status) < 400:
                    continue
                found = explain(example["error"]["code"])
                assert found is not None, f"{method} {path} {status}: {example}"
                assert found.status == int(status), f"{method} {path}: {example}"

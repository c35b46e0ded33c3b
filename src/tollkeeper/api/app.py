"""The HTTP application: every route, in one place."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from tollkeeper import __version__
from tollkeeper.api import access_tokens, audit, customers, error_pages, system
from tollkeeper.api import credits as credit_resources
from tollkeeper.api.answers import JsonResponse
from tollkeeper.api.hot import HotRoutes
from tollkeeper.api.middleware import RequestMiddleware
from tollkeeper.api.refusals import add_refusals
from tollkeeper.api.usage import HOT_ROUTES
from tollkeeper.gate.gate import open_gate
from tollkeeper.infra.runtime import Runtime

RESOURCES = (customers, credit_resources, access_tokens, audit)

_DESCRIPTION = """Who may call, how much was used, what is owed: in agreement to the cent.

Every answer is `{"data": ..., "meta": {...}}`, every error `{"error": {"code", "message",
"details", "docs"}}`; each carries `X-Request-Id`. Times are RFC 3339 in UTC, money is an integer in
minor units beside a lower-case `currency`, quantities are JSON numbers of exact digits.
Send `Idempotency-Key` with any change, and repeat it without fear; on usage, `request_id` does
that, for ever.
"""


def create_app(runtime: Callable[[], AbstractAsyncContextManager[Runtime]]) -> FastAPI:
    """The application; `runtime` opens its parts when the server starts, and closes them."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with runtime() as opened, open_gate(opened) as gate:
            app.state.runtime, app.state.gate = opened, gate
            yield

    app = FastAPI(
        title="Tollkeeper",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
        default_response_class=JsonResponse,
        generate_unique_id_function=_operation_id,
    )
    v1 = APIRouter(prefix="/api/v1")
    for resource in RESOURCES:
        v1.include_router(resource.router)
    app.include_router(v1)
    app.include_router(system.router)
    app.include_router(error_pages.router)
    for route in HOT_ROUTES:
        # For everything but POST, which the middleware answers first.
        app.add_route(route.path, _answered_before, methods=["POST"], include_in_schema=False)
    app.add_middleware(RequestMiddleware)
    app.add_middleware(HotRoutes, routes=HOT_ROUTES)
    add_refusals(app)

    @app.get("/api/openapi.json", include_in_schema=False)
    async def openapi() -> JsonResponse:
        return JsonResponse(document(app))

    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the method in a generated client: `list_customers`, `issue_access_tokens`."""
    verb = route.name.strip("_")
    noun = str(route.tags[0]).replace("-", "_") if route.tags else ""
    return f"{verb}_{noun}".strip("_")


async def _answered_before(request: Request) -> Response:
    raise AssertionError(f"{request.url.path} is a hot route, and came past it")


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI 3.1 document, made once and kept."""
    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            summary="The billing engine that API companies run beside their API.",
            description=app.description,
            routes=app.routes,
            license_info=app.license_info,
            servers=[{"url": "/", "description": "The provider's own address."}],
        )
        schemas = made["components"]["schemas"]
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        _restore_examples(app, made["paths"])
        for route in HOT_ROUTES:
            made["paths"][route.path] = {"post": dict(route.operation)}
        app.openapi_schema = made
    return app.openapi_schema


def _restore_examples(app: FastAPI, paths: dict[str, Any]) -> None:
    """Put the answers' examples in as they were written: FastAPI has dropped each null of them."""
    for route in iter_route_contexts(app.routes):
        operations = paths.get(route.path or "", {})
        for method in operations.keys() & {name.lower() for name in route.methods or ()}:
            for status, answer in route.responses.items():
                described = operations[method]["responses"][str(status)]["content"]
                for media_type, content in answer["content"].items():
                    described[media_type]["example"] = content["example"]

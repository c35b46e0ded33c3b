"""For operators and readers: health, metrics, the OpenAPI document and its reference page."""

from importlib import resources
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from tollkeeper.api.answers import answer, refused
from tollkeeper.api.errors import NOT_READY, UNKNOWN_PATH
from tollkeeper.infra import health
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.telemetry import METRICS_CONTENT_TYPE

router = APIRouter(include_in_schema=False)

# Scalar needs inline style attributes; nothing may come from, or go to, another host.
_REFERENCE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_REFERENCE = """<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Tollkeeper API reference</title>
    <link rel="icon" href="data:,">
  </head>
  <body>
    <noscript>This page needs JavaScript. The document behind it: /api/openapi.json</noscript>
    <script
      id="api-reference"
      data-url="/api/openapi.json"
      data-configuration='{
        "withDefaultFonts": false, "telemetry": false, "agent": {"disabled": true},
        "mcp": {"disabled": true}, "showDeveloperTools": "never", "hideClientButton": true,
        "persistAuth": false}'></script>
    <script src="/api/reference/scalar.js"></script>
  </body>
</html>
"""


_NOT_BUILT = "The reference page's script was not built; run: make assets"


def _script() -> Traversable:
    return resources.files("tollkeeper.api").joinpath("static", "scalar.js.gz")


@router.get("/healthz")
async def healthz() -> Response:
    """The process is alive."""
    return answer({"status": "alive"})


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """The database answers and is migrated, and a worker does the jobs; 503 with what is not so."""
    runtime: Runtime = request.app.state.runtime
    problems = await health.problems(
        runtime.database, late_seconds=runtime.settings.worker_late_seconds
    )
    if problems:
        details = [{"problem": problem} for problem in problems]
        return refused(
            request, NOT_READY.error("; ".join(problems), details=details, retry_after_seconds=5)
        )
    return answer({"status": "ready"})


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus' text format."""
    runtime: Runtime = request.app.state.runtime
    return Response(runtime.metrics.exposition(), media_type=METRICS_CONTENT_TYPE)


@router.get("/api/reference")
async def reference() -> Response:
    """The API, readable and to be tried out."""
    if not _script().is_file():
        return HTMLResponse(f"<p>{_NOT_BUILT}</p>", status_code=404)
    return HTMLResponse(_REFERENCE, headers={"Content-Security-Policy": _REFERENCE_POLICY})


@router.get("/api/reference/scalar.js")
async def reference_script(request: Request) -> Response:
    """The reference page's only script, from the package that `assets/assets.lock.json` names."""
    script = _script()
    if not script.is_file():
        return refused(request, UNKNOWN_PATH.error(_NOT_BUILT))
    headers = {
        "Content-Encoding": "gzip",
        "Vary": "Accept-Encoding",
        "Cache-Control": "public, max-age=86400",
    }
    return Response(script.read_bytes(), media_type="text/javascript", headers=headers)


@router.get("/")
async def front_door() -> Response:
    """Where to go from here."""
    return PlainTextResponse(
        "Tollkeeper is running.\n\nAPI reference: /api/reference\nOpenAPI: /api/openapi.json\n"
        "Error codes: /api/errors\nHealth: /healthz, /readyz\n"
    )

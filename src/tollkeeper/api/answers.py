"""Answers and errors in the contract's envelope, encoded so that every decimal keeps its digits."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi.responses import JSONResponse
from starlette.requests import Request

from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.errors import CodedError
from tollkeeper.kernel.pages import CursorPage, PageOf

_ENCODER = msgspec.json.Encoder(decimal_format="number")


class JsonResponse(JSONResponse):
    """A JSON answer whose numbers are exact."""

    def init_headers(self, headers: Mapping[str, str] | None = None) -> None:
        # An answer may hold a secret that is shown once; none is anybody else's to keep.
        super().init_headers({"Cache-Control": "no-store", **(headers or {})})

    def render(self, content: Any) -> bytes:
        return content if isinstance(content, bytes) else _ENCODER.encode(content)


def answer(data: Any, *, meta: Mapping[str, Any] | None = None) -> JsonResponse:
    """200 with `data`."""
    return JsonResponse({"data": data, "meta": meta or {}})


def created(data: Any, message: str) -> JsonResponse:
    """201 with `data` and a sentence for people."""
    return JsonResponse({"data": data, "meta": {"message": message}}, status_code=201)


def paged(data: Sequence[Any], page: PageOf[Any]) -> JsonResponse:
    """200 with one page of a list and where it stands in the whole."""
    meta = {"page": page.page.number, "per_page": page.page.per_page, "total": page.total}
    return answer(data, meta=meta)


def continued(data: Sequence[Any], page: CursorPage[Any]) -> JsonResponse:
    """200 with a piece of an unbounded list and the cursor that leads on, null at its end."""
    return answer(data, meta={"next_cursor": page.next_cursor})


def refused(request: Request, error: CodedError) -> JsonResponse:
    """The error's status, code and words, with the address of its page."""
    headers = {}
    if error.retry_after_seconds is not None:
        headers["Retry-After"] = str(error.retry_after_seconds)
    if error.kind.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JsonResponse(
        {
            "error": {
                "code": error.kind.code,
                "message": error.message,
                "details": list(error.details),
                "docs": f"{_address(request)}/api/errors/{error.kind.code}",
            }
        },
        status_code=error.kind.status,
        headers=headers,
    )


def _address(request: Request) -> str:
    runtime: Runtime = request.app.state.runtime
    return f"{runtime.settings.public_scheme}://{request.url.netloc}"

"""The catalogue of error codes, and a page for each: where an error's `docs` leads."""

import html
import importlib
import pkgutil
import re
from functools import cache

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

import tollkeeper
from tollkeeper.api.errors import UNKNOWN_PATH
from tollkeeper.kernel.errors import ErrorCode

router = APIRouter(include_in_schema=False)

_FIELD_CODE = re.compile(r"(?P<area>[a-z_]+)\.(?P<field>[a-z0-9_]+)_(?P<fault>required|invalid)")


@cache
def catalogue() -> dict[str, ErrorCode]:
    """Every code that an `errors.py` of the program declares, in alphabetical order."""
    found: dict[str, ErrorCode] = {}
    for package in pkgutil.iter_modules(tollkeeper.__path__):
        name = f"tollkeeper.{package.name}.errors"
        if package.ispkg and importlib.util.find_spec(name):
            values = vars(importlib.import_module(name)).values()
            found |= {value.code: value for value in values if isinstance(value, ErrorCode)}
    return dict(sorted(found.items()))


def explain(code: str) -> ErrorCode | None:
    """The declared code, or what a code of the form `<area>.<field>_required|_invalid` means."""
    declared = catalogue().get(code)
    if declared is not None:
        return declared
    match = _FIELD_CODE.fullmatch(code)
    if match is None:
        return None
    field, fault = match["field"], match["fault"]
    return ErrorCode(
        code,
        422,
        f"The field or parameter {field} is {'missing' if fault == 'required' else 'not valid'}.",
        f"The error's message says what {field} must be, and details names what is at fault. "
        "The reference shows what each route takes.",
    )


@router.get("/api/errors/{code}")
async def show(code: str) -> Response:
    """One code's page."""
    found = explain(code)
    if found is None:
        raise UNKNOWN_PATH.error(f"there is no error code {code[:100]!r}")
    body = (
        f"<p class=status>HTTP {found.status}</p><h2>What it means</h2>"
        f"<p>{_prose(found.summary)}</p><h2>What to do</h2><p>{_prose(found.remedy)}</p>"
    )
    return HTMLResponse(_page(found.code, body))


@router.get("/api/errors")
async def index() -> Response:
    """All codes."""
    rows = "".join(
        f'<tr><td><a href="/api/errors/{code}">{code}</a></td><td>{found.status}</td>'
        f"<td>{_prose(found.summary)}</td></tr>"
        for code, found in catalogue().items()
    )
    return HTMLResponse(_page("Error codes", f"<table>{rows}</table>"))


def _prose(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


def _page(title: str, body: str) -> str:
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)} · Tollkeeper</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<style>
:root {{ color-scheme: light dark; font: 16px/1.6 system-ui, sans-serif }}
body {{ max-width: 44rem; margin: 4rem auto; padding: 0 1.5rem }}
h1 {{ font: 600 1.6rem/1.3 ui-monospace, monospace; overflow-wrap: anywhere }}
h2 {{ font-size: 1rem; margin: 2rem 0 .25rem }} p {{ margin: .25rem 0 }}
.status {{ opacity: .7 }} code {{ font-size: .9em; padding: .1em .3em; background: #8882;
border-radius: .25em }} td {{ padding: .3rem 1rem .3rem 0; vertical-align: top }}
nav {{ margin-top: 3rem; border-top: 1px solid #8884; padding-top: 1rem }}
</style></head><body><h1>{html.escape(title)}</h1>{body}
<nav><a href="/api/errors">All error codes</a> · <a href="/api/reference">API reference</a></nav>
</body></html>"""

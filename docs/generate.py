"""Write the pages that are generated from code: error codes, settings, `.env.example`.

    python docs/generate.py [FOLDER]

The code is the source: the sentences of an `ErrorCode`, the description of a setting. What is
written is the same for the same code, and a page whose code is gone is removed. FOLDER is the
repository unless given.
"""

import sys
import textwrap
from collections.abc import Mapping
from itertools import groupby
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from tollkeeper.api.error_pages import catalogue
from tollkeeper.infra.settings import PREFIX, Settings
from tollkeeper.kernel.errors import ErrorCode

REPOSITORY = Path(__file__).resolve().parents[1]
ERROR_PAGES = Path("docs/errors")

_MARK = "<!-- Written by `make docs`. To change this page, change {source}. -->"

_ERROR_INDEX = """\
# Error codes

Every error has the same shape, on every route:

```json
{
  "error": {
    "code": "customers.email_required",
    "message": "email is required",
    "details": [
      {"field": "email", "code": "customers.email_required", "message": "email is required"}
    ],
    "docs": "https://acme.example.com/api/errors/customers.email_required"
  }
}
```

`code` is for programs: it is never renamed once released. `message` is for people and may change.
`details` lists every field at fault, or figures that belong to the error. `docs` leads to the
code's page, which each installation serves itself.

## Codes of fields

A field or parameter that is missing or cannot be read has a code that is made of its name, and is
always HTTP 422. Such codes are not listed, except where more is to be said.

| code | says |
|---|---|
| `<area>.<field>_required` | The field is missing. |
| `<area>.<field>_invalid` | The field is there, and its value is not one that the route takes. |

`<area>` is the resource for a field of the body (`customers.email_invalid`,
`access_tokens.scope_required`), and `request` for what stands in the address or a header
(`request.page_invalid`) and for the body as a whole (`request.body_required`). `<field>` is the
outermost field: a bad `address.country` is `customers.address_invalid`, and `details` names it in
full. The first field at fault gives the error its code and message.
"""

_SETTINGS_INTRODUCTION = """\
# Settings

Each is an environment variable, or a line in a file `.env` in the directory where Tollkeeper is
started; the environment wins over the file, and an option of the command line wins over both. An
empty value is the same as none. [`.env.example`](../../.env.example) is a file to begin with.

"""

_ENV_INTRODUCTION = """\
# Every setting of Tollkeeper, with its default. Copy this file to `.env` in the directory where
# Tollkeeper is started, and uncomment what is to differ. Written by `make docs`.
"""


def write(root: Path) -> None:
    """Write every generated page below `root`, and remove error pages without a code."""
    pages = {**_error_pages(catalogue()), **_settings_pages(Settings.model_fields)}
    for path, text in pages.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    for found in (root / ERROR_PAGES).glob("*.md"):
        if found.relative_to(root) not in pages:
            found.unlink()


def _error_pages(codes: Mapping[str, ErrorCode]) -> dict[Path, str]:
    pages = {ERROR_PAGES / f"{code}.md": _error_page(found) for code, found in codes.items()}
    pages[ERROR_PAGES / "README.md"] = _error_index(codes)
    return pages


def _error_page(found: ErrorCode) -> str:
    return (
        f"{_MARK.format(source='the code in its `errors.py`')}\n"
        f"# {found.code}\n\nHTTP {found.status}\n\n"
        f"## What it means\n{found.summary}\n\n## What to do\n{found.remedy}\n\n"
        "[All error codes](README.md)\n"
    )


def _error_index(codes: Mapping[str, ErrorCode]) -> str:
    text = f"{_MARK.format(source='`docs/generate.py` or an `errors.py`')}\n{_ERROR_INDEX}"
    for area, found in groupby(codes.values(), key=lambda one: one.code.partition(".")[0]):
        text += f"\n## {area}\n\n| code | HTTP | what it means |\n|---|---|---|\n"
        for one in found:
            text += _row(f"[{one.code}]({one.code}.md)", str(one.status), one.summary)
    return text


def _settings_pages(fields: Mapping[str, FieldInfo]) -> dict[Path, str]:
    table = _row("setting", "type", "default", "what it is for") + "|---|---|---|---|\n"
    example = _ENV_INTRODUCTION
    for name, field in fields.items():
        setting, default = f"{PREFIX}{name}".upper(), _written(field.default)
        description = field.description or ""
        shown = f"`{default}`" if default else "unset"
        table += _row(f"`{setting}`", _type_in_words(field), shown, description)
        example += f"\n{_comment(description)}\n#{setting}={default}\n"
    mark = _MARK.format(source="`Settings` in `infra/settings.py`")
    return {
        Path("docs/guide/settings.md"): f"{mark}\n{_SETTINGS_INTRODUCTION}{table}",
        Path(".env.example"): example,
    }


def _row(*cells: str) -> str:
    escaped = (cell.replace("|", r"\|") for cell in cells)
    return f"| {' | '.join(escaped)} |\n"


def _comment(text: str) -> str:
    return textwrap.fill(
        text, 99, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False
    )


def _written(default: object) -> str:
    """A default as one would write it into the environment."""
    if default is None:
        return ""
    return ",".join(default) if isinstance(default, tuple) else str(default)


def _type_in_words(field: FieldInfo) -> str:
    """What may be written. Raises TypeError for a type that has no words here yet."""
    wanted = _without_none(field.annotation)
    if get_origin(wanted) is Literal:
        *choices, last = (f"`{choice}`" for choice in get_args(wanted))
        return f"{', '.join(choices)} or {last}"
    if get_origin(wanted) is tuple:
        return "list, comma-separated"
    words = {str: "text", int: "whole number", bool: "`true` or `false`", Path: "path"}
    words[SecretStr] = "text, kept out of logs"
    if wanted not in words:
        raise TypeError(f"a setting of type {wanted} has no words in docs/generate.py yet")
    return words[wanted] + _bounds(field)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) is UnionType:
        return next(choice for choice in get_args(annotation) if choice is not NoneType)
    return annotation


def _bounds(field: FieldInfo) -> str:
    least = next((rule.ge for rule in field.metadata if hasattr(rule, "ge")), None)
    most = next((rule.le for rule in field.metadata if hasattr(rule, "le")), None)
    if least is not None and most is not None:
        return f", {least} to {most}"
    if least is not None:
        return f", at least {least}"
    return f", at most {most}" if most is not None else ""


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else REPOSITORY)

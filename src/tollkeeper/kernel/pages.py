"""Lists in portions: numbered pages where the total is known, cursors where there is no end."""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tollkeeper.kernel.errors import InvalidValue

T = TypeVar("T")

MAX_PER_PAGE = 200
_BIGINT_LIMIT = 2**63
# Even the end of the last page fits a PostgreSQL bigint.
MAX_PAGE_NUMBER = (_BIGINT_LIMIT - 1) // MAX_PER_PAGE
MAX_CURSOR_LENGTH = 512

_URL_SAFE = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_CURSOR_LENGTH}}}")


@dataclass(frozen=True)
class Page:
    """Which portion is asked for: pages count from 1. Raises InvalidValue beyond the limits."""

    number: int = 1
    per_page: int = 50

    def __post_init__(self) -> None:
        if not 1 <= self.number <= MAX_PAGE_NUMBER:
            raise InvalidValue(f"must be a page number from 1 to {MAX_PAGE_NUMBER}")
        if not 1 <= self.per_page <= MAX_PER_PAGE:
            raise InvalidValue(f"must be a page size from 1 to {MAX_PER_PAGE}")

    @property
    def offset(self) -> int:
        return (self.number - 1) * self.per_page

    @property
    def limit(self) -> int:
        return self.per_page


@dataclass(frozen=True)
class PageOf(Generic[T]):
    """One page of a list, and how many items the whole list has."""

    items: tuple[T, ...]
    total: int
    page: Page


@dataclass(frozen=True)
class CursorPage(Generic[T]):
    """One portion of an unbounded list; `next_cursor` is None where the list ends."""

    items: tuple[T, ...]
    next_cursor: str | None


def encode_cursor(*parts: str | int) -> str:
    """Opaque, URL-safe text for the place where a list goes on: the sort key of the last item.

    It is neither secret nor signed: put in it only what the caller may see, and keep the scope out.
    Raises TypeError for other types, ValueError for parts that `decode_cursor` would refuse.
    """
    for part in parts:
        if type(part) is not str and type(part) is not int:
            raise TypeError(f"a cursor is made of str and int, not {type(part).__name__}")
        if not _is_storable(part):
            raise ValueError(f"{part!r} cannot be compared with anything that PostgreSQL stores")
    written = json.dumps(parts, ensure_ascii=False, separators=(",", ":")).encode()
    text = urlsafe_b64encode(written).rstrip(b"=").decode()
    if len(text) > MAX_CURSOR_LENGTH:
        raise ValueError(f"a cursor has at most {MAX_CURSOR_LENGTH} characters, not {len(text)}")
    return text


def decode_cursor(text: str, shape: tuple[type, ...]) -> tuple[Any, ...]:
    """The parts that `encode_cursor` was given, if they are of these types (str or int).

    Raises InvalidValue for any other text: only what `encode_cursor` writes is read.
    """
    parts = _parts(text)
    if parts is None or tuple(type(part) for part in parts) != shape:
        raise InvalidValue("must be the next_cursor of an earlier answer")
    return parts


def _parts(text: str) -> tuple[str | int, ...] | None:
    if _URL_SAFE.fullmatch(text) is None:
        return None
    try:
        parts = tuple(json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4))))
        # One place has one spelling: spaces, other escapes and spare bits are somebody's handiwork.
        return parts if encode_cursor(*parts) == text else None
    except (ValueError, TypeError, RecursionError):
        return None


def _is_storable(part: str | int) -> bool:
    """Whether PostgreSQL has room for it: no NUL in text, integers within bigint."""
    if isinstance(part, str):
        return "\0" not in part
    return -_BIGINT_LIMIT <= part < _BIGINT_LIMIT

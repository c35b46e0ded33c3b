"""Request bodies, read with a limit and parsed without a binary float anywhere."""

import json
import re
from codecs import BOM_UTF8
from collections import Counter
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from typing import Any

from starlette.requests import ClientDisconnect, Request

from tollkeeper.api.errors import (
    INCOMPLETE_BODY,
    MALFORMED_JSON,
    TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
)
from tollkeeper.kernel.errors import CodedError

_MAX_NUMBER_LENGTH = 400
_MAX_MAGNITUDE = 1_000  # powers of ten; what a field takes of it is for the field to say
_MAX_DEPTH = 32
_MAX_SHOWN = 100  # characters of what was sent that an error repeats
# A client that writes all before it reads would find a broken pipe instead of the 413.
_DISCARDED_BODIES = 16
_JSON_TYPE = re.compile(r"application/(?:[\w.!#$&^-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
# A NUL or half of a surrogate pair is legal in JSON, and in no PostgreSQL text.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class BodyRequest(Request):
    """A request whose body is limited and whose JSON is exact.

    Raises request.too_large, request.incomplete_body, request.malformed_json or
    request.unsupported_media_type.
    """

    max_body_bytes: int
    _unusable: CodedError | None = None
    _exact: Any

    @classmethod
    def of(cls, request: Request, max_body_bytes: int) -> "BodyRequest":
        limited = cls(request.scope, request.receive)
        limited.max_body_bytes = max_body_bytes
        return limited

    async def receive_body(self) -> None:
        """Wait for all of the body; what is wrong with it is raised when somebody asks for it."""
        if "expect" in self.headers and self._declared_length() > self.max_body_bytes:
            # Whoever asks before they send is answered before they send.
            self._unusable, self._body = self._too_large(), b""
            return
        received = bytearray()
        size = 0
        try:
            async for chunk in self.stream():
                size += len(chunk)
                if size <= self.max_body_bytes:
                    received += chunk
                elif size > self.max_body_bytes * _DISCARDED_BODIES:
                    break
        except ClientDisconnect:
            self._unusable = INCOMPLETE_BODY.error(
                f"the body ended after {size} bytes, before it was complete; send all of it"
            )
        if size > self.max_body_bytes:
            self._unusable = self._too_large()
        self._body = bytes(received)

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            await self.receive_body()
        if self._unusable is not None:
            raise self._unusable
        return self._body

    def _declared_length(self) -> int:
        declared = self.headers.get("content-length", "")
        return int(declared[:20]) if declared.isdecimal() else 0

    def _too_large(self) -> CodedError:
        return TOO_LARGE.error(f"the body must not exceed {self.max_body_bytes} bytes")

    async def json(self) -> Any:
        if not hasattr(self, "_exact"):
            self._exact = parse_json(await self.body())
        return self._exact

    async def require_json(self) -> Any:
        """The parsed body, None where there is none; refuses other media types."""
        if not await self.body():
            return None
        given = self.headers.get("content-type", "")
        if not _JSON_TYPE.fullmatch(given.strip()):
            raise UNSUPPORTED_MEDIA_TYPE.error(
                f"the body must be JSON with Content-Type: application/json, not {given[:100]!r}"
            )
        coding = self.headers.get("content-encoding", "identity")
        if coding.strip().lower() != "identity":
            raise UNSUPPORTED_MEDIA_TYPE.error(
                f"the body must be sent as it is, without Content-Encoding, not {coding[:100]!r}"
            )
        return await self.json()


def parse_json(body: bytes) -> Any:
    """JSON as Python values, fractions as Decimal. Raises request.malformed_json."""
    if body.startswith(BOM_UTF8):
        raise MALFORMED_JSON.error("the body begins with a byte order mark; send it without one")
    try:
        parsed = json.loads(
            body.decode("utf-8"),
            parse_float=_decimal,
            parse_int=_integer,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
        _check(parsed, ())
    except UnicodeDecodeError as error:
        raise MALFORMED_JSON.error(f"the body is not valid UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        raise MALFORMED_JSON.error(
            f"the body is not valid JSON at line {error.lineno}, column {error.colno}: {error.msg}"
        ) from error
    except RecursionError as error:
        raise MALFORMED_JSON.error(_too_deep()) from error
    return parsed


def _decimal(digits: str) -> Decimal:
    if len(digits) <= _MAX_NUMBER_LENGTH:
        with suppress(InvalidOperation):  # an exponent beyond what even a Decimal holds
            number = Decimal(digits)
            if abs(number.adjusted()) <= _MAX_MAGNITUDE:
                return number
    raise MALFORMED_JSON.error(f"the number {digits[:40]}... is beyond any that is used here")


def _integer(digits: str) -> int:
    if len(digits) > _MAX_NUMBER_LENGTH:
        raise MALFORMED_JSON.error(f"the number {digits[:40]}... is beyond any that is used here")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise MALFORMED_JSON.error(f"{name} is not a JSON number; send a finite one")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise MALFORMED_JSON.error(
            f"the field {twice[:_MAX_SHOWN]!r} stands twice in one object; send it once"
        )
    return found


def _check(value: Any, path: tuple[str | int, ...]) -> None:
    """Refuse what is nested too deep, and text that cannot be stored, names of fields too."""
    if len(path) > _MAX_DEPTH:
        raise MALFORMED_JSON.error(_too_deep())
    if isinstance(value, str) and _UNSTORABLE.search(value):
        raise MALFORMED_JSON.error(
            f"{_shown(path)} contains a NUL character or half of a surrogate pair, "
            "which no text may; remove it"
        )
    if isinstance(value, dict):
        for name, item in value.items():
            _check(name, (*path, name))
            _check(item, (*path, name))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            if isinstance(item, str | dict | list):
                _check(item, (*path, number))


def _shown(path: tuple[str | int, ...]) -> str:
    """`a.b[0]`: cut and made printable, since it is as long and as odd as the caller likes."""
    if not path:
        return "the body"
    parts = (f"[{part}]" if isinstance(part, int) else f".{part[:_MAX_SHOWN]}" for part in path)
    return _UNSTORABLE.sub("?", "".join(parts).removeprefix("."))[:_MAX_SHOWN]


def _too_deep() -> str:
    return f"the body is nested more than {_MAX_DEPTH} levels deep; flatten it"

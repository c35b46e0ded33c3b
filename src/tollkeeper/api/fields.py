"""Types of fields and parameters that several routes share."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from tollkeeper.api.documents import Schema
from tollkeeper.kernel.clock import parse_instant
from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import parse_uuid
from tollkeeper.kernel.pages import MAX_PER_PAGE, Page, decode_cursor
from tollkeeper.kernel.quantity import parse_positive_quantity

_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,19}")
_NOT_A_CURSOR = "must be the next_cursor of an earlier answer"


def _storable(value: str) -> str:
    # In a body the parser has refused these already; in an address nobody has.
    if "\x00" in value:
        raise InvalidValue("must not contain a NUL character")
    if not value.strip():
        raise InvalidValue("must not be blank")
    return value


def _visible(most: int) -> Any:
    """A text of 1 to `most` characters, of which at least one is visible."""
    pattern = r"^[^\x00]*[^\s\x00][^\x00]*$"
    return Field(min_length=1, max_length=most, json_schema_extra={"pattern": pattern})


ShortText = Annotated[str, _visible(64), AfterValidator(_storable)]
Text = Annotated[str, _visible(255), AfterValidator(_storable)]


def _digits(value: Any) -> Any:
    # Python also reads `1_0`, `+1` and ` 1 `, which no schema of ours promises.
    if isinstance(value, str) and not _WHOLE_NUMBER.fullmatch(value):
        raise InvalidValue("must be a whole number such as 1")
    return value


WholeNumber = Annotated[int, BeforeValidator(_digits)]


def _integer(value: Any) -> Any:
    # 3.0 is an integer to JSON Schema, "3" and true are none.
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidValue("must be a whole number")
    return value


Integer = Annotated[int, BeforeValidator(_integer)]


def _instant(value: Any) -> datetime:
    if not isinstance(value, str):
        raise InvalidValue("must be an RFC 3339 time with an offset such as '2026-01-31T00:00:00Z'")
    return parse_instant(value)


Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2099-12-31T23:59:59Z"]}),
]


def _cursor(value: Any) -> UUID:
    if not isinstance(value, str):
        raise InvalidValue(_NOT_A_CURSOR)
    try:
        return parse_uuid(value)
    except InvalidValue as error:
        raise InvalidValue(_NOT_A_CURSOR) from error


# Collections are in order of their ids (UUIDv7, so by time): the last id seen is where to go on.
Cursor = Annotated[
    UUID, BeforeValidator(_cursor), WithJsonSchema({"type": "string", "format": "uuid"})
]


def _opaque(value: str) -> str:
    try:
        decode_cursor(value, (int, int))
    except InvalidValue as error:
        raise InvalidValue(_NOT_A_CURSOR) from error
    return value


OpaqueCursor = Annotated[str, Field(max_length=512), AfterValidator(_opaque)]


# An answer's number with as many digits as it has; documents know it as a number.
ExactNumber = Annotated[Decimal, WithJsonSchema({"type": "number"})]
PositiveQuantity = Annotated[
    Decimal,
    BeforeValidator(parse_positive_quantity),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 10**20 - 1},
                {"type": "string", "pattern": r"^[1-9][0-9]{0,19}(\.[0-9]{1,18})?$"},
                {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.01, "maximum": 10**12},
            ],
            "description": "Exactly: a number, or the text of one, with at most 20 digits before "
            "and 18 after the point. (Documents know only binary steps: finer ones are taken too.)",
            "examples": [10000, "12.25"],
        }
    ),
]


class PageParameters(Schema):
    """Which page of a list."""

    page: WholeNumber = Field(1, ge=1, le=1_000_000, description="Counted from 1.")
    per_page: WholeNumber = Field(50, ge=1, le=MAX_PER_PAGE, description="How many on a page.")

    def asked(self) -> Page:
        return Page(self.page, self.per_page)

    def filters(self) -> dict[str, str]:
        """The parameters given that are neither paging nor search: fields and what they equal."""
        return self.model_dump(exclude_none=True, exclude={"page", "per_page", "search"})


class CursorParameters(Schema):
    """Where to go on in an unbounded list."""

    cursor: Cursor | None = Field(
        None,
        description="The `next_cursor` of the answer before; leave it out to begin.",
    )
    per_page: WholeNumber = Field(50, ge=1, le=MAX_PER_PAGE, description="How many at once.")

    def filters(self) -> dict[str, str]:
        """The parameters given that are not paging: fields and what they equal."""
        return self.model_dump(exclude_none=True, exclude={"cursor", "per_page"})

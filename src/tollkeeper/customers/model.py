"""A customer, as a value."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

from babel import Locale

from tollkeeper.kernel.currency import Currency
from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import CustomerId

# What HTML forms take for an e-mail address: https://html.spec.whatwg.org/#valid-e-mail-address
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
EMAIL_PATTERN = rf"^[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*$"
_EMAIL = re.compile(EMAIL_PATTERN.removesuffix("$"))

# Inventions and groupings of CLDR that stand beside ISO's codes in its table of territories.
_NOT_ISO = frozenset(
    ["AC", "CP", "CQ", "DG", "EA", "EU", "EZ", "IC", "QO", "TA", "UN", "XA", "XB", "XK", "ZZ"]
)


MAX_METADATA_KEYS = 50
MAX_METADATA_BYTES = 16_384


@dataclass(frozen=True, slots=True)
class Customer:
    """Someone who buys from the provider.

    external_id: the provider's own name for them, unique per provider; stands wherever the id may.
    timezone: IANA name; billing periods begin and end at its midnights.
    currency: what they are billed in unless a plan says otherwise.
    """

    id: CustomerId
    name: str
    email: str
    timezone: str
    metadata: Mapping[str, Any]
    created_at: datetime
    updated_at: datetime
    external_id: str | None = None
    currency: Currency | None = None
    country: str | None = None
    address: Mapping[str, str] | None = None
    tax_id: str | None = None


@cache
def timezones() -> frozenset[str]:
    """The names of the IANA time zone database, in the edition that the program ships."""
    zones = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8")
    # A placeholder in the database, for a machine that nobody has set up.
    return frozenset(zones.split()) - {"Factory"}


def parse_timezone(name: str) -> str:
    """An IANA name as it stands. Raises InvalidValue: an unknown zone is never taken for UTC."""
    if name not in timezones():
        raise InvalidValue("must be an IANA time zone such as 'Europe/Berlin' or 'UTC'")
    return name


@cache
def countries() -> frozenset[str]:
    """The codes of ISO 3166-1 alpha-2."""
    codes = frozenset(str(code) for code in Locale("en").territories)
    return frozenset(code for code in codes if len(code) == 2) - _NOT_ISO


def parse_country(code: str) -> str:
    """An upper-case code as it stands. Raises InvalidValue."""
    if code not in countries():
        raise InvalidValue("must be an ISO 3166-1 country code such as 'DE'")
    return code


def parse_email(address: str) -> str:
    """An e-mail address as HTML forms take it. Raises InvalidValue."""
    if not _EMAIL.fullmatch(address):
        raise InvalidValue("must be an e-mail address such as 'ada@example.com'")
    return address


def parse_metadata(metadata: dict[str, Any]) -> dict[str, Any]:
    """JSON values within the limits above, numbers written out in full. Raises InvalidValue."""
    if len(metadata) > MAX_METADATA_KEYS:
        raise InvalidValue(f"must have at most {MAX_METADATA_KEYS} items")
    if len(json.dumps(metadata, ensure_ascii=False, default="{:f}".format).encode()) > (
        MAX_METADATA_BYTES
    ):
        raise InvalidValue(f"must not exceed {MAX_METADATA_BYTES} bytes as JSON")
    return metadata

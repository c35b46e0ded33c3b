import time
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.customers.model import (
    MAX_METADATA_BYTES,
    countries,
    parse_country,
    parse_email,
    parse_metadata,
    parse_timezone,
    timezones,
)
from tollkeeper.kernel.errors import InvalidValue


def test_every_time_zone_that_is_taken_can_be_computed_in() -> None:
    """A name that is accepted today must not fail when a period is closed."""
    for name in timezones():
        assert ZoneInfo(name).key == parse_timezone(name)


@pytest.mark.parametrize(
    "name", ["", "utc", "Local", "Europe", "/Europe/Berlin", "Europe/Berlin\n", "../UTC", "UTC+1"]
)
def test_no_other_time_zone_is_taken(name: str) -> None:
    """Names are compared as they stand: nothing is opened, nothing taken for UTC."""
    with pytest.raises(InvalidValue, match="IANA"):
        parse_timezone(name)


def test_countries_are_those_of_iso_3166() -> None:
    """249 codes are assigned; those that CLDR made up are not among them."""
    assert len(countries()) == 249
    assert {"DE", "GB", "US", "TW", "AX"} <= countries()
    for code in ("EU", "UK", "XK", "ZZ", "de", "DEU", "", "D"):
        with pytest.raises(InvalidValue, match="ISO 3166-1"):
            parse_country(code)


@pytest.mark.parametrize(
    "address",
    ["ada@example.com", "a.b+c@x.co", "o'neil@host", "x@1.2.3.4", "!#$%&'*+/=?^_`{|}~-@a-b.c"],
)
def test_what_html_forms_take_for_an_address_is_taken(address: str) -> None:
    """The rule is the one that a browser applies before the address gets here."""
    assert parse_email(address) == address


@pytest.mark.parametrize(
    "address",
    ["", "@", "a@", "@b", "a b@c", "a@b c", "a@-b", "a@b-", "a@b..c", "a@.b", "ä@b", "a@b\n"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(InvalidValue, match="such as 'ada@"):
        parse_email(address)


@pytest.mark.parametrize(
    "address", ["a" * 100_000, "a@" + "a." * 50_000 + "@", "a@" + "a-" * 50_000, "@" * 100_000]
)
def test_a_hostile_address_is_refused_at_once(address: str) -> None:
    """The pattern takes time in proportion to the text, whatever the text."""
    started = time.perf_counter()
    with pytest.raises(InvalidValue):
        parse_email(address)
    assert time.perf_counter() - started < 1


@given(st.dictionaries(st.text(), st.decimals(allow_nan=False, allow_infinity=False)))
def test_metadata_within_its_limits_is_taken_as_it_is(metadata: dict[str, Decimal]) -> None:
    """Exact numbers are measured as they are written out in full."""
    written_out = sum(len(format(value, "f")) for value in metadata.values())
    if written_out > MAX_METADATA_BYTES:
        with pytest.raises(InvalidValue, match="bytes as JSON"):
            parse_metadata(metadata)
    elif len(metadata) <= 50 and sum(map(len, metadata)) < 1_000 and written_out < 8_000:
        assert parse_metadata(metadata) == metadata


def test_a_short_number_with_a_large_exponent_counts_in_full() -> None:
    """The database writes it out, and so does every answer that shows it."""
    numbers = [Decimal("1e1000")] * 20
    with pytest.raises(InvalidValue, match="16384 bytes"):
        parse_metadata({"numbers": numbers})

import re
from collections import Counter

import pytest
from babel.core import get_global
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kernel.currency import CURRENCIES, Currency, currency
from tollkeeper.kernel.errors import InvalidValue


@pytest.mark.parametrize(
    ("code", "exponent"),
    [
        ("jpy", 0),
        ("isk", 0),
        ("ugx", 0),
        ("eur", 2),
        ("mga", 2),
        ("irr", 2),
        ("bhd", 3),
        ("uyw", 4),
    ],
)
def test_exponents_are_those_of_iso_4217(code: str, exponent: int) -> None:
    """Also where everyday cash has other decimals (IRR) or another base (MGA)."""
    assert currency(code) == Currency(code, exponent)


def test_the_table_is_the_edition_that_it_names() -> None:
    """ISO 4217 of 2026-01-01 has this many currencies of each exponent: none slips in or out."""
    exponents = Counter(entry.exponent for entry in CURRENCIES.values())
    assert exponents == {0: 16, 2: 132, 3: 7, 4: 1}


def test_every_code_is_known_to_the_library_that_writes_invoices() -> None:
    """No code is misspelled, and each has a name to print."""
    assert {code.upper() for code in CURRENCIES} <= set(get_global("all_currencies"))


def test_entries_stand_under_their_own_code_in_lower_case() -> None:
    """The contract writes currencies in lower case, and so does everything that stores them."""
    for code, entry in CURRENCIES.items():
        assert entry.code == code
        assert re.fullmatch("[a-z]{3}", code)


@pytest.mark.parametrize("code", ["EUR", "eur", "Eur"])
def test_any_case_is_read(code: str) -> None:
    """Providers write EUR as often as eur."""
    assert currency(code) is CURRENCIES["eur"]


@pytest.mark.parametrize(
    "code",
    [
        *["", "eu", "euro", " eur", "eur\n", "€", "dk\N{KELVIN SIGN}"],
        *["xau", "xdr", "xts", "xxx", "xad", "clf", "che", "usn"],
        *["bgn", "hrk", "ang", "zwl", "dem"],
    ],
)
def test_what_is_no_active_currency_is_refused(code: str) -> None:
    """Nobody is billed in gold, test money, a fund or a currency that is gone."""
    with pytest.raises(InvalidValue, match=r"^must be an ISO 4217 currency code such as 'eur'$"):
        currency(code)


@given(st.text(max_size=4))
def test_any_text_is_a_currency_or_refused(text: str) -> None:
    """No text ends in another exception, or in a currency that is not in the table."""
    try:
        found = currency(text)
    except InvalidValue:
        assert text.lower() not in CURRENCIES or not text.isascii()
    else:
        assert found is CURRENCIES[text.lower()]


def test_the_table_cannot_be_changed() -> None:
    """An exponent that changed at run time would move every amount in that currency."""
    with pytest.raises(TypeError):
        CURRENCIES["eur"] = Currency("eur", 3)  # type: ignore[index]

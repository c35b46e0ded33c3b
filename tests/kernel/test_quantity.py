import re
from decimal import Context, Decimal, DecimalException, DivisionByZero, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.quantity import (
    EXACT,
    MAX_INTEGER_DIGITS,
    MAX_SCALE,
    format_quantity,
    parse_positive_quantity,
    parse_quantity,
)

LARGEST = 10 ** (MAX_INTEGER_DIGITS + MAX_SCALE) - 1
WORDS = "must be a decimal number with at most 20 digits before and 18 after the point"


def decimal(units: int, scale: int) -> Decimal:
    return Decimal(units).scaleb(-scale, EXACT)


quantities = st.one_of(
    st.builds(decimal, st.integers(-LARGEST, LARGEST), st.just(MAX_SCALE)),
    st.builds(decimal, st.integers(-(10**20) + 1, 10**20 - 1), st.integers(0, MAX_SCALE)),
)


class TestParseQuantity:
    @pytest.mark.parametrize(
        ("value", "quantity"),
        [
            (0, "0"),
            (-12, "-12"),
            (10**20 - 1, "99999999999999999999"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0e999999999999999999999999", "0"),
            ("1000", "1000"),
            ("1e3", "1000"),
            ("1E+3", "1000"),
            ("25e-4", "0.0025"),
            ("2.50", "2.5"),
            ("007", "7"),
            ("-0.000000000000000001", "-0.000000000000000001"),
            ("99999999999999999999.999999999999999999", "99999999999999999999.999999999999999999"),
            ("1." + "0" * 60, "1"),
            ("0.00001e19", "100000000000000"),
            (Decimal("1E+3"), "1000"),
            (Decimal("-0E+5"), "0"),
            (Decimal("2.5000000000000000000000"), "2.5"),
        ],
    )
    def test_a_number_within_the_bounds_is_read_exactly(self, value: object, quantity: str) -> None:
        """The bounds are about the value, not about how its sender liked to write it."""
        parsed = parse_quantity(value)
        assert parsed == Decimal(quantity)
        assert format_quantity(parsed) == quantity
        assert -MAX_SCALE <= int(parsed.as_tuple().exponent) <= 0

    @pytest.mark.parametrize(
        "value",
        [
            *[True, False, 1.0, float("nan"), None, [], b"1", 1j],
            *["", " ", "1 ", " 1", "1\n", "1_000", "1,5", "+1", ".5", "5.", ".", "-", "--1", "e5"],
            *["1e", "1e+", "0x10", "1.2.3", "1e1.5", "NaN", "sNaN", "inf", "-Infinity"],
            *["\N{ARABIC-INDIC DIGIT ONE}", "1\N{FULLWIDTH DIGIT TWO}", "\N{SUPERSCRIPT TWO}"],
            *[Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity")],
            *[10**20, -(10**20), 10**5000, "100000000000000000000", "1e20", Decimal("1e20")],
            *["0.0000000000000000001", "1e-19", "1.0000000000000000001", Decimal("1e-19")],
            *["1e999999999", "-1e999999999", "1e-999999999", "1e99999999999999999999999999999"],
            *[Decimal("1e999999999"), Decimal("1e-999999999"), "9" * 5000, "0." + "3" * 5000],
            *["0" * 5000, "1" + "e" * 5000, Decimal("9" * 5000), Decimal("1." + "3" * 5000)],
        ],
        ids=lambda value: type(value).__name__,
    )
    def test_everything_else_is_refused_in_words_that_help(self, value: object) -> None:
        """No rubbish, no float and no number that would fill the memory gets in."""
        with pytest.raises(InvalidValue, match=f"^{re.escape(WORDS)}$"):
            parse_quantity(value)

    @given(quantities)
    @example(Decimal("-99999999999999999999.999999999999999999"))
    def test_what_is_written_is_read_back(self, quantity: Decimal) -> None:
        """A quantity survives every trip through JSON, CSV and the database unchanged."""
        text = format_quantity(quantity)
        assert parse_quantity(text) == quantity
        assert parse_quantity(quantity) == quantity

    @given(quantities)
    def test_the_ambient_context_changes_nothing(self, hostile: Context, quantity: Decimal) -> None:
        """The same event counts the same in a thread whose context was tampered with."""
        text = format_quantity(quantity)
        with localcontext(hostile):
            assert parse_quantity(text) == quantity
            assert parse_quantity(quantity) == quantity
            assert format_quantity(quantity) == text

    @given(st.one_of(st.text(max_size=60), st.text("0123456789.eE+-_ ", max_size=40)))
    def test_any_text_is_a_quantity_or_refused(self, text: str) -> None:
        """No text ends in another exception; what is read is what Python's exact fractions say."""
        try:
            quantity = parse_quantity(text)
        except InvalidValue:
            return
        assert quantity.is_zero() or Fraction(quantity) == Fraction(text)

    @given(st.decimals())
    def test_any_decimal_is_kept_or_refused(self, value: Decimal) -> None:
        """A Decimal from a JSON reader is never rounded on its way in."""
        try:
            quantity = parse_quantity(value)
        except InvalidValue:
            return
        assert quantity == value


class TestParsePositiveQuantity:
    @pytest.mark.parametrize("value", [0, -1, "0", "-0", "0.0", "-0.5", Decimal("-1e-18")])
    def test_nothing_and_less_is_refused(self, value: object) -> None:
        """Usage cannot be undone by reporting less than nothing: corrections do that."""
        with pytest.raises(InvalidValue, match=r"^must be greater than 0$"):
            parse_positive_quantity(value)

    def test_the_smallest_step_is_accepted(self) -> None:
        """Whatever is above zero counts."""
        assert parse_positive_quantity("1e-18") == Decimal("1e-18")

    def test_what_is_no_number_is_told_so(self) -> None:
        """The caller hears what is wrong, not that a word is too small."""
        with pytest.raises(InvalidValue, match="must be a decimal number"):
            parse_positive_quantity("lots")


class TestFormatQuantity:
    @pytest.mark.parametrize(
        ("value", "text"),
        [
            ("1000", "1000"),
            ("1E+3", "1000"),
            ("0.0025", "0.0025"),
            ("2.5E-7", "0.00000025"),
            ("10.500", "10.5"),
            ("0", "0"),
            ("-0", "0"),
            ("-0.000", "0"),
            ("0E+7", "0"),
            ("-12.30", "-12.3"),
        ],
    )
    def test_one_value_has_one_text(self, value: str, text: str) -> None:
        """Digests, idempotency and people compare texts: equal quantities have equal ones."""
        assert format_quantity(Decimal(value)) == text

    @given(quantities, st.integers(0, 30))
    def test_trailing_zeros_never_show(self, quantity: Decimal, zeros: int) -> None:
        """The same holds for every quantity, however many zeros arithmetic left behind."""
        padded = EXACT.multiply(quantity, Decimal((0, (1,) + (0,) * zeros, -zeros)))
        text = format_quantity(padded)
        assert text == format_quantity(quantity)
        assert re.fullmatch(r"0|-?([1-9][0-9]*|0)(\.[0-9]*[1-9])?", text)
        assert text != "-0"

    @pytest.mark.parametrize("value", ["NaN", "Infinity"])
    def test_what_is_no_quantity_is_refused(self, value: str) -> None:
        """A broken calculation is not printed on an invoice."""
        with pytest.raises(ValueError, match="is not a quantity"):
            format_quantity(Decimal(value))

    @pytest.mark.parametrize("value", ["1e999999999", "1e-999999999"])
    def test_what_exact_arithmetic_cannot_give_is_refused_at_once(self, value: str) -> None:
        """No text of a billion zeros is ever begun."""
        with pytest.raises(DecimalException):
            format_quantity(Decimal(value))


class TestExact:
    @given(st.lists(quantities, min_size=1, max_size=10))
    def test_products_of_quantities_are_exact(self, factors: list[Decimal]) -> None:
        """Quantity times price times rate keeps every digit until the one rounding."""
        product, exact = Decimal(1), Fraction(1)
        for factor in factors:
            product, exact = EXACT.multiply(product, factor), exact * Fraction(factor)
        assert Fraction(product) == exact

    @given(st.lists(quantities, max_size=30))
    def test_sums_of_quantities_are_exact(self, parts: list[Decimal]) -> None:
        """A total is its parts, in whatever order they came."""
        with localcontext(EXACT):
            assert Fraction(sum(parts, Decimal(0))) == sum(map(Fraction, parts))
            assert sum(reversed(parts), Decimal(0)) == sum(parts, Decimal(0))

    def test_what_cannot_be_exact_fails(self) -> None:
        """A third is an error here, where elsewhere it would be a lost fraction of a cent."""
        assert EXACT.divide(Decimal(1), Decimal(8)) == Decimal("0.125")
        with pytest.raises(Inexact):
            EXACT.divide(Decimal(1), Decimal(3))
        with pytest.raises(DivisionByZero):
            EXACT.divide(Decimal(1), Decimal(0))
        with pytest.raises(DecimalException):
            EXACT.multiply(Decimal("1e300"), Decimal("1e300"))

    def test_a_float_fails(self) -> None:
        """A float that slipped into a calculation is found at the first operation."""
        with localcontext(EXACT), pytest.raises(DecimalException):
            Decimal(0.1)  # noqa: RUF032

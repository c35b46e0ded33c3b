from collections.abc import Callable
from decimal import Context, Decimal, localcontext
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollkeeper.kernel.currency import CURRENCIES, Currency, currency
from tollkeeper.kernel.money import CurrencyMismatch, Money, allocate, round_to_minor

EUR, USD, JPY = currency("eur"), currency("usd"), currency("jpy")

minors = st.integers(-(10**24), 10**24)
euros = st.builds(Money, minors, st.just(EUR))
currencies = st.sampled_from(sorted(CURRENCIES.values(), key=lambda entry: entry.code))
amounts = st.decimals(allow_nan=False, allow_infinity=False, places=None).filter(
    lambda amount: amount.adjusted() < 60
)
weights = st.one_of(
    st.integers(0, 10**12),
    st.decimals(min_value=0, max_value=10**6, places=6),
    st.just(Decimal(0)),
)


def in_minor_units(amount: Decimal, currency: Currency) -> Fraction:
    minor_units_in_one: int = 10**currency.exponent
    return Fraction(amount) * minor_units_in_one


class TestMoney:
    @given(euros, euros, euros)
    def test_adding_is_a_group(self, a: Money, b: Money, c: Money) -> None:
        """The order in which lines are summed never shows in a total, and nothing is lost."""
        assert a + b == b + a
        assert (a + b) + c == a + (b + c)
        assert a + Money.zero(EUR) == a
        assert a + -a == Money.zero(EUR)
        assert a - b == a + -b

    @given(euros, st.integers(-50, 50), st.integers(-50, 50))
    def test_multiplying_is_repeated_adding(self, money: Money, n: int, m: int) -> None:
        """Three seats cost what one seat costs, three times."""
        assert money * (n + m) == money * n + money * m
        assert n * money == money * n
        assert money * 1 == money

    @given(euros, euros)
    def test_order_is_that_of_the_amounts(self, a: Money, b: Money) -> None:
        """Caps, minimums and `sorted` see amounts as people do."""
        assert (a < b, a <= b, a > b, a >= b) == (
            a.minor < b.minor,
            a.minor <= b.minor,
            a.minor > b.minor,
            a.minor >= b.minor,
        )

    @pytest.mark.parametrize(
        "operation",
        [
            lambda a, b: a + b,
            lambda a, b: a - b,
            lambda a, b: a < b,
            lambda a, b: a <= b,
            lambda a, b: a > b,
            lambda a, b: a >= b,
        ],
    )
    def test_two_currencies_never_meet(self, operation: Callable[[Any, Any], object]) -> None:
        """A balance never mixes currencies; and a bare number is no money at all."""
        with pytest.raises(CurrencyMismatch, match="eur met usd"):
            operation(Money(1, EUR), Money(1, USD))
        for stranger in (1, Decimal(1), 1.0, None):
            with pytest.raises(TypeError):
                operation(Money(1, EUR), stranger)

    def test_equal_amounts_of_two_currencies_are_different(self) -> None:
        """Asking whether they are equal is fair, so Money can be compared, hashed and listed."""
        assert Money(1, EUR) != Money(1, USD)
        assert len({Money(1, EUR), Money(1, USD), Money(1, EUR)}) == 2

    @pytest.mark.parametrize("minor", [1.0, True, Decimal(1), "1", None])
    def test_only_an_int_counts_minor_units(self, minor: Any) -> None:
        """No float comes near money, and no truth value passes for a cent."""
        with pytest.raises(TypeError, match="minor units are an int"):
            Money(minor, EUR)

    @pytest.mark.parametrize("times", [1.0, True, Decimal(1), Money(1, EUR)])
    def test_only_an_int_multiplies(self, times: Any) -> None:
        """A rate that is not whole goes through `round_to_minor`, where rounding is decided."""
        with pytest.raises(TypeError, match="by an int only"):
            Money(1, EUR) * times

    @given(minors, currencies)
    def test_major_units_are_exact_and_round_back(
        self, hostile: Context, minor: int, currency: Currency
    ) -> None:
        """An amount can be shown in major units and read back, in any decimal context."""
        with localcontext(hostile):
            major = Money(minor, currency).major
            back = round_to_minor(major, currency)
        assert in_minor_units(major, currency) == minor
        assert major.as_tuple().exponent == -currency.exponent
        assert back == Money(minor, currency)

    def test_zero_is_zero_in_its_currency(self) -> None:
        """`is_zero` is the question to ask: a Money is not true or false by its amount."""
        assert Money.zero(JPY) == Money(0, JPY)
        assert Money.zero(JPY).is_zero
        assert not Money(-1, JPY).is_zero


class TestRoundToMinor:
    @pytest.mark.parametrize(
        ("amount", "currency", "minor"),
        [
            ("0.005", "eur", 1),
            ("-0.005", "eur", -1),
            ("0.025", "eur", 3),
            ("1.004999999999999999999999999999999999", "eur", 100),
            ("2.675", "eur", 268),
            ("0.5", "jpy", 1),
            ("-2.5", "jpy", -3),
            ("0.0005", "kwd", 1),
            ("0.00005", "uyw", 1),
            ("-0", "eur", 0),
            ("1E+3", "eur", 100000),
            ("1E-999999999", "eur", 0),
        ],
    )
    def test_halves_go_away_from_zero(self, amount: str, currency: str, minor: int) -> None:
        """The rule that an accountant applies by hand, at each currency's own minor unit."""
        assert round_to_minor(Decimal(amount), CURRENCIES[currency]).minor == minor

    @given(amounts, currencies)
    def test_it_is_the_nearest_minor_unit(self, amount: Decimal, currency: Currency) -> None:
        """Off by at most half a minor unit; where two are as near, the one further from zero."""
        exact = in_minor_units(amount, currency)
        rounded = round_to_minor(amount, currency).minor
        assert abs(rounded - exact) <= Fraction(1, 2)
        if abs(rounded - exact) == Fraction(1, 2):
            assert abs(rounded) > abs(exact)

    @given(minors, currencies)
    def test_every_half_goes_away_from_zero(self, minor: int, currency: Currency) -> None:
        """Halves are the whole difference between the roundings, so each sign is tried on them."""
        half = Decimal(minor * 10 + 5).scaleb(-currency.exponent - 1, Context(prec=60))
        away = minor + 1 if minor >= 0 else minor
        assert round_to_minor(half, currency).minor == away

    @given(amounts, currencies)
    def test_a_refund_rounds_like_its_charge(self, amount: Decimal, currency: Currency) -> None:
        """Rounding is symmetric: what is charged and given back leaves nothing over."""
        mirrored = round_to_minor(amount.copy_negate(), currency)
        assert mirrored == -round_to_minor(amount, currency)

    @given(amounts, amounts)
    def test_a_larger_amount_never_rounds_to_less(self, a: Decimal, b: Decimal) -> None:
        """More usage never makes a cheaper line."""
        low, high = sorted((a, b))
        assert round_to_minor(low, EUR) <= round_to_minor(high, EUR)

    @given(amounts, currencies)
    def test_the_ambient_context_changes_nothing(
        self, hostile: Context, amount: Decimal, currency: Currency
    ) -> None:
        """The same price gives the same invoice in a thread whose context was tampered with."""
        expected = round_to_minor(amount, currency)
        with localcontext(hostile):
            assert round_to_minor(amount, currency) == expected

    @pytest.mark.parametrize("digits", [29, 100, 5000])
    def test_long_numbers_are_exact(self, digits: int) -> None:
        """Neither 28 digits (decimal's default) nor 4300 (int's limit on text) is a limit here."""
        nines = Decimal((0, (9,) * (digits + 3), -3))
        assert round_to_minor(nines, EUR).minor == 10 ** (digits + 2)

    @pytest.mark.parametrize("amount", [1.5, 1, True, "1.5", None])
    def test_only_a_decimal_is_rounded(self, amount: Any) -> None:
        """A float has lost the half before it comes here."""
        with pytest.raises(TypeError):
            round_to_minor(amount, EUR)

    @pytest.mark.parametrize("amount", ["NaN", "sNaN", "Infinity", "-Infinity", "1e999999999"])
    def test_what_is_no_amount_is_refused_at_once(self, amount: str) -> None:
        """A broken calculation fails where it happened, without filling the memory."""
        with pytest.raises(ValueError, match="money is finite"):
            round_to_minor(Decimal(amount), EUR)


class TestAllocate:
    @given(euros, st.lists(weights, min_size=1, max_size=12))
    def test_the_parts_sum_to_the_total(self, total: Money, weights: list[Decimal | int]) -> None:
        """A discount spread over lines is the discount, to the cent."""
        parts = allocate(total, weights)
        assert len(parts) == len(weights)
        assert sum(parts, Money.zero(EUR)) == total

    @given(euros, st.lists(weights, min_size=1, max_size=12))
    def test_each_part_is_its_fair_share(self, total: Money, weights: list[Decimal | int]) -> None:
        """No line carries a whole minor unit more or less than its share, nor the other sign."""
        whole = sum(map(Fraction, weights))
        for part, weight in zip(allocate(total, weights), weights, strict=True):
            share = Fraction(weight) / whole if whole else Fraction(1, len(weights))
            assert abs(part.minor - total.minor * share) < 1
            assert part.minor * total.minor >= 0

    @given(euros, st.lists(weights, min_size=1, max_size=12))
    def test_a_negative_total_is_split_alike(
        self, total: Money, weights: list[Decimal | int]
    ) -> None:
        """A credit note takes back from each line what the invoice put on it."""
        assert allocate(-total, weights) == tuple(-part for part in allocate(total, weights))

    @given(euros, st.lists(weights, min_size=1, max_size=12), st.integers(-9, 9))
    def test_only_the_proportion_of_weights_counts(
        self, hostile: Context, total: Money, weights: list[Decimal | int], shift: int
    ) -> None:
        """Weights in cents, euros or thousands give the same split, in any decimal context."""
        scaled = [Decimal(weight).scaleb(shift) for weight in weights]
        with localcontext(hostile):
            assert allocate(total, scaled) == allocate(total, weights)

    @given(euros, st.lists(st.integers(1, 1000), min_size=1, max_size=12))
    def test_no_weight_no_money(self, total: Money, weights: list[int]) -> None:
        """A line of nothing gets nothing, as long as another has something."""
        assert allocate(total, [0, *weights])[0].is_zero

    @pytest.mark.parametrize(
        ("total", "weights", "parts"),
        [
            (100, [1, 1, 1], [34, 33, 33]),
            (-100, [1, 1, 1], [-34, -33, -33]),
            (5, [0, 0, 0], [2, 2, 1]),
            (100, [Decimal("0.5"), Decimal("0.25"), Decimal("0.25")], [50, 25, 25]),
            (10, [1, 6], [1, 9]),
            (0, [1, 2], [0, 0]),
            (7, [3], [7]),
            (0, [], []),
        ],
    )
    def test_the_largest_fractions_get_the_units_left(
        self, total: int, weights: list[Decimal | int], parts: list[int]
    ) -> None:
        """Anyone can recompute the split: on a tie the earlier line gets the unit."""
        assert [part.minor for part in allocate(Money(total, EUR), weights)] == parts

    @pytest.mark.parametrize(
        "weights", [[], [-1, 2], [Decimal("-0.1")], [Decimal("NaN")], [Decimal("Infinity")]]
    )
    def test_impossible_weights_are_refused(self, weights: list[Decimal | int]) -> None:
        """A split that cannot be fair is an error, not a guess."""
        with pytest.raises(ValueError, match="weight"):
            allocate(Money(1, EUR), weights)

    @pytest.mark.parametrize("weight", [1.0, True, "1", None])
    def test_inexact_weights_are_refused(self, weight: Any) -> None:
        """No float decides who gets the cent."""
        with pytest.raises(TypeError, match="a weight is"):
            allocate(Money(1, EUR), [1, weight])

"""Money: whole minor units of one currency, the one rounding, and splitting without loss."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_UP, Context, Decimal

from tollkeeper.kernel.currency import Currency

# Moving the point and cutting at it are exact in the widest context, whatever the ambient one is.
_WIDEST = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
# No sum of money comes near this; 1e999999999 would fill the memory before anyone saw it.
_MAX_DIGITS = 10_000


class CurrencyMismatch(ValueError):  # noqa: N818 - it names what happened
    """Amounts of two currencies met. There is no rate here: convert where the rate is known."""


@dataclass(frozen=True, slots=True, order=False)
class Money:
    """A settled amount: `minor` is an int in minor units (cents), negative for money owed back.

    Adding, subtracting and ordering raise CurrencyMismatch for another currency and TypeError for
    anything that is not Money. Equality is a plain question and answers False instead.
    """

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are an int, not {type(self.minor).__name__}")

    @classmethod
    def zero(cls, currency: Currency) -> "Money":
        return cls(0, currency)

    @property
    def is_zero(self) -> bool:
        return self.minor == 0

    @property
    def major(self) -> Decimal:
        """The same amount in major units, exactly, with the currency's number of decimals."""
        return Decimal(self.minor).scaleb(-self.currency.exponent, _WIDEST)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._minor_of(other), self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._minor_of(other), self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __mul__(self, times: int) -> "Money":
        if type(times) is not int:
            raise TypeError(f"Money is multiplied by an int only, not {type(times).__name__}")
        return Money(self.minor * times, self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._minor_of(other)

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._minor_of(other)

    def __gt__(self, other: "Money") -> bool:
        return self.minor > self._minor_of(other)

    def __ge__(self, other: "Money") -> bool:
        return self.minor >= self._minor_of(other)

    def _minor_of(self, other: "Money") -> int:
        if not isinstance(other, Money):
            raise TypeError(f"Money goes with Money only, not with {type(other).__name__}")
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency.code} met {other.currency.code}")
        return other.minor


def round_to_minor(amount: Decimal, currency: Currency) -> Money:
    """The one rounding of the program: `amount` in major units, half away from zero.

    Exact for any number of digits, whatever the ambient decimal context says.
    Raises TypeError for anything but a Decimal, and ValueError if it is not finite or too large.
    """
    if not isinstance(amount, Decimal):
        raise TypeError(f"an amount to round is a Decimal, not {type(amount).__name__}")
    if not amount.is_finite() or amount.adjusted() >= _MAX_DIGITS:
        raise ValueError(f"money is finite, with at most {_MAX_DIGITS} digits before the point")
    in_minor = amount.scaleb(currency.exponent, _WIDEST)
    return Money(int(in_minor.to_integral_value(ROUND_HALF_UP, _WIDEST)), currency)


def allocate(total: Money, weights: Sequence[Decimal | int]) -> tuple[Money, ...]:
    """Split `total` in proportion to `weights`: one part per weight, summing to exactly `total`.

    Largest remainder (Hamilton's method): each part is its fair share with the fraction of a minor
    unit cut off, and the units left go one each to the largest fractions, the earlier on a tie.
    If every weight is zero, all weigh the same. A negative total gives the mirrored split.
    Raises ValueError for a negative or non-finite weight, or money with nobody to take it;
    TypeError for a float or bool among the weights.
    """
    if not weights and not total.is_zero:
        raise ValueError("money cannot be split among no weights")
    shares = _as_integers(weights)
    whole = sum(shares)
    if whole == 0:
        shares, whole = [1] * len(shares), len(shares)
    units = abs(total.minor)
    parts = [units * share // whole for share in shares]
    cut_off = [units * share % whole for share in shares]
    largest_first = sorted(range(len(parts)), key=cut_off.__getitem__, reverse=True)
    for index in largest_first[: units - sum(parts)]:
        parts[index] += 1
    sign = -1 if total.minor < 0 else 1
    return tuple(Money(sign * part, total.currency) for part in parts)


def _as_integers(weights: Sequence[Decimal | int]) -> list[int]:
    """Integers in the same proportion as the weights."""
    for weight in weights:
        if isinstance(weight, bool) or not isinstance(weight, Decimal | int):
            raise TypeError(f"a weight is a Decimal or an int, not {type(weight).__name__}")
        if isinstance(weight, Decimal) and not weight.is_finite():
            raise ValueError(f"{weight} is not a weight")
        if weight < 0:
            raise ValueError(f"{weight} is a negative weight")
    ratios = [weight.as_integer_ratio() for weight in weights]
    scale = math.lcm(*(denominator for _, denominator in ratios))
    return [numerator * (scale // denominator) for numerator, denominator in ratios]

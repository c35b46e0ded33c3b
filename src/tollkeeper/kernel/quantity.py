"""Quantities: exact decimals, how they are read and how they are written."""

import re
from decimal import (
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    FloatOperation,
    Inexact,
    InvalidOperation,
    Overflow,
    Underflow,
)

from tollkeeper.kernel.errors import InvalidValue

MAX_INTEGER_DIGITS = 20
MAX_SCALE = 18

_LOUD = [DivisionByZero, FloatOperation, Inexact, InvalidOperation, Overflow, Underflow]

# Arithmetic in this context is exact or raises a DecimalException. 400 digits hold the product of
# ten quantities of the largest size. Use its methods, or `localcontext(EXACT)` around operators.
EXACT = Context(prec=400, Emax=400, Emin=-400, traps=_LOUD)

_BOUNDS = Context(prec=MAX_INTEGER_DIGITS + MAX_SCALE, traps=_LOUD)
_TOO_LARGE = 10**MAX_INTEGER_DIGITS
_STEP = Decimal((0, (1,), -MAX_SCALE))
# A number of JSON (RFC 8259), except that leading zeros pass: spreadsheets export them.
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_MAX_TEXT_LENGTH = 128
_ACCEPTED = (
    f"must be a decimal number with at most {MAX_INTEGER_DIGITS} digits before "
    f"and {MAX_SCALE} after the point"
)


def parse_quantity(value: object) -> Decimal:
    """Read an int, a Decimal or the text of a number as an exact quantity, of either sign.

    The bounds count digits of the value, not of its notation: "1e3" has four, "2.50" has one after
    the point. The result keeps no zeros behind the last digit after the point, and zero no sign.
    Raises InvalidValue for anything else, floats, bools and NaN included.
    """
    if isinstance(value, bool):
        raise InvalidValue(_ACCEPTED)
    if isinstance(value, int):
        if abs(value) >= _TOO_LARGE:
            raise InvalidValue(_ACCEPTED)
        return Decimal(value)
    try:
        # The step of 1e-18 leaves room for 20 digits before the point: anything that does not
        # fit trips the context before it takes memory, be it 1e999999999.
        return _without_exponent(_BOUNDS.quantize(_finite_decimal(value), _STEP))
    except DecimalException:
        raise InvalidValue(_ACCEPTED) from None


def parse_positive_quantity(value: object) -> Decimal:
    """Read a quantity as `parse_quantity` does; raises InvalidValue unless it is above zero."""
    quantity = parse_quantity(value)
    if quantity <= 0:
        raise InvalidValue("must be greater than 0")
    return quantity


def format_quantity(value: Decimal) -> str:
    """The canonical text of a quantity: plain digits, no exponent, no trailing zeros, no "-0".

    Raises ValueError unless it is finite, DecimalException if it is beyond what `EXACT` holds.
    """
    if not value.is_finite():
        raise ValueError(f"{value} is not a quantity")
    return format(_without_exponent(value), "f")


def _finite_decimal(value: object) -> Decimal:
    if isinstance(value, Decimal) and value.is_finite():
        return value
    if isinstance(value, str) and len(value) <= _MAX_TEXT_LENGTH and _NUMBER.fullmatch(value):
        return _BOUNDS.create_decimal(value)
    raise InvalidValue(_ACCEPTED)


def _without_exponent(value: Decimal) -> Decimal:
    if value.is_zero():
        return Decimal(0)
    whole = EXACT.to_integral_value(value)
    return EXACT.quantize(whole, Decimal(1)) if value == whole else EXACT.normalize(value)

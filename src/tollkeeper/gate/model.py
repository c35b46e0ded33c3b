"""What goes through the lane, and what comes out of it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """What became of one item, in the words of the SQL function that decides it."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    INSUFFICIENT = "insufficient"
    LIMIT_REACHED = "limit_reached"
    NOT_FOUND = "not_found"
    AGAIN = "again"


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One use, as it is sent to the database: field names are short because there are many.

    p: provider id. c: the customer's id, or e: their external id. r: reason. a: amount, exact.
    i: request id, unique per provider for ever. t: when it was used. x: properties, as JSON.
    k: the API key it was used with.
    """

    p: str
    r: str
    a: Decimal
    i: str
    t: datetime
    c: str | None = None
    e: str | None = None
    x: msgspec.Raw | None = None
    k: str | None = None


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What became of a use.

    cost, balance, allowance: exact digits as PostgreSQL wrote them, to be put into an answer as
    they stand. `allowance` is what is left of the plan's, None where credits were burnt. A
    duplicate has the figures of the first time. `warning`: it passed although the balance did not
    hold it.
    """

    outcome: Outcome
    customer_id: str | None
    cost: str
    balance: str
    allowance: str | None = None
    warning: bool = False

"""Grants and balances, as values."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from tollkeeper.kernel.ids import CustomerId

CREDITS = "credits"


class GrantKind(StrEnum):
    """Whether the customer paid for them; promotional credits burn first."""

    PAID = "paid"
    PROMOTIONAL = "promotional"


@dataclass(frozen=True, slots=True)
class GrantTerms:
    """What is given, and how. effective_at: None means now; expires_at: None means never."""

    amount: Decimal
    kind: GrantKind
    priority: int = 0
    effective_at: datetime | None = None
    expires_at: datetime | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Credits that were given. remaining: what is left to burn; expires_at: None means never."""

    id: UUID
    customer_id: CustomerId
    unit: str
    kind: GrantKind
    priority: int
    amount: Decimal
    remaining: Decimal
    effective_at: datetime
    expires_at: datetime | None
    state: str
    note: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """What a customer holds in one unit. balance = available + held."""

    unit: str
    available: Decimal
    held: Decimal
    grants: tuple[Grant, ...]

    @property
    def balance(self) -> Decimal:
        return self.available + self.held


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One side of a transfer: how it changed an account of the customer's wallet.

    change is signed; the changes of one transaction sum to zero. effective_at: the instant that it
    is about; recorded_at: when it was posted.
    """

    transaction_no: int
    leg_no: int
    unit: str
    kind: str
    account: str
    change: Decimal
    balance_before: Decimal
    balance_after: Decimal
    grant_id: UUID | None
    effective_at: datetime
    recorded_at: datetime

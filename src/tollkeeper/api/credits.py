"""/credits: grants, the balance, the ledger. /credits/consume is a hot route: see usage.py."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import ConfigDict, Field

from tollkeeper.api.answers import answer, continued, created
from tollkeeper.api.documents import (
    ANY_ROUTE,
    READ_BODY,
    Answered,
    Body,
    Schema,
    made,
    one,
    piece_of,
    refusals,
)
from tollkeeper.api.fields import (
    ExactNumber,
    Instant,
    Integer,
    OpaqueCursor,
    PositiveQuantity,
    Text,
)
from tollkeeper.api.route import Reader, ResourceRoute, Writer
from tollkeeper.credits import queries
from tollkeeper.credits.grant_credits import grant_credits
from tollkeeper.credits.model import Grant, GrantKind, GrantTerms, LedgerEntry
from tollkeeper.kernel.clock import format_instant
from tollkeeper.kernel.pages import MAX_PER_PAGE
from tollkeeper.kernel.quantity import format_quantity

router = APIRouter(
    prefix="/credits",
    tags=["credits"],
    route_class=ResourceRoute,
    responses=refusals(*ANY_ROUTE),
)

_GRANT: dict[str, Any] = {
    "id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e",
    "customer_id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5f",
    "kind": "paid",
    "priority": 0,
    "amount": 10000,
    "remaining": 10000,
    "effective_at": "2026-06-06T12:00:00Z",
    "expires_at": None,
    "state": "active",
    "note": "top-up of June",
    "created_at": "2026-06-06T12:00:00Z",
}
_BALANCE = {"balance": 10000, "held": 0, "available": 10000, "grants": [_GRANT]}
_ENTRY = {
    "transaction_no": 40001,
    "kind": "usage",
    "account": "available",
    "change": -1250,
    "balance_before": 10000,
    "balance_after": 8750,
    "grant_id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e",
    "effective_at": "2026-06-06T12:00:00Z",
    "recorded_at": "2026-06-06T12:00:00Z",
}


class NewGrant(Body):
    """Credits to give."""

    customer_id: Text = Field(description="The customer's id or external id.")
    amount: PositiveQuantity
    kind: GrantKind
    priority: Integer = Field(0, ge=-1000, le=1000, description="Lower burns first.")
    effective_at: Instant | None = Field(None, description="Now, if left out.")
    expires_at: Instant | None = Field(None, description="Never, if left out.")
    note: Text | None = None

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"customer_id": "cus_1842", "amount": 10000, "kind": "paid"}]
        }
    )


class GrantView(Answered):
    """A grant."""

    id: UUID
    customer_id: UUID
    kind: GrantKind
    priority: int
    amount: ExactNumber
    remaining: ExactNumber
    effective_at: datetime
    expires_at: datetime | None
    state: str
    note: str | None
    created_at: datetime


class BalanceView(Answered):
    """What the customer holds: available + held = balance, and the grants in burn order."""

    balance: ExactNumber
    held: ExactNumber
    available: ExactNumber
    grants: list[GrantView]


class EntryView(Answered):
    """One side of a ledger transfer; the changes of a transaction sum to zero."""

    transaction_no: int
    kind: str
    account: str
    change: ExactNumber
    balance_before: ExactNumber
    balance_after: ExactNumber
    grant_id: UUID | None
    effective_at: datetime
    recorded_at: datetime


class OfCustomer(Schema):
    """Whose."""

    customer_id: Text


class LedgerParameters(OfCustomer):
    """Whose, and where to go on."""

    cursor: OpaqueCursor | None = Field(
        None, description="The `next_cursor` of the answer before; leave it out to begin."
    )
    per_page: int = Field(50, ge=1, le=MAX_PER_PAGE, description="How many transfers at once.")


@router.post(
    "/grants",
    status_code=201,
    summary="Grant credits",
    responses=made(GrantView, _GRANT, "Credits granted successfully") | refusals(*READ_BODY),
)
async def grant(body: NewGrant, work: Writer) -> Response:
    """An overdraft is paid back first; the rest can be spent from `effective_at` on."""
    terms = GrantTerms(
        amount=body.amount,
        kind=body.kind,
        priority=body.priority,
        effective_at=body.effective_at,
        expires_at=body.expires_at,
        note=body.note,
    )
    granted = await grant_credits(work, body.customer_id, terms)
    return created(_describe(granted), "Credits granted successfully")


@router.get("/balance", summary="Retrieve a balance", responses=one(BalanceView, _BALANCE))
async def balance(parameters: Annotated[OfCustomer, Query()], work: Reader) -> Response:
    """At this instant: what has expired is not counted."""
    held = await queries.get_balance(work, parameters.customer_id)
    return answer(
        {
            "balance": _exact(held.balance),
            "held": _exact(held.held),
            "available": _exact(held.available),
            "grants": [_describe(grant) for grant in held.grants],
        }
    )


@router.get("/ledger", summary="Read the ledger", responses=piece_of(EntryView, _ENTRY))
async def ledger(parameters: Annotated[LedgerParameters, Query()], work: Reader) -> Response:
    """Newest first, both sides of each transfer."""
    found = await queries.list_ledger(
        work, parameters.customer_id, cursor=parameters.cursor, limit=parameters.per_page
    )
    return continued([_describe_entry(entry) for entry in found.items], found)


def _describe(grant: Grant) -> dict[str, Any]:
    return {
        "id": str(grant.id),
        "customer_id": str(grant.customer_id),
        "kind": grant.kind,
        "priority": grant.priority,
        "amount": _exact(grant.amount),
        "remaining": _exact(grant.remaining),
        "effective_at": format_instant(grant.effective_at),
        "expires_at": grant.expires_at and format_instant(grant.expires_at),
        "state": grant.state,
        "note": grant.note,
        "created_at": format_instant(grant.created_at),
    }


def _describe_entry(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "transaction_no": entry.transaction_no,
        "kind": entry.kind,
        "account": entry.account,
        "change": _exact(entry.change),
        "balance_before": _exact(entry.balance_before),
        "balance_after": _exact(entry.balance_after),
        "grant_id": entry.grant_id and str(entry.grant_id),
        "effective_at": format_instant(entry.effective_at),
        "recorded_at": format_instant(entry.recorded_at),
    }


def _exact(value: Decimal) -> Decimal:
    """All digits that count, and no zeros behind them."""
    return Decimal(format_quantity(value))

"""All SQL of credits, save what the functions in `sql/` do."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.credits.model import Balance, Grant, GrantKind, LedgerEntry
from tollkeeper.kernel.ids import CustomerId
from tollkeeper.kernel.scope import Scope

_ADD_GRANT = text(
    "select credit_grant_add(:provider, :customer, :unit, :grant, :amount, :kind, :priority, "
    ":effective_at, :expires_at, :note, :at)"
)
_BRING_UP_TO_DATE = text("select credit_bring_up_to_date(:provider, :customer, :at)")
_WALLET = text(
    "select available, held from credit_wallets "
    "where provider_id = :provider and customer_id = :customer and unit = :unit"
)
# In the order in which they burn; those that are spent or expired are history.
_GRANTS = text(
    """
    select * from credit_grants_now
     where provider_id = :provider and customer_id = :customer and unit = :unit
       and state in ('pending', 'active')
     order by priority, expires_at, (kind = 'paid'), created_at, grant_id
    """
)
_LEDGER = text(
    """
    select ledger.*, wallet.unit
      from credit_ledger ledger join credit_wallets wallet using (provider_id, wallet_id)
     where provider_id = :provider and wallet.customer_id = :customer
       and (cast(:before_no as bigint) is null
            or (transaction_no, leg_no)
               < (cast(:before_no as bigint), cast(:before_leg as integer)))
     order by transaction_no desc, leg_no desc, change
     limit :limit
    """
)


async def add_grant(scope: Scope, db: AsyncConnection, grant: Grant) -> None:
    """Give the credits; those that are effective already can be spent at once."""
    await db.execute(
        _ADD_GRANT,
        {
            "provider": scope.provider_id,
            "customer": grant.customer_id,
            "unit": grant.unit,
            "grant": grant.id,
            "amount": grant.amount,
            "kind": grant.kind,
            "priority": grant.priority,
            "effective_at": grant.effective_at,
            "expires_at": grant.expires_at,
            "note": grant.note,
            "at": grant.created_at,
        },
    )


async def bring_up_to_date(
    scope: Scope, db: AsyncConnection, customer_id: CustomerId, at: datetime
) -> None:
    """Post what has begun or expired until `at`, so that a reader sees what holds."""
    await db.execute(
        _BRING_UP_TO_DATE, {"provider": scope.provider_id, "customer": customer_id, "at": at}
    )


async def get_balance(
    scope: Scope, db: AsyncConnection, customer_id: CustomerId, unit: str
) -> Balance | None:
    """None where the customer has no wallet of this unit."""
    values = {"provider": scope.provider_id, "customer": customer_id, "unit": unit}
    wallet = (await db.execute(_WALLET, values)).one_or_none()
    if wallet is None:
        return None
    grants = tuple(map(_grant, (await db.execute(_GRANTS, values)).mappings()))
    return Balance(unit, wallet.available, wallet.held, grants)


async def list_ledger(
    scope: Scope,
    db: AsyncConnection,
    customer_id: CustomerId,
    *,
    before: tuple[int, int] | None,
    limit: int,
) -> Sequence[LedgerEntry]:
    """Newest first, whole transfers (two sides each), at most `limit` sides."""
    rows = await db.execute(
        _LEDGER,
        {
            "provider": scope.provider_id,
            "customer": customer_id,
            "before_no": before[0] if before else None,
            "before_leg": before[1] if before else None,
            "limit": limit,
        },
    )
    return [_entry(row) for row in rows.mappings()]


def _grant(row: RowMapping) -> Grant:
    return Grant(
        row["grant_id"],
        row["customer_id"],
        row["unit"],
        GrantKind(row["kind"]),
        row["priority"],
        row["amount"],
        row["remaining"],
        row["effective_at"],
        row["expires_at"],
        row["state"],
        row["note"],
        row["created_at"],
    )


def _entry(row: RowMapping) -> LedgerEntry:
    return LedgerEntry(
        row["transaction_no"],
        row["leg_no"],
        row["unit"],
        row["kind"],
        row["account"],
        row["change"],
        row["balance_before"],
        row["balance_after"],
        row["grant_id"],
        row["effective_at"],
        row["recorded_at"],
    )

"""Reads of balances and of the ledger."""

from decimal import Decimal

from tollkeeper.credits import store
from tollkeeper.credits.model import CREDITS, Balance, LedgerEntry
from tollkeeper.customers.queries import get_customer
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.pages import CursorPage, decode_cursor, encode_cursor


async def get_balance(work: UnitOfWork, customer: str) -> Balance:
    """What the customer holds at this instant. Raises customers.not_found."""
    found = await get_customer(work, customer)
    await store.bring_up_to_date(work.scope, work.db, found.id, work.now)
    held = await store.get_balance(work.scope, work.db, found.id, CREDITS)
    return held or Balance(CREDITS, Decimal(0), Decimal(0), ())


async def list_ledger(
    work: UnitOfWork, customer: str, *, cursor: str | None, limit: int
) -> CursorPage[LedgerEntry]:
    """Newest first. Raises customers.not_found, and InvalidValue for a cursor of no answer's."""
    before = decode_cursor(cursor, (int, int)) if cursor else None
    found = await get_customer(work, customer)
    await store.bring_up_to_date(work.scope, work.db, found.id, work.now)
    # Two sides to a transfer, and one transfer more to see whether there is more.
    entries = await store.list_ledger(
        work.scope, work.db, found.id, before=before, limit=2 * limit + 2
    )
    shown = tuple(entries[: 2 * limit])
    if len(entries) <= 2 * limit:
        return CursorPage(shown, None)
    return CursorPage(shown, encode_cursor(shown[-1].transaction_no, shown[-1].leg_no))

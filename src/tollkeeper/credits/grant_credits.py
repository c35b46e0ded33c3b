"""Give a customer credits."""

from tollkeeper.credits import store
from tollkeeper.credits.errors import GRANT_EXPIRED
from tollkeeper.credits.model import CREDITS, Grant, GrantTerms
from tollkeeper.customers.queries import get_customer
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import new_uuid7
from tollkeeper.kernel.quantity import format_quantity
from tollkeeper.providers import audit


async def grant_credits(work: UnitOfWork, customer: str, terms: GrantTerms) -> Grant:
    """Grant them, by id or external id of the customer; an overdraft is paid back first.

    Raises customers.not_found and credits.grant_expired.
    """
    found = await get_customer(work, customer)
    begins = terms.effective_at or work.now
    if terms.expires_at is not None and terms.expires_at <= max(begins, work.now):
        raise GRANT_EXPIRED.error("expires_at must be in the future, and after effective_at")
    grant = Grant(
        id=new_uuid7(),
        customer_id=found.id,
        unit=CREDITS,
        kind=terms.kind,
        priority=terms.priority,
        amount=terms.amount,
        remaining=terms.amount,
        effective_at=begins,
        expires_at=terms.expires_at,
        state="active" if begins <= work.now else "pending",
        note=terms.note,
        created_at=work.now,
    )
    await store.add_grant(work.scope, work.db, grant)
    await audit.record(
        work,
        "credits.granted",
        subject_type="customer",
        subject_id=found.id,
        changes={"grant_id": str(grant.id), "amount": format_quantity(terms.amount)},
    )
    return grant

"""Delete a customer of whom nothing is on record."""

from sqlalchemy.exc import IntegrityError

from tollkeeper.customers import queries, store
from tollkeeper.customers.errors import CUSTOMER_HAS_HISTORY
from tollkeeper.customers.model import Customer
from tollkeeper.infra.outbox import erase
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.providers import audit


async def delete_customer(work: UnitOfWork, reference: str) -> Customer:
    """Delete them; the audit trail keeps that they were there, not who they were.

    Every table of money and usage refers to the customer by a foreign key that restricts, so the
    database itself refuses. Raises customers.not_found and customers.has_history.
    """
    customer = await queries.get_customer(work, reference, lock=True)
    try:
        async with work.db.begin_nested():
            await store.delete_customer(work.scope, work.db, customer.id)
    except IntegrityError as error:
        raise CUSTOMER_HAS_HISTORY.error(
            f"customer {customer.id} has usage, credits or invoices and cannot be deleted"
        ) from error
    await erase(work, customer.id)
    await audit.record(work, "customer.deleted", subject_type="customer", subject_id=customer.id)
    return customer

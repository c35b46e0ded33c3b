"""Create a customer."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from tollkeeper.customers import events, store
from tollkeeper.customers.errors import EXTERNAL_ID_TAKEN
from tollkeeper.customers.model import Customer
from tollkeeper.customers.tables import EXTERNAL_ID_KEY
from tollkeeper.infra.errors import violated_constraint
from tollkeeper.infra.outbox import publish
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import CustomerId, new_uuid7
from tollkeeper.providers import audit


async def create_customer(work: UnitOfWork, fields: Mapping[str, Any]) -> Customer:
    """Create a customer from the fields of the model, name and email at least.

    Raises customers.external_id_taken. Tells `account.created`.
    """
    metadata = {
        key: value for key, value in fields.get("metadata", {}).items() if value is not None
    }
    customer = Customer(
        id=CustomerId(new_uuid7()),
        created_at=work.now,
        updated_at=work.now,
        **{"timezone": "UTC", **fields, "metadata": metadata},
    )
    try:
        async with work.db.begin_nested():
            await store.insert_customer(work.scope, work.db, customer)
    except IntegrityError as error:
        if violated_constraint(error) != EXTERNAL_ID_KEY:
            raise
        raise EXTERNAL_ID_TAKEN.error(
            f"external_id {customer.external_id!r} belongs to another customer"
        ) from error
    await publish(work, events.account_created(customer))
    await audit.record(
        work,
        "customer.created",
        subject_type="customer",
        subject_id=customer.id,
        # Names only: the trail is for ever, personal data must be erasable.
        changes={"fields": sorted(fields)},
    )
    return customer

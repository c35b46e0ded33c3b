"""Change a customer."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy.exc import IntegrityError

from tollkeeper.customers import queries, store
from tollkeeper.customers.errors import EXTERNAL_ID_TAKEN, METADATA_INVALID
from tollkeeper.customers.model import Customer, parse_metadata
from tollkeeper.customers.tables import EXTERNAL_ID_KEY
from tollkeeper.infra.errors import violated_constraint
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.providers import audit

# As `==` has it, 1 is true and 1.0 is 1.00; as JSON has it, they differ.
_JSON = msgspec.json.Encoder(decimal_format="number", order="sorted")


async def update_customer(work: UnitOfWork, reference: str, fields: Mapping[str, Any]) -> Customer:
    """Set the given fields, leave the others. Metadata is merged: a null value removes its key.

    Raises customers.not_found, customers.external_id_taken and customers.metadata_invalid.
    """
    before = await queries.get_customer(work, reference, lock=True)
    fields = dict(fields)
    if "metadata" in fields:
        fields["metadata"] = _merged(before.metadata, fields["metadata"])
    after = replace(before, **fields)
    changed = [name for name in fields if _differ(getattr(after, name), getattr(before, name))]
    if not changed:
        return before
    after = replace(after, updated_at=work.now)
    try:
        async with work.db.begin_nested():
            await store.update_customer(work.scope, work.db, after)
    except IntegrityError as error:
        if violated_constraint(error) != EXTERNAL_ID_KEY:
            raise
        raise EXTERNAL_ID_TAKEN.error(
            f"external_id {after.external_id!r} belongs to another customer"
        ) from error
    await audit.record(
        work,
        "customer.updated",
        subject_type="customer",
        subject_id=after.id,
        changes={"fields": sorted(changed)},
    )
    return after


def _merged(before: Mapping[str, Any], changes: Mapping[str, Any]) -> Mapping[str, Any]:
    merged = {**before, **changes}
    try:
        return parse_metadata({key: value for key, value in merged.items() if value is not None})
    except InvalidValue as error:
        sentence = f"metadata {error} when it is merged"
        raise METADATA_INVALID.error(
            sentence,
            details=[{"field": "metadata", "code": METADATA_INVALID.code, "message": sentence}],
        ) from error


def _differ(one: object, other: object) -> bool:
    return _JSON.encode(one) != _JSON.encode(other)

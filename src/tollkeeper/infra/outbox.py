"""The outbox: a fact is written in the transaction that makes it true, and told later.

A domain never calls those who want to know; it publishes, and `delivery` reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import update

from tollkeeper.infra.tables import facts
from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import new_uuid7


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that became true, named as in the contract (`invoice.created`).

    subject_id: the customer it is about, where there is one: order is kept per subject.
    payload: what is told, JSON values only.
    """

    name: str
    payload: Mapping[str, object]
    subject_id: UUID | None = None


async def erase(work: UnitOfWork, subject_id: UUID) -> None:
    """Forget what facts about the subject said; that they happened stays."""
    await work.db.execute(
        update(facts)
        .where(facts.c.provider_id == work.scope.provider_id, facts.c.subject_id == subject_id)
        .values(payload={})
    )


async def publish(work: UnitOfWork, fact: Fact) -> None:
    """Write the fact down; it is told if, and only if, the transaction commits."""
    await work.db.execute(
        facts.insert().values(
            provider_id=work.scope.provider_id,
            id=new_uuid7(),
            name=fact.name,
            subject_id=fact.subject_id,
            payload=dict(fact.payload),
            occurred_at=work.now,
        )
    )

"""The audit trail: every change says who made it, in the transaction that makes it."""

from collections.abc import Mapping
from typing import Any

from tollkeeper.infra.unit_of_work import UnitOfWork
from tollkeeper.kernel.ids import AuditEntryId, new_uuid7
from tollkeeper.providers import store
from tollkeeper.providers.model import AuditEntry


async def record(
    work: UnitOfWork,
    action: str,
    *,
    subject_type: str,
    subject_id: object,
    changes: Mapping[str, Any] | None = None,
) -> None:
    """Append an entry. action: `<noun>.<past participle>`; changes: JSON values, never secrets."""
    await store.insert_audit_entry(
        work.scope,
        work.db,
        AuditEntry(
            id=AuditEntryId(new_uuid7()),
            occurred_at=work.now,
            actor_kind=work.actor.kind,
            actor_id=work.actor.id,
            action=action,
            subject_type=subject_type,
            subject_id=str(subject_id),
            request_id=work.request_id,
            changes=changes or {},
        ),
    )

"""/audit: who did what, and when."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response

from tollkeeper.api.answers import continued
from tollkeeper.api.documents import ANY_ROUTE, Answered, piece_of, refusals
from tollkeeper.api.fields import CursorParameters, Text
from tollkeeper.api.route import AdminReader, ResourceRoute
from tollkeeper.kernel.clock import format_instant
from tollkeeper.kernel.ids import AuditEntryId
from tollkeeper.providers import queries
from tollkeeper.providers.model import AuditEntry

router = APIRouter(
    prefix="/audit", tags=["audit"], route_class=ResourceRoute, responses=refusals(*ANY_ROUTE)
)

_EXAMPLE = {
    "id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5f",
    "occurred_at": "2026-06-06T12:00:00Z",
    "actor": {"kind": "access_token", "id": "42"},
    "action": "customer.created",
    "subject": {"type": "customer", "id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5e"},
    "request_id": "019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d60",
    "changes": {"fields": ["email", "name"]},
}


class Actor(Answered):
    """Who did it: `access_token`, `operator`, `system` or `customer`, and which one."""

    kind: str
    id: str


class Subject(Answered):
    """What it was done to."""

    type: str
    id: str


class AuditEntryView(Answered):
    """One entry of the audit trail."""

    id: UUID
    occurred_at: datetime
    actor: Actor
    action: str
    subject: Subject
    request_id: str | None
    changes: dict[str, Any]


class AuditParameters(CursorParameters):
    """Which entries."""

    action: Text | None = None
    actor_kind: Text | None = None
    actor_id: Text | None = None
    subject_type: Text | None = None
    subject_id: Text | None = None


@router.get("", summary="Read the audit trail", responses=piece_of(AuditEntryView, _EXAMPLE))
async def list_(parameters: Annotated[AuditParameters, Query()], work: AdminReader) -> Response:
    """Newest first. Needs api:admin."""
    found = await queries.list_audit_entries(
        work,
        before=AuditEntryId(parameters.cursor) if parameters.cursor else None,
        limit=parameters.per_page,
        filters=parameters.filters(),
    )
    return continued([_describe(entry) for entry in found.items], found)


def _describe(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": str(entry.id),
        "occurred_at": format_instant(entry.occurred_at),
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id},
        "action": entry.action,
        "subject": {"type": entry.subject_type, "id": entry.subject_id},
        "request_id": entry.request_id,
        "changes": dict(entry.changes),
    }

"""What must always hold of providers."""

from tollkeeper.infra.invariants import Invariant, missing_append_only
from tollkeeper.infra.runtime import Runtime


async def _append_only(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        return await missing_append_only(db, "audit_entries")


INVARIANTS = (Invariant("the audit trail cannot be changed", _append_only),)

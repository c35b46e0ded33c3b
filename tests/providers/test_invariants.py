from sqlalchemy import text

from tollkeeper.infra.runtime import Runtime
from tollkeeper.providers.invariants import INVARIANTS


async def test_an_audit_trail_that_lost_its_guard_is_reported(runtime: Runtime) -> None:
    """`doctor` finds a trail that somebody made changeable."""
    [invariant] = INVARIANTS
    assert await invariant.faults(runtime) == []
    for action in ("disable", "enable"):
        async with runtime.operator.transaction() as operator:
            await operator.execute(text(f"alter table audit_entries {action} trigger append_only"))
        faults = await invariant.faults(runtime)
        assert bool(faults) is (action == "disable")

"""What must always hold of usage."""

from sqlalchemy import text

from tollkeeper.infra.invariants import Invariant, missing_append_only
from tollkeeper.infra.runtime import Runtime

_ROLLUPS = text(
    """
    select format('customer %s, %s, %s: rolled up %s events of %s at %s, recorded %s of %s at %s',
                  customer_id, reason, hour, r.events, r.amount, r.cost, e.events, e.amount, e.cost)
      from usage_rollups r
      full join (select customer_id, date_bin('1 hour', occurred_at, '2000-01-01 00:00Z') as hour,
                        reason, count(*) as events, sum(amount) as amount, sum(cost) as cost
                   from usage_events group by 1, 2, 3) e using (customer_id, hour, reason)
     where (r.events, r.amount, r.cost) is distinct from (e.events, e.amount, e.cost)
     limit 5
    """
)
_TWICE = text(
    """
    select format('the request id %s of provider %s is recorded %s times', min(request_id),
                  provider_id, count(*))
      from usage_events group by provider_id, dedupe_key having count(*) > 1
     limit 5
    """
)


async def _rollups(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        return list((await db.execute(_ROLLUPS)).scalars())


async def _once(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        return list((await db.execute(_TWICE)).scalars())


async def _append_only(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        return await missing_append_only(db, "usage_events")


INVARIANTS = (
    Invariant("usage events cannot be changed", _append_only),
    Invariant("the hourly rollups equal the events", _rollups),
    Invariant("a request id is recorded once", _once),
)

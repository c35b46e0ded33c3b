"""What must always hold of customers."""

from sqlalchemy import select

from tollkeeper.customers.model import timezones
from tollkeeper.customers.tables import customers
from tollkeeper.infra.invariants import Invariant
from tollkeeper.infra.runtime import Runtime
from tollkeeper.kernel.currency import CURRENCIES


async def _known_values(runtime: Runtime) -> list[str]:
    column = customers.c
    async with runtime.operator.transaction() as db:
        pairs = (await db.execute(select(column.timezone, column.currency).distinct())).all()
    zones = sorted({pair.timezone for pair in pairs} - timezones())
    codes = sorted({pair.currency for pair in pairs if pair.currency} - set(CURRENCIES))
    return [f"a customer has the unknown time zone {zone!r}" for zone in zones] + [
        f"a customer has the unknown currency {code!r}" for code in codes
    ]


INVARIANTS = (
    Invariant(
        "every customer's time zone and currency is one that we can compute in", _known_values
    ),
)

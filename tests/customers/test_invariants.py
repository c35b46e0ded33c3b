from sqlalchemy import text
from tests.conftest import Seller

from tollkeeper.customers.invariants import INVARIANTS
from tollkeeper.infra.runtime import Runtime

_SET = text("update customers set timezone = :zone, currency = :currency where id = :id")


async def test_a_customer_in_no_known_zone_or_currency_is_reported(
    seller: Seller, runtime: Runtime
) -> None:
    """`doctor` names what the API would have refused, if it got in by another way."""
    body = {"name": "Ada", "email": "ada@example.com"}
    customer = (await seller.writer.post("/customers", json=body)).json()["data"]
    [invariant] = INVARIANTS
    assert await invariant.faults(runtime) == []
    async with runtime.operator.transaction() as operator:
        values = {"zone": "Mars/Phobos", "currency": "zzz", "id": customer["id"]}
        await operator.execute(_SET, values)
    assert await invariant.faults(runtime) == [
        "a customer has the unknown time zone 'Mars/Phobos'",
        "a customer has the unknown currency 'zzz'",
    ]
    async with runtime.operator.transaction() as operator:
        await operator.execute(_SET, {"zone": "UTC", "currency": None, "id": customer["id"]})
    assert await invariant.faults(runtime) == []

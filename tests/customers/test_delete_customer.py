from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from tests.conftest import Seller

from tollkeeper.infra.runtime import Runtime

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}


@pytest.fixture
async def dependents(runtime: Runtime) -> AsyncIterator[str]:
    """A table of things that customers have, as later domains will bring."""
    async with runtime.operator.transaction() as operator:
        await operator.execute(
            text(
                """
                create table dependents_of_a_test (
                    provider_id uuid not null,
                    customer_id uuid not null,
                    foreign key (provider_id, customer_id) references customers (provider_id, id)
                )
                """
            )
        )
    yield "dependents_of_a_test"
    async with runtime.operator.transaction() as operator:
        await operator.execute(text("drop table dependents_of_a_test"))


async def test_a_customer_on_whom_something_depends_stays(
    seller: Seller, runtime: Runtime, dependents: str
) -> None:
    """409 while another table refers to them; nothing changes, and no audit entry claims it did."""
    customer = (await seller.writer.post("/customers", json=ADA)).json()["data"]
    path = f"/customers/{customer['id']}"
    row = {"provider_id": seller.id, "customer_id": customer["id"]}
    async with runtime.operator.transaction() as operator:
        await operator.execute(
            text(f"insert into {dependents} values (:provider_id, :customer_id)"), row
        )
    refused = await seller.writer.delete(path)
    assert refused.status_code == 409
    assert refused.json()["error"]["code"] == "customers.has_history"
    assert refused.json()["error"]["message"] == (
        f"customer {customer['id']} has usage, credits or invoices and cannot be deleted"
    )
    assert (await seller.reader.get(path)).json()["data"] == customer
    deletions = await seller.admin.get("/audit", params={"action": "customer.deleted"})
    assert deletions.json()["data"] == []
    async with runtime.operator.transaction() as operator:
        await operator.execute(text(f"delete from {dependents}"))
    assert (await seller.writer.delete(path)).status_code == 200


async def test_a_deleted_customer_is_gone_and_their_external_id_free(seller: Seller) -> None:
    """Nothing shows them any more; deleting them again is 404, their external id may be reused."""
    body = {**ADA, "external_id": "cus_1"}
    customer = (await seller.writer.post("/customers", json=body)).json()["data"]
    path = f"/customers/{customer['id']}"
    assert (await seller.writer.delete(path)).json()["data"] == {
        "id": customer["id"],
        "deleted": True,
    }
    assert (await seller.reader.get(path)).status_code == 404
    assert (await seller.writer.delete(path)).status_code == 404
    assert (await seller.reader.get("/customers")).json()["meta"]["total"] == 0
    assert (await seller.writer.post("/customers", json=body)).status_code == 201

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.conftest import Seller

from tollkeeper.infra.tables import facts
from tollkeeper.kernel.ids import ProviderId
from tollkeeper.providers.tables import audit_entries

PERSONAL = {
    "name": "Ada Lovelace",
    "email": "ada@example.com",
    "external_id": "lovelace-1815",
    "tax_id": "GB123456789",
    "address": {"line1": "12 St James's Square"},
    "metadata": {"nickname": "Enchantress of Number"},
}


async def facts_of(operator: AsyncConnection, provider_id: ProviderId) -> list[Any]:
    found = await operator.execute(
        select(facts).where(facts.c.provider_id == provider_id).order_by(facts.c.position)
    )
    return list(found.mappings())


async def test_account_created_is_told_once_with_the_customer_as_answered(
    seller: Seller, operator: AsyncConnection
) -> None:
    """The fact is in the outbox exactly when the customer is there, and says the same of them."""
    created = await seller.writer.post("/customers", json=PERSONAL)
    [fact] = await facts_of(operator, seller.id)
    assert fact["name"] == "account.created"
    assert str(fact["subject_id"]) == created.json()["data"]["id"]
    assert fact["payload"] == {"customer": created.json()["data"]}


async def test_a_repeated_request_tells_nothing_new(
    seller: Seller, operator: AsyncConnection
) -> None:
    """However often the same key comes, one customer is one fact."""
    for _ in range(3):
        await seller.writer.post("/customers", json=PERSONAL, headers={"Idempotency-Key": "once"})
    assert len(await facts_of(operator, seller.id)) == 1


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}])
async def test_a_refused_creation_tells_nothing(
    seller: Seller, operator: AsyncConnection, headers: dict[str, str]
) -> None:
    """What was not done leaves neither fact nor audit entry, remembered refusal or not."""
    await seller.writer.post("/customers", json=PERSONAL)
    taken = await seller.writer.post("/customers", json=PERSONAL, headers=headers)
    invalid = await seller.writer.post("/customers", json={**PERSONAL, "email": "x"})
    assert (taken.status_code, invalid.status_code) == (409, 422)
    assert len(await facts_of(operator, seller.id)) == 1
    recorded = await operator.execute(
        select(audit_entries.c.id).where(
            audit_entries.c.provider_id == seller.id, audit_entries.c.action == "customer.created"
        )
    )
    assert len(recorded.all()) == 1


async def test_each_change_has_its_audit_entry_and_none_holds_personal_data(
    seller: Seller,
) -> None:
    """The trail is for ever and personal data must be erasable, so it names fields, not values."""
    headers = {"X-Request-Id": "req-1"}
    created = (await seller.writer.post("/customers", json=PERSONAL, headers=headers)).json()
    path = f"/customers/{created['data']['id']}"
    await seller.writer.patch(path, json={"name": "Ada King", "email": "king@example.com"})
    await seller.writer.delete(path)
    response = await seller.admin.get("/audit", params={"subject_type": "customer"})
    entries = response.json()["data"]
    assert [entry["action"] for entry in entries] == [
        "customer.deleted",
        "customer.updated",
        "customer.created",
    ]
    assert {entry["subject"]["id"] for entry in entries} == {created["data"]["id"]}
    assert {entry["actor"]["kind"] for entry in entries} == {"access_token"}
    assert entries[1]["changes"] == {"fields": ["email", "name"]}
    assert entries[2]["changes"] == {"fields": sorted(PERSONAL)}
    assert entries[2]["request_id"] == "req-1"
    for word in ("Ada", "King", "example.com", "1815", "GB123", "James", "Enchantress"):
        assert word not in response.text


async def test_null_in_new_metadata_is_no_entry(seller: Seller) -> None:
    """Null removes a key: of a new customer there is none to remove."""
    body = {**PERSONAL, "metadata": {"a": None, "b": 0, "c": {"d": None}}}
    created = (await seller.writer.post("/customers", json=body)).json()["data"]
    assert created["metadata"] == {"b": 0, "c": {"d": None}}

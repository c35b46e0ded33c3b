import asyncio
from typing import Any

import pytest
from tests.conftest import Seller

from tollkeeper.kernel.clock import ManualClock

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}


async def create(seller: Seller, **fields: Any) -> Any:
    return (await seller.writer.post("/customers", json={**ADA, **fields})).json()["data"]


async def updates_of(seller: Seller) -> list[Any]:
    found = await seller.admin.get("/audit", params={"action": "customer.updated"})
    entries: list[Any] = found.json()["data"]
    return entries


async def test_a_change_that_changes_nothing_leaves_no_trace(
    seller: Seller, clock: ManualClock
) -> None:
    """`updated_at` and the audit trail speak of changes only."""
    fields = {
        "metadata": {"b": 1.50, "a": {"y": 1, "x": 2}},
        "address": {"city": "A", "line1": "B"},
    }
    created = await create(seller, **fields)
    clock.advance(60)
    again = await seller.writer.patch(f"/customers/{created['id']}", json={**ADA, **fields})
    assert again.json()["data"] == created
    assert await updates_of(seller) == []


@pytest.mark.parametrize(
    ("before", "after"), [("true", "1"), ("0", "false"), ("1.0", "1.00"), ("1", "1.0")]
)
async def test_a_value_that_python_takes_for_the_same_is_changed(
    seller: Seller, before: str, after: str
) -> None:
    """True is not 1, and digits count: what was sent last is what is there."""
    created = await create(seller)
    path = f"/customers/{created['id']}"
    headers = {"Content-Type": "application/json"}
    for value in (before, after):
        body = f'{{"metadata": {{"x": {value}}}}}'
        assert (await seller.writer.patch(path, content=body, headers=headers)).is_success
    assert f'"metadata":{{"x":{after}}}' in (await seller.reader.get(path)).text
    assert [entry["changes"] for entry in await updates_of(seller)] == [
        {"fields": ["metadata"]},
        {"fields": ["metadata"]},
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        [{f"key{n}": n for n in range(start, start + 25)} for start in (0, 25, 50)],
        [{f"key{n}": "x" * 8_000} for n in range(3)],
    ],
)
async def test_metadata_cannot_be_made_too_large_piece_by_piece(
    seller: Seller, pieces: list[dict[str, Any]]
) -> None:
    """The limits are those of the whole, however it came together; what was there stays."""
    created = await create(seller, metadata=pieces[0])
    path = f"/customers/{created['id']}"
    assert (await seller.writer.patch(path, json={"metadata": pieces[1]})).is_success
    refused = await seller.writer.patch(path, json={"metadata": pieces[2]})
    assert refused.status_code == 422
    error = refused.json()["error"]
    assert error["code"] == "customers.metadata_invalid"
    assert error["message"].startswith("metadata must ")
    assert error["details"][0]["field"] == "metadata"
    kept = (await seller.reader.get(path)).json()["data"]["metadata"]
    assert kept == {**pieces[0], **pieces[1]}
    without = dict.fromkeys(pieces[0]) | pieces[2]
    assert (await seller.writer.patch(path, json={"metadata": without})).is_success


async def test_changes_at_the_same_time_are_all_kept(seller: Seller) -> None:
    """Merging reads what is there; no merge may overwrite another one."""
    created = await create(seller)
    path = f"/customers/{created['id']}"
    await asyncio.gather(
        *(seller.writer.patch(path, json={"metadata": {f"key{n}": n}}) for n in range(20))
    )
    kept = (await seller.reader.get(path)).json()["data"]["metadata"]
    assert kept == {f"key{n}": n for n in range(20)}

from typing import Any

import pytest
from tests.api.envelope import data_of, refusal_of
from tests.conftest import Seller

from tollkeeper.kernel.ids import new_uuid7


async def create(seller: Seller, count: int) -> list[str]:
    body = {"name": "Ada", "email": "ada@example.com"}
    return [
        data_of(await seller.writer.post("/customers", json=body), 201)["id"] for _ in range(count)
    ]


async def test_the_trail_is_read_to_its_end_while_it_grows(seller: Seller) -> None:
    """Every entry that was there at the start is shown once: no gap, no double."""
    ids = await create(seller, 7)
    parameters: dict[str, Any] = {"per_page": 3, "subject_type": "customer"}
    seen = []
    while True:
        response = await seller.admin.get("/audit", params=parameters)
        seen += [entry["subject"]["id"] for entry in data_of(response)]
        cursor = response.json()["meta"]["next_cursor"]
        if cursor is None:
            break
        parameters["cursor"] = cursor
        await create(seller, 2)
    assert seen == ids[::-1]


async def test_a_full_last_piece_has_no_cursor(seller: Seller) -> None:
    """Null means the end, also where the last piece is full."""
    await create(seller, 2)
    response = await seller.admin.get("/audit?per_page=2&subject_type=customer")
    assert len(data_of(response)) == 2
    assert response.json()["meta"] == {"next_cursor": None}


async def test_an_entry_says_who_did_what_to_whom(seller: Seller) -> None:
    """The actor is the token, the request is found by its id."""
    body = {"name": "Ada", "email": "ada@example.com"}
    response = await seller.writer.post("/customers", json=body)
    customer = data_of(response, 201)
    number = seller.writer.headers["authorization"].split()[1].partition("|")[0]
    [entry] = data_of(await seller.admin.get(f"/audit?subject_id={customer['id']}"))
    assert entry == {
        "id": entry["id"],
        "occurred_at": "2026-06-06T12:00:00Z",
        "actor": {"kind": "access_token", "id": number},
        "action": "customer.created",
        "subject": {"type": "customer", "id": customer["id"]},
        "request_id": response.headers["x-request-id"],
        "changes": {"fields": ["email", "name"]},
    }


async def test_filters_show_what_equals_them_in_each_column(seller: Seller) -> None:
    """Each filter compares its own column; several must all fit."""
    [first, second] = await create(seller, 2)
    number = seller.writer.headers["authorization"].split()[1].partition("|")[0]
    await seller.writer.patch(f"/customers/{first}", json={"name": "Ada King"})

    async def shown(query: str) -> list[tuple[str, str]]:
        entries = data_of(await seller.admin.get(f"/audit?{query}"))
        return [(entry["action"], entry["subject"]["id"]) for entry in entries]

    created = [("customer.created", second), ("customer.created", first)]
    updated = [("customer.updated", first)]
    assert await shown("action=customer.created") == created
    assert await shown(f"subject_id={first}") == [*updated, created[1]]
    assert await shown(f"actor_kind=access_token&actor_id={number}") == [*updated, *created]
    assert await shown(f"action=customer.updated&subject_id={second}") == []
    assert len(await shown("actor_kind=operator")) == 4


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "abc",
        "0",
        "null",
        "%00",
        "'",
        "W10",
        "e30",
        "9" * 600,
        "019f3a5e9c1b7d529f3e1c1a2b3c4d5f",
        "{019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5f}",
        "urn:uuid:019f3a5e-9c1b-7d52-9f3e-1c1a2b3c4d5f",
    ],
)
async def test_a_cursor_that_is_not_ours_is_refused(seller: Seller, cursor: str) -> None:
    """422 says where cursors come from."""
    response = await seller.admin.get(f"/audit?cursor={cursor}")
    message = refusal_of(response, 422, "request.cursor_invalid")
    assert message == "cursor must be the next_cursor of an earlier answer"


async def test_a_cursor_that_was_never_given_shows_nothing_of_others(seller: Seller) -> None:
    """It is a place in one's own list, whoever made it up."""
    await create(seller, 1)
    response = await seller.admin.get(f"/audit?cursor={new_uuid7()}")
    assert len(data_of(response)) == 5
    response = await seller.admin.get("/audit?cursor=00000000-0000-0000-0000-000000000000")
    assert data_of(response) == []

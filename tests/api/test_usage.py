"""The hot routes, to the letter of the contract."""

import asyncio
import itertools
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest
from tests.api.envelope import refusal_of
from tests.conftest import NewSeller, Seller

ADA = {"name": "Ada", "email": "ada@example.com", "external_id": "ada"}


async def ada(seller: Seller, grant: int | str | None = 100) -> str:
    """A customer with credits; answers the id."""
    customer = str((await seller.writer.post("/customers", json=ADA)).json()["data"]["id"])
    if grant is not None:
        body = {"customer_id": "ada", "amount": grant, "kind": "paid"}
        assert (await seller.writer.post("/credits/grants", json=body)).status_code == 201
    return customer


def use(amount: Any = 5, request_id: str = "r1", **more: Any) -> dict[str, Any]:
    return {
        "customer_id": "ada",
        "amount": amount,
        "reason": "calls",
        "request_id": request_id,
    } | more


async def consume(seller: Seller, **fields: Any) -> httpx.Response:
    return await seller.writer.post("/credits/consume", json=use(**fields))


async def balance(seller: Seller) -> Any:
    answer = await seller.reader.get("/credits/balance", params={"customer_id": "ada"})
    return answer.json()["data"]["balance"]


async def test_a_use_is_consumed_and_its_retry_has_the_same_figures(seller: Seller) -> None:
    """200 with every field of the contract; again, only `duplicate` differs."""
    customer = await ada(seller)
    first = await consume(seller)
    assert first.status_code == 200
    data = {
        "consumed": True,
        "amount": 5,
        "reason": "calls",
        "request_id": "r1",
        "customer_id": customer,
        "settled_against": "credits",
        "cost": 5,
        "balance": 95,
        "remaining_allowance": None,
        "duplicate": False,
    }
    assert first.json() == {"data": data, "meta": {}}
    assert first.headers["x-request-id"]
    again = await consume(seller)
    assert again.status_code == 200
    assert again.json()["data"] == {**data, "duplicate": True}
    assert await balance(seller) == 95


async def test_a_reused_request_id_is_a_conflict(seller: Seller) -> None:
    """409 usage.request_id_reused, and nothing moves."""
    await ada(seller)
    await consume(seller)
    refusal_of(await consume(seller, amount=6), 409, "usage.request_id_reused")
    assert await balance(seller) == 95


async def test_too_little_is_refused_with_the_figures(seller: Seller) -> None:
    """402 credits.insufficient, `balance` and `required` in `details`, nothing recorded."""
    await ada(seller, 3)
    response = await consume(seller)
    refusal_of(response, 402, "credits.insufficient")
    assert response.json()["error"]["details"] == [{"balance": 3, "required": 5}]
    assert (await consume(seller, amount=3)).json()["data"]["balance"] == 0


async def test_an_unknown_customer_is_not_found(seller: Seller) -> None:
    """404, by whatever name."""
    for name in ("nobody", str(uuid4())):
        refusal_of(await consume(seller, customer_id=name), 404, "customers.not_found")


async def test_an_external_id_that_looks_like_ours_is_found(seller: Seller) -> None:
    """A provider's own ids may be UUIDs."""
    name = str(uuid4())
    await seller.writer.post("/customers", json={**ADA, "external_id": name})
    refusal_of(await consume(seller, customer_id=name), 402, "credits.insufficient")


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "amount must be greater than 0"),
        ("-1", "amount must be greater than 0"),
        ('"NaN"', "amount must be a decimal number"),
        ("1e400", "amount must be a decimal number"),
        ("1" * 40, "amount must be a decimal number"),
        ('"1_000"', "amount must be a decimal number"),
        ("true", "amount must be a decimal number"),
        ("null", "amount must be a decimal number"),
        ("[]", "amount must be a decimal number"),
    ],
)
async def test_an_amount_that_is_none_is_refused_in_words(
    seller: Seller, amount: str, words: str
) -> None:
    """422 that names the field first."""
    await ada(seller)
    body = json.dumps(use()).replace('"amount": 5', f'"amount": {amount}')
    response = await seller.writer.post(
        "/credits/consume", content=body, headers={"Content-Type": "application/json"}
    )
    assert refusal_of(response, 422, "usage.amount_invalid").startswith(words)
    assert await balance(seller) == 100


async def test_amounts_keep_every_digit(seller: Seller) -> None:
    """Never a binary float inside: numbers and their texts are the same."""
    await ada(seller, "12345678901234567890.5")
    body = json.dumps(use()).replace("5,", "0.000000000000000001,", 1)
    response = await seller.writer.post(
        "/credits/consume", content=body, headers={"Content-Type": "application/json"}
    )
    assert '"balance":12345678901234567890.499999999999999999' in response.text
    again = await consume(seller, amount="0.000000000000000001")
    assert again.json()["data"]["duplicate"] is True


@pytest.mark.parametrize("field", ["customer_id", "amount", "reason", "request_id"])
async def test_a_missing_field_is_named(seller: Seller, field: str) -> None:
    """`reason is required`, code usage.reason_required."""
    body = use()
    del body[field]
    response = await seller.writer.post("/credits/consume", json=body)
    assert refusal_of(response, 422, f"usage.{field}_required") == f"{field} is required"


async def test_bad_bodies_get_the_envelope(seller: Seller) -> None:
    """As on every other route."""
    post = seller.writer.post
    as_json = {"Content-Type": "application/json"}
    path = "/credits/consume"
    refusal_of(await post(path, content=b"", headers=as_json), 422, "request.body_required")
    refusal_of(await post(path, content=b"{", headers=as_json), 400, "request.malformed_json")
    refusal_of(await post(path, content=b"\xff", headers=as_json), 400, "request.malformed_json")
    refusal_of(await post(path, json=[]), 422, "request.body_invalid")
    refusal_of(await post(path, json=use(colour="red")), 422, "request.unknown_field")
    refusal_of(await post(path, content=b"x"), 415, "request.unsupported_media_type")
    huge = b" " * 11_000_000
    refusal_of(await post(path, content=huge, headers=as_json), 413, "request.too_large")
    for value in ("a\x00b", " ", "x" * 256):
        refusal_of(await post(path, json=use(reason=value)), 422, "usage.reason_invalid")
    refusal_of(await post(path, json=use(timestamp="now")), 422, "usage.timestamp_invalid")
    refusal_of(await post(path, json=use(properties=[1])), 422, "usage.properties_invalid")
    response = await seller.writer.get(path)
    refusal_of(response, 405, "request.method_not_allowed")
    assert response.headers["allow"] == "POST"


async def test_only_a_writer_of_this_provider_may_use(new_seller: NewSeller) -> None:
    """401 without a token or with another provider's, 403 for a reader."""
    ours, theirs = await new_seller(), await new_seller()
    for path in ("/credits/consume", "/usage/events"):
        refusal_of(await ours.anonymous.post(path, json=use()), 401, "auth.unauthenticated")
        refusal_of(await ours.reader.post(path, json=use()), 403, "auth.forbidden")
        foreign = {"Authorization": theirs.writer.headers["authorization"]}
        response = await ours.anonymous.post(path, json=use(), headers=foreign)
        refusal_of(response, 401, "auth.unauthenticated")
    await ada(theirs)
    refusal_of(await consume(ours), 404, "customers.not_found")


async def test_a_revoked_token_stops_at_once_though_it_was_remembered(seller: Seller) -> None:
    """The revocation is pushed to whoever remembers the token."""
    await ada(seller)
    assert (await consume(seller)).status_code == 200
    number = seller.writer.headers["authorization"].removeprefix("Bearer ").partition("|")[0]
    assert (await seller.admin.post(f"/access-tokens/{number}/revoke")).status_code == 200
    for _ in range(200):
        response = await consume(seller, request_id="r2")
        if response.status_code == 401:
            break
        await asyncio.sleep(0.005)
    refusal_of(response, 401, "auth.unauthenticated")


async def test_10000_concurrent_uses_on_6000_credits_pass_6000(seller: Seller) -> None:
    """With a third of them retried in flight; the ledger ends at zero."""
    await ada(seller, 6000)
    limit = asyncio.Semaphore(200)

    async def one(number: int) -> httpx.Response:
        async with limit:
            return await consume(seller, amount=1, request_id=f"r{number}")

    numbers = [*range(10_000), *range(0, 10_000, 3)]
    answers = await asyncio.gather(*map(one, numbers))
    passed = {n for n, answer in zip(numbers, answers, strict=True) if answer.status_code == 200}
    assert {answer.status_code for answer in answers} == {200, 402}
    assert len(passed) == 6000
    assert await balance(seller) == 0


async def record(seller: Seller, content: str | bytes, kind: str) -> dict[str, Any]:
    response = await seller.writer.post(
        "/usage/events", content=content, headers={"Content-Type": kind}
    )
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json()["data"]
    return data


async def test_events_come_alone_in_arrays_as_lines_and_as_cloudevents(seller: Seller) -> None:
    """Each way counts once; the same ids in another form are duplicates."""
    await ada(seller, None)
    events = [use(1, "a"), use(2, "b")]
    assert await record(seller, json.dumps(events[0]), "application/json") == {
        "recorded": 1,
        "duplicates": 0,
        "rejected": [],
    }
    both = await record(seller, json.dumps(events), "application/json")
    assert (both["recorded"], both["duplicates"]) == (1, 1)
    lines = "\n".join(map(json.dumps, [*events, use(3, "c")])) + "\n"
    assert (await record(seller, lines, "application/x-ndjson"))["duplicates"] == 2
    cloud = {"specversion": "1.0", "id": "c", "source": "s", "type": "calls", "subject": "ada"}
    single = await record(
        seller, json.dumps({**cloud, "data": {"amount": 3}}), "application/cloudevents+json"
    )
    assert single["duplicates"] == 1
    batch = json.dumps([{**cloud, "id": "d"}, {**cloud, "id": "e", "data": {"model": "x"}}])
    assert (await record(seller, batch, "application/cloudevents-batch+json"))["recorded"] == 2
    assert await balance(seller) == -(1 + 2 + 3 + 1 + 1)


async def test_a_bad_event_never_spoils_its_batch(seller: Seller) -> None:
    """It is rejected by its index, with code and words; the good beside it is recorded."""
    await ada(seller, None)
    await record(seller, json.dumps(use(1, "old")), "application/json")
    lines = [
        json.dumps(use(1, "a")),
        "{broken",
        json.dumps(use(0, "b")),
        json.dumps(use(1, "c", customer_id="nobody")),
        json.dumps(use(2, "old")),
        json.dumps(use(1, "d", properties={"x": 1})),
        json.dumps(use(1, "e", properties={"x": 1})).replace('"x": 1', '"x": 1e300000'),
    ]
    data = await record(seller, "\n".join(lines), "application/x-ndjson")
    assert data["recorded"] == 2
    assert [(fault["index"], fault["code"]) for fault in data["rejected"]] == [
        (1, "request.malformed_json"),
        (2, "usage.amount_invalid"),
        (3, "customers.not_found"),
        (4, "usage.request_id_reused"),
        (6, "usage.properties_unstorable"),
    ]
    assert await balance(seller) == -3


async def test_more_than_10000_events_are_too_many_at_once(seller: Seller) -> None:
    """The whole request is refused, with the number."""
    content = json.dumps([0] * 10_001)
    response = await seller.writer.post(
        "/usage/events", content=content, headers={"Content-Type": "application/json"}
    )
    assert "10001" in refusal_of(response, 422, "usage.too_many_events")


async def test_the_ledger_shows_both_sides_of_every_transfer(seller: Seller) -> None:
    """Their changes sum to zero, and each starts where the one before it ended."""
    await ada(seller, 10)
    for number in range(3):
        await consume(seller, amount=2, request_id=f"r{number}")
    seen: list[dict[str, Any]] = []
    cursor = None
    while True:
        parameters: dict[str, str | int] = {"customer_id": "ada", "per_page": 1}
        if cursor:
            parameters["cursor"] = cursor
        answer = (await seller.reader.get("/credits/ledger", params=parameters)).json()
        seen += answer["data"]
        cursor = answer["meta"]["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 8
    assert sum(entry["change"] for entry in seen) == 0
    available = [entry for entry in seen if entry["account"] == "available"]
    assert [entry["balance_after"] for entry in available] == [4, 6, 8, 10]
    assert all(
        older["balance_after"] == newer["balance_before"]
        for newer, older in itertools.pairwise(available)
    )

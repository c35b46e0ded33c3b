import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from tests.api.envelope import data_of, refusal_of
from tests.conftest import NewSeller, Seller

from tollkeeper.infra.runtime import Runtime

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
KEY = {"Idempotency-Key": "6e0ad2ee-4a4b-4c43-8c3c-0b8a6f0d1f0a"}
REPLAYED = "idempotency-replayed"
_WAITING = text(
    "select count(*) from pg_locks where not granted and relation = 'customers'::regclass"
)


async def count_of(seller: Seller) -> int:
    response = await seller.reader.get("/customers")
    return int(response.json()["meta"]["total"])


@asynccontextmanager
async def customers_locked(runtime: Runtime) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Nobody can write a customer inside; gives what waits until somebody tries to."""
    async with runtime.operator.transaction() as operator:
        await operator.execute(text("lock table customers in exclusive mode"))

        async def until_somebody_waits() -> None:
            async with asyncio.timeout(10):
                while not await operator.scalar(_WAITING):  # noqa: ASYNC110 - no event tells
                    await asyncio.sleep(0.01)

        yield until_somebody_waits


async def test_the_same_request_gets_the_first_answer_again(seller: Seller) -> None:
    """Same status, same bytes, and a header that says so; the work is done once."""
    first = await seller.writer.post("/customers", json=ADA, headers=KEY)
    again = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.content == first.content
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert again.headers["x-request-id"] != first.headers["x-request-id"]
    assert again.headers["content-type"] == "application/json"
    assert await count_of(seller) == 1


async def test_the_key_may_stand_in_the_body(seller: Seller) -> None:
    """For callers that cannot set headers; it is one key, wherever it stands."""
    body = {**ADA, "idempotency_key": KEY["Idempotency-Key"]}
    first = await seller.writer.post("/customers", json=body)
    for again in (
        await seller.writer.post("/customers", json=body),
        await seller.writer.post("/customers", json=ADA, headers=KEY),
        await seller.writer.post("/customers", json=body, headers=KEY),
    ):
        assert again.content == first.content
        assert again.headers[REPLAYED] == "true"
    assert await count_of(seller) == 1


async def test_two_different_keys_are_refused(seller: Seller) -> None:
    """Nobody can say which of them was meant."""
    body = {**ADA, "idempotency_key": "another"}
    response = await seller.writer.post("/customers", json=body, headers=KEY)
    message = refusal_of(response, 409, "idempotency.keys_differ")
    assert message.endswith("differ; send one of them")
    headers = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    response = await seller.writer.post("/customers", json=ADA, headers=headers)
    message = refusal_of(response, 422, "idempotency.key_invalid")
    assert message.endswith("send it once")
    assert await count_of(seller) == 0


@pytest.mark.parametrize(
    "key", ["", " ", "a b", "x" * 256, "é".encode("latin-1"), b"\xff", "tab\tkey"]
)
async def test_a_key_that_cannot_be_one_is_refused(seller: Seller, key: str | bytes) -> None:
    """The message says what a key may be; nothing is done meanwhile."""
    written = key.encode() if isinstance(key, str) else key
    headers = {b"Idempotency-Key": written}
    response = await seller.writer.post("/customers", json=ADA, headers=headers)
    message = refusal_of(response, 422, "idempotency.key_invalid")
    assert message == "idempotency_key must be 1 to 255 printable ASCII characters without spaces"
    assert await count_of(seller) == 0


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "schlüssel", 7, True, [], {}])
async def test_a_key_in_the_body_must_be_one_too(seller: Seller, key: Any) -> None:
    """Whatever JSON it is."""
    response = await seller.writer.post("/customers", json={**ADA, "idempotency_key": key})
    refusal_of(response, 422, "idempotency.key_invalid")
    assert await count_of(seller) == 0


@pytest.mark.parametrize(
    "key", ["x" * 255, "!", "~", "'; drop table customers; --".replace(" ", "")]
)
async def test_any_printable_key_is_a_key(seller: Seller, key: str) -> None:
    """It is a name at will, and never part of a statement."""
    headers = {"Idempotency-Key": key}
    first = await seller.writer.post("/customers", json=ADA, headers=headers)
    again = await seller.writer.post("/customers", json=ADA, headers=headers)
    assert first.status_code == 201
    assert again.headers[REPLAYED] == "true"


@pytest.mark.parametrize(
    "other",
    [
        b'{"name":"Ada King","email":"ada@example.com"}',
        b'{"name":"Ada Lovelace","email":"ada@example.com","metadata":{"x":1}}',
        b'{"name":"Ada Lovelace","email":"ada@example.com","external_id":null}',
        b"[]",
    ],
)
async def test_a_key_is_for_one_body(seller: Seller, other: bytes) -> None:
    """409 for another one; the first answer stays as it was."""
    headers = {**KEY, "Content-Type": "application/json"}
    first = await seller.writer.post("/customers", json=ADA, headers=KEY)
    response = await seller.writer.post("/customers", content=other, headers=headers)
    refusal_of(response, 409, "idempotency.key_reused")
    assert REPLAYED not in response.headers
    again = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert again.content == first.content
    assert await count_of(seller) == 1


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("1", "1 ", True),
        ('{"a":1,"b":2}', '{"b":2,"a":1}', True),
        ('"\\u00e9"', '"é"', True),
        ("1.5", '"1.5"', False),
        ("1", "true", False),
        ("1", '"1"', False),
        ("null", '"null"', False),
        ("[1,2]", "[2,1]", False),
        ("12345678901234567890.1", "12345678901234567890.2", False),
    ],
)
async def test_the_same_body_is_one_that_means_the_same(
    seller: Seller, one: str, other: str, *, same: bool
) -> None:
    """Space and order of fields mean nothing in JSON; types and digits do."""
    headers = {**KEY, "Content-Type": "application/json"}
    answers = [
        await seller.writer.post(
            "/customers",
            content=f'{{"name":"Ada","email":"a@b","metadata":{{"x":{value}}}}}'.encode(),
            headers=headers,
        )
        for value in (one, other)
    ]
    assert [answer.status_code for answer in answers] == [201, 201 if same else 409]


async def test_a_key_is_for_one_address_and_one_method(seller: Seller) -> None:
    """The same body elsewhere is another request."""
    first = data_of(await seller.writer.post("/customers", json={**ADA, "external_id": "a"}), 201)
    body = {"metadata": {"x": 1}}
    path = f"/customers/{first['id']}"
    assert (await seller.writer.patch(path, json=body, headers=KEY)).status_code == 200
    for response in (
        await seller.writer.patch("/customers/a", json=body, headers=KEY),
        await seller.writer.delete(path, headers=KEY),
        await seller.writer.post("/customers", json=body, headers=KEY),
    ):
        refusal_of(response, 409, "idempotency.key_reused")
    assert (await seller.writer.patch(path, json=body, headers=KEY)).headers[REPLAYED] == "true"


async def test_a_request_that_still_runs_is_not_run_again(seller: Seller, runtime: Runtime) -> None:
    """409 in_flight at once, with the time to wait; afterwards the first answer."""
    async with customers_locked(runtime) as until_somebody_waits:
        running = asyncio.create_task(seller.writer.post("/customers", json=ADA, headers=KEY))
        await until_somebody_waits()
        for body in (ADA, {**ADA, "name": "Somebody Else"}):
            response = await seller.writer.post("/customers", json=body, headers=KEY)
            refusal_of(response, 409, "idempotency.in_flight")
            assert response.headers["retry-after"] == "1"
    first = await running
    assert first.status_code == 201
    again = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert (again.content, again.headers[REPLAYED]) == (first.content, "true")
    assert await count_of(seller) == 1


async def test_fifty_identical_requests_at_once_make_one_customer(seller: Seller) -> None:
    """Each is answered with the one customer, or told to wait; having waited, all have it."""

    async def ask() -> httpx.Response:
        return await seller.writer.post("/customers", json=ADA, headers=KEY)

    answers = await asyncio.gather(*(ask() for _ in range(50)))
    done = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer not in done:
            refusal_of(answer, 409, "idempotency.in_flight")
    assert done
    assert len([answer for answer in done if REPLAYED not in answer.headers]) == 1
    retried = await asyncio.gather(*(ask() for _ in range(5)))
    retried = [answer for answer in retried if answer.status_code == 201]
    bodies = {answer.content for answer in (*done, *retried, await ask())}
    assert len(bodies) == 1
    assert await count_of(seller) == 1


async def test_a_refusal_is_an_answer_too(seller: Seller) -> None:
    """What was refused by the state of things stays refused under its key, though it changed."""
    body = {**ADA, "external_id": "cus_1"}
    holder = data_of(await seller.writer.post("/customers", json=body), 201)
    first = await seller.writer.post("/customers", json=body, headers=KEY)
    refusal_of(first, 409, "customers.external_id_taken")
    assert (await seller.writer.delete(f"/customers/{holder['id']}")).status_code == 200
    again = await seller.writer.post("/customers", json=body, headers=KEY)
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers[REPLAYED] == "true"
    assert await count_of(seller) == 0


async def test_a_404_and_a_deletion_are_answers_too(seller: Seller) -> None:
    """A deletion that is repeated was done, and is not suddenly not found."""
    customer = data_of(await seller.writer.post("/customers", json=ADA), 201)
    path = f"/customers/{customer['id']}"
    first = await seller.writer.delete(path, headers=KEY)
    again = await seller.writer.delete(path, headers=KEY)
    assert (again.status_code, again.content) == (200, first.content)
    other = {"Idempotency-Key": "other"}
    first = await seller.writer.delete(path, headers=other)
    again = await seller.writer.delete(path, headers=other)
    assert (first.status_code, again.status_code) == (404, 404)
    assert again.headers[REPLAYED] == "true"


@pytest.mark.parametrize("wrong", [{"email": "nobody"}, {"colour": "red"}])
async def test_a_mistake_in_the_request_is_not_remembered(
    seller: Seller, wrong: dict[str, str]
) -> None:
    """The key is still free for the corrected request."""
    response = await seller.writer.post("/customers", json={**ADA, **wrong}, headers=KEY)
    assert response.status_code == 422
    response = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert response.status_code == 201
    assert REPLAYED not in response.headers


async def test_keys_of_two_providers_never_meet(new_seller: NewSeller) -> None:
    """Each has its own, whatever the other's are called."""
    a, b = await new_seller(), await new_seller()
    first = await a.writer.post("/customers", json=ADA, headers=KEY)
    second = await b.writer.post("/customers", json=ADA, headers=KEY)
    assert (first.status_code, second.status_code) == (201, 201)
    assert REPLAYED not in second.headers
    assert data_of(first, 201)["id"] != data_of(second, 201)["id"]


async def test_a_running_request_of_another_provider_is_in_nobodys_way(
    new_seller: NewSeller, runtime: Runtime
) -> None:
    """Whether a key is in use is nothing that another provider could learn."""
    a, b = await new_seller(), await new_seller()
    async with customers_locked(runtime) as until_somebody_waits:
        running = asyncio.create_task(a.writer.post("/customers", json=ADA, headers=KEY))
        await until_somebody_waits()
        body = {"name": "t", "scope": "api:read"}
        response = await b.admin.post("/access-tokens", json=body, headers=KEY)
        assert response.status_code == 201
    assert (await running).status_code == 201


async def test_a_replay_needs_the_scope_too(seller: Seller) -> None:
    """To know a key is no permission: the answer may hold a secret."""
    body = {"name": "t", "scope": "api:read"}
    await seller.admin.post("/access-tokens", json=body, headers=KEY)
    for client, status in ((seller.writer, 403), (seller.reader, 403), (seller.anonymous, 401)):
        response = await client.post("/access-tokens", json=body, headers=KEY)
        assert response.status_code == status
        assert REPLAYED not in response.headers


async def test_a_secret_that_was_lost_on_the_way_is_answered_again(seller: Seller) -> None:
    """The repeated issue of a token gives the same secret, and no second token."""
    body = {"name": "t", "scope": "api:read"}
    first = data_of(await seller.admin.post("/access-tokens", json=body, headers=KEY), 201)
    again = data_of(await seller.admin.post("/access-tokens", json=body, headers=KEY), 201)
    assert again == first
    response = await seller.admin.get("/access-tokens")
    assert response.json()["meta"]["total"] == 4


async def test_reading_takes_no_notice_of_a_key(seller: Seller) -> None:
    """A read is never remembered: it shows what is there now."""
    assert await count_of(seller) == 0
    await seller.writer.post("/customers", json=ADA)
    response = await seller.reader.get("/customers", headers=KEY)
    assert response.json()["meta"]["total"] == 1
    assert REPLAYED not in response.headers

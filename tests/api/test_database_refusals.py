import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import text
from tests.api.envelope import refusal_of
from tests.conftest import Seller

from tollkeeper.infra.runtime import Runtime

ADA = {"name": "Ada Lovelace", "email": "ada@example.com"}
KEY = {"Idempotency-Key": "k"}
# What each SQLSTATE means to a caller, and how many seconds they had better wait.
ANSWERS = {
    "53100": ("service.storage_full", "30"),  # disk_full
    "55P03": ("service.busy", "1"),  # lock_not_available
    "57014": ("service.busy", "1"),  # query_canceled
    "40P01": ("service.busy", "1"),  # deadlock_detected
    "40001": ("service.busy", "1"),  # serialization_failure
    "57P01": ("service.database_unavailable", "1"),  # admin_shutdown
    "57P03": ("service.database_unavailable", "1"),  # cannot_connect_now
    "53300": ("service.database_unavailable", "1"),  # too_many_connections
}
Failing = Callable[[str, str], AbstractAsyncContextManager[None]]


@pytest.fixture
def failing(runtime: Runtime, seller: Seller) -> Failing:
    """Makes PostgreSQL do this whenever the seller's row is written to a table."""

    @asynccontextmanager
    async def fail(table: str, what: str) -> AsyncIterator[None]:
        async with runtime.operator.transaction() as operator:
            await operator.execute(
                text(
                    f"""
                    create function fail_for_a_test() returns trigger
                    language plpgsql security definer as $$ begin
                        if new.provider_id = '{seller.id}' then {what}; end if;
                        return new;
                    end $$
                    """
                )
            )
            await operator.execute(
                text(
                    f"create trigger fail_for_a_test before insert on {table}"
                    " for each row execute function fail_for_a_test()"
                )
            )
        try:
            yield
        finally:
            async with runtime.operator.transaction() as operator:
                await operator.execute(text("drop function fail_for_a_test cascade"))

    return fail


async def traces_of(seller: Seller, runtime: Runtime) -> dict[str, int]:
    """How many rows the customers of this seller left, table by table."""
    tables = ("customers", "facts", "idempotency_keys")
    async with runtime.operator.transaction() as operator:
        return {
            table: await operator.scalar(
                text(f"select count(*) from {table} where provider_id = :id"), {"id": seller.id}
            )
            or 0
            for table in tables
        }


def raising(sqlstate: str) -> str:
    return f"raise exception 'a secret word' using errcode = '{sqlstate}'"


@pytest.mark.parametrize("table", ["customers", "facts", "audit_entries"])
@pytest.mark.parametrize("sqlstate", ANSWERS)
async def test_a_passing_failure_is_503_and_leaves_nothing(
    seller: Seller, runtime: Runtime, failing: Failing, sqlstate: str, table: str
) -> None:
    """The caller learns when to try again, and nothing of what the database said."""
    code, wait = ANSWERS[sqlstate]
    async with failing(table, raising(sqlstate)):
        for headers in ({}, KEY):
            response = await seller.writer.post("/customers", json=ADA, headers=headers)
            refusal_of(response, 503, code)
            assert response.headers["retry-after"] == wait
            assert "secret" not in response.text
    assert set((await traces_of(seller, runtime)).values()) == {0}


async def test_a_key_is_free_again_when_its_request_failed(
    seller: Seller, runtime: Runtime, failing: Failing
) -> None:
    """The record dies with its transaction: the retry does the work, and is no replay."""
    for table in ("facts", "idempotency_keys"):
        async with failing(table, raising("53100")):
            response = await seller.writer.post("/customers", json=ADA, headers=KEY)
            refusal_of(response, 503, "service.storage_full")
    response = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert response.status_code == 201
    assert "idempotency-replayed" not in response.headers
    assert await traces_of(seller, runtime) == {
        "customers": 1,
        "facts": 1,
        "idempotency_keys": 1,
    }


async def test_a_failure_that_nobody_foresaw_is_500_and_says_nothing(
    seller: Seller, runtime: Runtime, failing: Failing
) -> None:
    """The log has the cause; the answer has the id by which to find it."""
    seller.writer.event_hooks["response"].clear()  # the document speaks of no 500
    async with failing("customers", raising("XX000")):
        response = await seller.writer.post(
            "/customers", json=ADA, headers={**KEY, "X-Request-Id": "find-me"}
        )
    assert response.status_code == 500
    assert response.json()["error"]["code"] == "service.internal_error"
    assert "secret" not in response.text
    assert response.headers["x-request-id"] == "find-me"
    assert set((await traces_of(seller, runtime)).values()) == {0}


@pytest.mark.parametrize("limit", ["lock_timeout", "statement_timeout"])
async def test_who_waits_too_long_is_told_to_come_back(
    seller: Seller, runtime: Runtime, failing: Failing, limit: str
) -> None:
    """PostgreSQL's own limits end the wait; here they are made short."""
    async with (
        failing("customers", f"perform set_config('{limit}', '20ms', true)"),
        runtime.operator.transaction() as operator,
    ):
        await operator.execute(text("lock table facts in exclusive mode"))
        response = await seller.writer.post("/customers", json=ADA)
    assert refusal_of(response, 503, "service.busy") == "the database is busy"
    assert response.headers["retry-after"] == "1"
    assert set((await traces_of(seller, runtime)).values()) == {0}


async def test_a_connection_that_is_cut_is_replaced(
    seller: Seller, runtime: Runtime, failing: Failing
) -> None:
    """The request that lost it is told to try again; the next one has another."""
    async with failing("facts", "perform pg_terminate_backend(pg_backend_pid())"):
        response = await seller.writer.post("/customers", json=ADA, headers=KEY)
        message = refusal_of(response, 503, "service.database_unavailable")
        assert message == "the database cannot be reached"
        assert response.headers["retry-after"] == "1"
    assert set((await traces_of(seller, runtime)).values()) == {0}
    response = await seller.writer.post("/customers", json=ADA, headers=KEY)
    assert response.status_code == 201


async def test_idle_connections_that_were_cut_cost_nobody_an_answer(
    seller: Seller, runtime: Runtime
) -> None:
    """After a restart of the database every pooled connection is dead, and none is used."""
    await asyncio.gather(*(seller.reader.get("/customers") for _ in range(20)))
    async with runtime.operator.transaction() as operator:
        cut = await operator.execute(
            text(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and pid <> pg_backend_pid()"
                " and backend_type = 'client backend'"
            )
        )
        assert len(cut.all()) > 1
    answers: list[Any] = await asyncio.gather(*(seller.reader.get("/customers") for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}

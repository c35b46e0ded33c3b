import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace

import httpx
import pytest
from fastapi import APIRouter, FastAPI
from tests.conftest import Seller

from tollkeeper.api.app import create_app
from tollkeeper.api.route import ResourceRoute, Writer
from tollkeeper.customers.errors import CUSTOMER_HAS_HISTORY
from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.runtime import Runtime
from tollkeeper.providers import audit

ADA = b'{"name": "Ada", "email": "ada@example.com"}'
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def narrow(app: FastAPI, runtime: Runtime, urls: DatabaseUrls) -> AsyncIterator[None]:
    """The application with one single connection to its database."""
    database = Database(urls.application, pool_size=1)
    app.state.runtime = replace(runtime, database=database)
    yield
    await database.close()


@pytest.mark.usefixtures("narrow")
async def test_who_sends_slowly_keeps_no_connection_from_others(seller: Seller) -> None:
    """A body is awaited before the database is asked for anything."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield ADA[:10]
        begun.set()
        await go_on.wait()
        yield ADA[10:]

    slow = asyncio.create_task(seller.writer.post("/customers", content=slowly(), headers=JSON))
    await begun.wait()
    statuses = [
        (await seller.writer.post("/customers", content=ADA, headers=JSON)).status_code
        for _ in range(3)
    ]
    go_on.set()
    assert [*statuses, (await slow).status_code] == [201] * 4


@pytest.mark.usefixtures("narrow")
async def test_more_requests_than_connections_wait_their_turn(seller: Seller) -> None:
    """Nobody is refused for coming at the same time."""
    answers = await asyncio.gather(
        *(seller.writer.post("/customers", content=ADA, headers=JSON) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} == {201}


@pytest.mark.parametrize(
    ("content", "headers"),
    [(b"{", JSON), (b"x" * 2_000_000, JSON), (b"<a/>", {"Content-Type": "text/xml"})],
)
async def test_strangers_learn_nothing_about_their_bodies(
    seller: Seller, content: bytes, headers: dict[str, str]
) -> None:
    """Who calls is asked first, then what they may do, then what they sent."""
    response = await seller.anonymous.post("/customers", content=content, headers=headers)
    assert response.status_code == 401
    response = await seller.reader.post("/customers", content=content, headers=headers)
    assert response.status_code == 403


async def test_a_remembered_refusal_leaves_nothing_of_the_work_before_it(
    seller: Seller, runtime: Runtime
) -> None:
    """What an operation did before it refused is undone, though the refusal itself is kept."""
    router = APIRouter(prefix="/api/v1", route_class=ResourceRoute)

    @router.post("/half")
    async def refuse_half_way(work: Writer) -> None:
        await audit.record(work, "half.done", subject_type="half", subject_id=1)
        raise CUSTOMER_HAS_HISTORY.error("it cannot be done")

    app = create_app(lambda: nullcontext(runtime))
    app.include_router(router)
    app.state.runtime = runtime
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url=seller.writer.base_url,
        headers={**seller.writer.headers, "Idempotency-Key": "k"},
    )
    first, again = await client.post("/half"), await client.post("/half")
    assert (first.status_code, again.status_code) == (409, 409)
    assert again.headers["idempotency-replayed"] == "true"
    assert (await seller.admin.get("/audit?action=half.done")).json()["data"] == []
    await client.aclose()


def test_a_route_that_does_not_say_who_may_call_is_no_route() -> None:
    """The mistake is found when the program starts, not when somebody calls."""
    router = APIRouter(route_class=ResourceRoute)

    with pytest.raises(TypeError, match="does not say who may call it"):

        @router.get("/open")
        async def handler() -> None: ...

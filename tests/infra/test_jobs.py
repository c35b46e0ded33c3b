from datetime import timedelta

import pytest
from procrastinate import Blueprint
from sqlalchemy import text
from tests.conftest import Seller

from tollkeeper.infra import idempotency
from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.jobs import JobQueue
from tollkeeper.infra.outbox import Fact, publish
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.unit_of_work import unit_of_work
from tollkeeper.kernel.clock import ManualClock
from tollkeeper.kernel.scope import Actor

ACTOR = Actor("system", "tests")


class _Change(Exception):
    """Something that makes an operation fail after it has enqueued a job."""


@pytest.fixture
def jobs(urls: DatabaseUrls) -> JobQueue:
    """A queue with one job that does nothing."""
    blueprint = Blueprint()

    @blueprint.task(name="nothing")
    async def nothing(customer: str) -> None:
        """Nothing."""

    return JobQueue(urls.application, [("tests", blueprint)])


async def _waiting(database: Database, marker: str) -> int:
    async with database.transaction() as db:
        query = text("select count(*) from procrastinate_jobs where args ->> 'customer' = :marker")
        return int((await db.execute(query, {"marker": marker})).scalar_one())


async def test_a_job_is_there_once_its_transaction_commits(
    runtime: Runtime, jobs: JobQueue, seller: Seller
) -> None:
    """Not before: a worker must not find it while its reason may still vanish."""
    async with unit_of_work(
        runtime.database, jobs, runtime.clock, scope=seller.scope, actor=ACTOR
    ) as work:
        await work.jobs.defer(work.db, "tests:nothing", customer=seller.slug)
        assert await _waiting(runtime.database, seller.slug) == 0
    assert await _waiting(runtime.database, seller.slug) == 1


async def test_a_job_is_gone_when_its_transaction_rolls_back(
    runtime: Runtime, jobs: JobQueue, seller: Seller
) -> None:
    """A job vanishes with the change that wanted it."""
    with pytest.raises(_Change):
        async with unit_of_work(
            runtime.database, jobs, runtime.clock, scope=seller.scope, actor=ACTOR
        ) as work:
            await work.jobs.defer(work.db, "tests:nothing", customer=seller.slug)
            raise _Change
    assert await _waiting(runtime.database, seller.slug) == 0


async def test_a_job_that_waits_already_is_not_added_and_harms_nothing(
    runtime: Runtime, jobs: JobQueue, seller: Seller
) -> None:
    """`once`: the second request for it changes nothing, and its transaction goes on."""
    for _ in range(2):
        async with unit_of_work(
            runtime.database, jobs, runtime.clock, scope=seller.scope, actor=ACTOR
        ) as work:
            await work.jobs.defer(work.db, "tests:nothing", once=seller.slug, customer=seller.slug)
            await publish(work, Fact("job.wanted", {}))
    assert await _waiting(runtime.database, seller.slug) == 1
    async with runtime.database.transaction(seller.scope) as db:
        assert await db.scalar(text("select count(*) from facts")) == 2


async def test_a_fact_lives_and_dies_with_its_transaction(runtime: Runtime, seller: Seller) -> None:
    """Never told of what rolled back, never missing for what happened."""

    async def tell(*, fail: bool) -> None:
        async with unit_of_work(
            runtime.database, runtime.jobs, runtime.clock, scope=seller.scope, actor=ACTOR
        ) as work:
            await publish(work, Fact("account.created", {"fail": fail}))
            if fail:
                raise _Change

    await tell(fail=False)
    with pytest.raises(_Change):
        await tell(fail=True)
    async with runtime.database.transaction(seller.scope) as db:
        payloads = (await db.execute(text("select payload from facts"))).scalars().all()
    assert payloads == [{"fail": False}]


async def test_old_answers_are_purged_and_young_ones_kept(
    runtime: Runtime, seller: Seller, clock: ManualClock
) -> None:
    """The job forgets what is older than the setting, for all providers."""
    for key in ("old", "young"):
        response = await seller.writer.post(
            "/customers",
            json={"name": key, "email": "ada@example.com"},
            headers={"Idempotency-Key": key},
        )
        assert response.status_code == 201
        clock.advance(timedelta(hours=30))
    async with runtime.operator.transaction() as db:
        assert await idempotency.purge(db, before=clock.now() - timedelta(hours=48)) >= 1
    async with runtime.database.transaction(seller.scope) as db:
        kept = (await db.execute(text("select count(*) from idempotency_keys"))).scalar_one()
    assert kept == 1

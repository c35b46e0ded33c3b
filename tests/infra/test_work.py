"""A worker on a database of its own: what becomes of a job that does not end well."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest
from procrastinate import Blueprint
from psycopg.conninfo import make_conninfo
from sqlalchemy import text

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.jobs import MAX_ATTEMPTS, JobQueue
from tollkeeper.infra.migrate import migrate
from tollkeeper.infra.telemetry import Metrics

PATIENCE_SECONDS = 20
Step = Callable[[], Awaitable[None]]


@pytest.fixture(scope="module")
def own(urls: DatabaseUrls) -> Iterator[DatabaseUrls]:
    """A migrated database where no other test leaves jobs."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        db.execute("create database jobs")
        own = DatabaseUrls.of(make_conninfo(urls.operator, dbname="jobs"))
        migrate(own.operator)
        yield own
        db.execute("drop database jobs with (force)")


class Workshop:
    """A queue with one job, which does what the test says, and its worker."""

    def __init__(self, own: DatabaseUrls) -> None:
        blueprint = Blueprint()
        self.metrics = Metrics()
        self.database = Database(own.application, pool_size=2)
        self.step: Step = asyncio.Event().wait  # type: ignore[assignment]
        self.runs = 0
        self.running = asyncio.Event()

        @blueprint.task(name="step")
        async def step() -> None:
            self.runs += 1
            self.running.set()
            await self.step()

        self.queue = JobQueue(own.application, [("tests", blueprint)])

    async def defer(self, once: str | None = None) -> None:
        async with self.database.transaction() as db:
            await self.queue.defer(db, "tests:step", once=once)

    @asynccontextmanager
    async def working(self, shutdown_seconds: float = PATIENCE_SECONDS) -> AsyncIterator[None]:
        # One after the other: the order of what happens is then the order of what is told.
        work = asyncio.create_task(
            self.queue.work(
                {}, metrics=self.metrics, shutdown_seconds=shutdown_seconds, concurrency=1
            )
        )
        try:
            yield
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def jobs(self) -> list[tuple[Any, ...]]:
        """(status, attempts, whether it is due) of each job that is there."""
        query = "select status::text, attempts, coalesce(scheduled_at <= now(), true)"
        async with self.database.transaction() as db:
            found = await db.execute(text(f"{query} from procrastinate_jobs order by id"))
            return [tuple(row) for row in found]

    async def change(self, assignment: str) -> None:
        async with self.database.transaction() as db:
            await db.execute(text(f"update procrastinate_jobs set {assignment}"))

    async def until(self, *jobs: tuple[Any, ...]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await self.jobs() != list(jobs):  # noqa: ASYNC110 - the worker is asked
                await asyncio.sleep(0.02)

    def counted(self, outcome: str) -> float | None:
        labels = {"job": "tests:step", "outcome": outcome}
        return self.metrics.registry.get_sample_value("tollkeeper_jobs_total", labels)


@pytest.fixture
async def workshop(own: DatabaseUrls) -> AsyncIterator[Workshop]:
    made = Workshop(own)
    yield made
    async with made.database.transaction() as db:
        await db.execute(text("delete from procrastinate_jobs"))
    await made.database.close()


async def fail() -> None:
    raise RuntimeError("planted")


async def succeed() -> None:
    """Nothing more."""


async def test_a_job_that_fails_runs_again_after_a_pause(workshop: Workshop) -> None:
    """A passing trouble costs a pause, not the job."""
    workshop.step = fail
    await workshop.defer()
    async with workshop.working():
        await workshop.until(("todo", 1, False))
    workshop.step = succeed
    await workshop.change("scheduled_at = now()")
    async with workshop.working():
        await workshop.until()
    assert workshop.runs == 2
    assert (workshop.counted("retried"), workshop.counted("done")) == (1, 1)


async def test_a_job_that_fails_to_the_last_attempt_stays_to_be_seen(workshop: Workshop) -> None:
    """It is not tried for ever, and not forgotten: `doctor` and the figures tell of it."""
    workshop.step = fail
    await workshop.defer()
    await workshop.change(f"attempts = {MAX_ATTEMPTS - 1}")
    async with workshop.working():
        await workshop.until(("failed", MAX_ATTEMPTS, True))
    assert workshop.counted("failed") == 1


async def test_a_job_that_outlives_the_shutdown_runs_again(workshop: Workshop) -> None:
    """Whatever its number of attempts: it has not failed."""
    await workshop.defer()
    await workshop.change(f"attempts = {MAX_ATTEMPTS - 1}")
    async with workshop.working(shutdown_seconds=0.05):
        await asyncio.wait_for(workshop.running.wait(), PATIENCE_SECONDS)
    assert await workshop.jobs() == [("todo", MAX_ATTEMPTS, True)]


async def test_a_job_that_fails_gives_way_to_one_that_waits_under_its_key(
    workshop: Workshop,
) -> None:
    """Both cannot wait, and neither may be stuck."""

    async def enqueue_successor_and_fail() -> None:
        await workshop.defer(once="key")
        workshop.step = succeed
        raise RuntimeError("planted")

    workshop.step = enqueue_successor_and_fail
    await workshop.defer(once="key")
    async with workshop.working():
        await workshop.until()
    assert workshop.runs == 2

"""The running program's parts, opened once per process and closed with it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.jobs import JobQueue
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import Metrics
from tollkeeper.kernel.clock import Clock


@dataclass(frozen=True, slots=True)
class Runtime:
    """What faces and jobs are given. `database` is the application's, `operator` the owner's."""

    settings: Settings
    urls: DatabaseUrls
    database: Database
    operator: Database
    jobs: JobQueue
    clock: Clock
    metrics: Metrics


@asynccontextmanager
async def open_runtime(
    settings: Settings, urls: DatabaseUrls, *, clock: Clock, jobs: JobQueue
) -> AsyncIterator[Runtime]:
    """Open the pools (connections are made when first needed) and close them at the end."""
    database = Database(urls.application, pool_size=settings.database_pool_size)
    operator = Database(urls.operator, pool_size=2)
    try:
        yield Runtime(settings, urls, database, operator, jobs, clock, Metrics())
    finally:
        await database.close()
        await operator.close()

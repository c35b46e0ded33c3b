"""One request or job = one transaction, and what everything in it shares."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.infra.database import Database
from tollkeeper.infra.jobs import JobQueue
from tollkeeper.kernel.clock import Clock
from tollkeeper.kernel.scope import Actor, Scope


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """What an operation works with. It may raise; it never commits: `infra` does, at the end.

    scope: the provider whose data this is. now: the instant at which all of it happens, UTC.
    actor: who does it. request_id: the `X-Request-Id` of the request behind it, if there is one.
    """

    scope: Scope
    db: AsyncConnection
    jobs: JobQueue
    now: datetime
    actor: Actor
    request_id: str | None = None


@asynccontextmanager
async def unit_of_work(
    database: Database, jobs: JobQueue, clock: Clock, *, scope: Scope, actor: Actor
) -> AsyncIterator[UnitOfWork]:
    """Begin a transaction in the scope; commit it when the block ends, or roll all of it back."""
    async with database.transaction(scope) as db:
        yield UnitOfWork(scope=scope, db=db, jobs=jobs, now=clock.now(), actor=actor)

"""Readiness: is the database in shape, does it take writes, is somebody doing the jobs?"""

import asyncio
import time
from datetime import datetime, timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tollkeeper.infra.database import Database
from tollkeeper.infra.migrate import newest_revision

# Anybody may ask whether we are ready: that must not become a way to make the disk work.
_WRITE_SECONDS = 5.0

_STATE = text(
    """
    select (select max(version_num) from alembic_version) as revision,
           (select max(last_heartbeat) from procrastinate_workers) as last_heartbeat,
           (select min(coalesce(j.scheduled_at, e.at))
              from procrastinate_jobs j
              join procrastinate_events e on e.job_id = j.id and e.type = 'deferred'
             where j.status = 'todo'
               and coalesce(j.scheduled_at, e.at) < now() - make_interval(secs => :late)
           ) as waiting_since,
           now() as now
    """
)
# Needs all that a write needs, and leaves nothing behind: an exported snapshot is a new file beside
# the data until the transaction ends, the message is committed to the write-ahead log, and neither
# is to be had where the server was told to take no writes.
_WRITE = text(
    """
    select pg_export_snapshot(), pg_logical_emit_message(true, 'tollkeeper', 'ready?'),
           current_setting('transaction_read_only') as read_only
    """
)
_wrote_at: WeakKeyDictionary[Database, float] = WeakKeyDictionary()


async def problems(
    database: Database, *, late_seconds: int, patience_seconds: float = 5
) -> list[str]:
    """What keeps this process from being ready, in words; empty when it is ready."""
    try:
        async with asyncio.timeout(patience_seconds):
            async with database.check() as connection:
                state = (await connection.execute(_STATE, {"late": late_seconds})).one()
            refusal = await _refusal_to_write(database)
    except (PoolTimeoutError, TimeoutError):
        return [f"the database takes longer than {patience_seconds:g} s to answer"]
    except (SQLAlchemyError, OSError) as error:
        return [f"the database does not answer, or is not migrated ({type(error).__name__})"]
    found = [refusal] if refusal else []
    # Revisions are numbered. A newer database is fine: it was expanded for the next version.
    if (state.revision or "") < newest_revision():
        found.append("the database lacks migrations; run: tollkeeper migrate")
    return found + _worker_problems(
        state.last_heartbeat, state.waiting_since, state.now, timedelta(seconds=late_seconds)
    )


async def _refusal_to_write(database: Database) -> str | None:
    """Commit a write, unless one succeeded just now; answers what became of it if it failed."""
    if time.monotonic() - _wrote_at.get(database, -_WRITE_SECONDS) < _WRITE_SECONDS:
        return None
    try:
        async with database.check() as connection:
            if (await connection.execute(_WRITE)).one().read_only == "on":
                return "the database takes no writes (it is set to read-only)"
    except DBAPIError as error:
        return f"the database takes no writes ({type(error.orig).__name__})"
    _wrote_at[database] = time.monotonic()
    return None


def _worker_problems(
    last_heartbeat: datetime | None,
    waiting_since: datetime | None,
    now: datetime,
    late: timedelta,
) -> list[str]:
    found = []
    if last_heartbeat is None:
        found.append("no job worker is running")
    elif now - last_heartbeat > late:
        found.append(f"no job worker has given a sign of life since {last_heartbeat:%H:%M:%S} UTC")
    if waiting_since is not None:
        found.append(f"a due job has been waiting since {waiting_since:%Y-%m-%d %H:%M:%S} UTC")
    return found

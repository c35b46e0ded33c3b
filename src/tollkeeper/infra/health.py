"""Readiness: is the database there and in shape, is somebody doing the jobs?"""

from datetime import datetime, timedelta

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from tollkeeper.infra.database import Database
from tollkeeper.infra.migrate import newest_revision

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


async def problems(database: Database, *, late_seconds: int) -> list[str]:
    """What keeps this process from being ready, in words; empty when it is ready."""
    try:
        async with database.transaction() as connection:
            state = (await connection.execute(_STATE, {"late": late_seconds})).one()
    except (SQLAlchemyError, OSError) as error:
        return [f"the database does not answer, or is not migrated ({type(error).__name__})"]
    found = []
    # Revisions are numbered. A newer database is fine: it was expanded for the next version.
    if (state.revision or "") < newest_revision():
        found.append("the database lacks migrations; run: tollkeeper migrate")
    return found + _worker_problems(
        state.last_heartbeat, state.waiting_since, state.now, timedelta(seconds=late_seconds)
    )


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

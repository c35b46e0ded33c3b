"""What must always hold of the machine room; `tollkeeper doctor` runs these, and so do tests."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.tables import APP_ROLE, SCHEMA


@dataclass(frozen=True, slots=True)
class Invariant:
    """A law, and the question whether it is broken: the answer names each fault in words."""

    law: str
    faults: Callable[[Runtime], Awaitable[list[str]]]


_UNPROTECTED = text(
    """
    select c.relname
      from pg_class c,
           format('(%s = current_provider())',
                  case c.relname when 'providers' then 'id' else 'provider_id' end) as ours
     where c.relnamespace = cast(:schema as regnamespace) and c.relkind in ('r', 'p')
       -- A partition is reached through the whole, unless somebody granted it by itself.
       and not (c.relispartition and not has_table_privilege(:role, c.oid, 'select'))
       and (c.relname = 'providers'
            or exists (select from pg_attribute a
                        where a.attrelid = c.oid and a.attname = 'provider_id'))
       and not (c.relrowsecurity
                and exists (select from pg_policy p where p.polrelid = c.oid and p.polpermissive)
                -- A row is visible when any policy lets it through, so each must be ours.
                and not exists (
                    select from pg_policy p
                     where p.polrelid = c.oid and p.polpermissive
                       and (pg_get_expr(p.polqual, c.oid), pg_get_expr(p.polwithcheck, c.oid))
                           is distinct from (ours, ours)))
     order by 1
    """
)
_ROLE = text(
    """
    select rolsuper or rolbypassrls as mighty,
           exists (select from pg_class c
                    where c.relowner = r.oid
                      and c.relnamespace = cast(:schema as regnamespace)) as owner
      from pg_roles r where rolname = :role
    """
)
_DURABILITY = text(
    """
    select name, setting from pg_settings
     where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'
    """
)
_FAILED_JOBS = text(
    """
    select task_name, count(*) as count, max(id) as last_id from procrastinate_jobs
     where status in ('failed', 'aborted') group by task_name order by 1
    """
)
_APPEND_ONLY = text(
    """
    select c.relname
      from pg_class c
     where c.relnamespace = cast(:schema as regnamespace)
       and c.relname = any(:tables)
       and 2 > (select count(*) from pg_trigger t
                 where t.tgrelid = c.oid and t.tgname like 'append_only%' and t.tgenabled = 'O')
    """
)


async def _row_security(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        tables = (
            (await db.execute(_UNPROTECTED, {"schema": SCHEMA, "role": APP_ROLE})).scalars().all()
        )
    return [f"table {table} is not protected by row-level security" for table in tables]


async def _application_role(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        role = (await db.execute(_ROLE, {"schema": SCHEMA, "role": APP_ROLE})).one()
    async with runtime.database.transaction() as db:
        user = await db.scalar(text("select current_user"))
    faults = []
    if role.mighty:
        faults.append(f"role {APP_ROLE} is a superuser or bypasses row-level security")
    if role.owner:
        faults.append(f"role {APP_ROLE} owns tables, so row-level security does not bind it")
    if user != APP_ROLE:
        faults.append(
            f"requests run as {user}, not {APP_ROLE}: does a connection pooler in between drop "
            "the start-up options? Let Tollkeeper connect to PostgreSQL directly"
        )
    return faults


async def _durable(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        settings = (await db.execute(_DURABILITY)).all()
    return [f"PostgreSQL runs with {name} = {value}; turn it on" for name, value in settings]


async def _failed_jobs(runtime: Runtime) -> list[str]:
    async with runtime.operator.transaction() as db:
        jobs = (await db.execute(_FAILED_JOBS)).all()
    return [
        f"{job.count} of {job.task_name} failed to the last attempt (the newest is {job.last_id}); "
        "mend what the log names, then set status = 'todo', attempts = 0 in procrastinate_jobs"
        for job in jobs
    ]


async def missing_append_only(db: AsyncConnection, *tables: str) -> list[str]:
    """Those of the tables that the database would let somebody change."""
    found = await db.execute(_APPEND_ONLY, {"schema": SCHEMA, "tables": list(tables)})
    return [f"table {name} has lost its append-only triggers" for name in found.scalars()]


INVARIANTS = (
    Invariant("acknowledged means committed, and committed means on disk", _durable),
    Invariant("every table of a provider's is protected by row-level security", _row_security),
    Invariant("no job has failed for good", _failed_jobs),
    Invariant("requests run as a role that row-level security binds", _application_role),
)

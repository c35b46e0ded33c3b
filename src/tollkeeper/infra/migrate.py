"""Bring the database to the shape that this version of the program expects.

Three steps, all safe to repeat and safe to run from several processes at once: roles and schemas,
our tables (Alembic), the job queue's tables (the SQL that Procrastinate ships).
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib import resources

import psycopg
import structlog
from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from tollkeeper.infra.database import JOBS_SCHEMA, Database
from tollkeeper.infra.tables import APP_ROLE, SCHEMA

OLDEST_POSTGRESQL = 15
_LOCK = 7243392150118
_SCRIPTS = "tollkeeper:migrations"
_JOB_TABLES = "procrastinate_jobs"
_HAS_REVISION = text("select to_regclass(:table) is not null")
_REVISION = text("select max(version_num) from alembic_version")

log = structlog.get_logger(__name__)


class MigrationError(Exception):
    """The database cannot be brought to shape; the message says what to do."""


def migrate(operator: str) -> None:
    """Create or upgrade everything. `operator`: libpq connection string of the owning login.

    A database that a newer version has migrated is left as it is: it was expanded for that one, and
    still serves this one. Raises MigrationError where the login may not do what is needed, or the
    server is too old or has another encoding than UTF-8.
    """
    with psycopg.connect(operator, autocommit=True) as connection:
        # Waited for without limit: whoever holds it is doing this very work.
        connection.execute("select pg_advisory_lock(%s)", (_LOCK,))
        connection.execute("set lock_timeout to '5s'")
        _check_server(connection)
        _prepare_roles_and_schemas(connection)
        with _alembic(operator) as config:
            if _is_newer(config):
                return
            command.upgrade(config, "head")
        connection.execute(
            sql.SQL("grant select on {}.alembic_version to {}").format(
                sql.Identifier(SCHEMA), sql.Identifier(APP_ROLE)
            )
        )
        _renew_functions(connection)
        _migrate_jobs(connection)


def pending(operator: str) -> list[str]:
    """The revisions that this program has and the database lacks, oldest first."""
    with _alembic(operator) as config:
        if _is_newer(config):
            return []
        scripts = ScriptDirectory.from_config(config)
        revisions = scripts.iterate_revisions("head", _current_revision(config) or "base")
        return [revision.revision for revision in revisions][::-1]


async def require_migrated(operator: Database) -> None:
    """Raise MigrationError, in words, where the database lacks the tables of this version."""
    async with operator.check() as connection:
        there = await connection.scalar(_HAS_REVISION, {"table": f"{SCHEMA}.alembic_version"})
        current = await connection.scalar(_REVISION) if there else None
    if (current or "") < newest_revision():
        raise MigrationError("the database lacks migrations; run: tollkeeper migrate")


@cache
def newest_revision() -> str:
    """The revision that this program's code is written for."""
    config = Config()
    config.set_main_option("script_location", _SCRIPTS)
    return ScriptDirectory.from_config(config).get_current_head() or ""


def check(operator: str) -> None:
    """Compare the tables in code with those of the database; MigrationError where they differ.

    A newer version's tables are not ours to judge.
    """
    with _alembic(operator) as config:
        if _is_newer(config):
            return
        try:
            command.check(config)
        except CommandError as error:
            raise MigrationError(f"the tables are not those of the code: {error}") from error


@contextmanager
def _alembic(operator: str) -> Iterator[Config]:
    engine = create_engine(
        "postgresql+psycopg://", connect_args=conninfo_to_dict(operator), poolclass=NullPool
    )
    with engine.connect() as connection:
        # Alembic answers for our schema alone; the job queue has its own history.
        connection.exec_driver_sql(f"set search_path to {SCHEMA}")
        # A step that cannot get its lock at once gives way to the traffic, and is run again.
        connection.exec_driver_sql("set lock_timeout to '5s'")
        connection.commit()
        config = Config()
        config.set_main_option("script_location", _SCRIPTS)
        config.set_main_option("path_separator", "os")
        config.attributes["connection"] = connection
        yield config
    engine.dispose()


def _current_revision(config: Config) -> str | None:
    connection: Connection = config.attributes["connection"]
    revision = MigrationContext.configure(connection).get_current_revision()
    # Reading began a transaction; Alembic commits only those that it began itself.
    connection.rollback()
    return revision


def _is_newer(config: Config) -> bool:
    """Whether a newer version was here. Revisions are numbered."""
    current = _current_revision(config) or ""
    if current <= newest_revision():
        return False
    log.info("the database is newer than this version", revision=current, ours=newest_revision())
    return True


def _check_server(connection: psycopg.Connection) -> None:
    version = connection.info.server_version // 10_000
    if version < OLDEST_POSTGRESQL:
        raise MigrationError(
            f"this is PostgreSQL {version}; Tollkeeper needs {OLDEST_POSTGRESQL} or newer"
        )
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        raise MigrationError(
            f"the database {connection.info.dbname!r} has the encoding {encoding}, which cannot "
            "hold every name; make one with: create database ... encoding 'UTF8' template template0"
        )


def _prepare_roles_and_schemas(connection: psycopg.Connection) -> None:
    role = sql.Identifier(APP_ROLE)
    try:
        if not _exists(connection, "select 1 from pg_roles where rolname = %s", APP_ROLE):
            # Roles belong to the cluster: a migration of another database was first.
            with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("create role {} nologin nobypassrls").format(role))
        if not _exists(
            connection,
            "select 1 where pg_has_role(current_user, %s, 'set')"
            if connection.info.server_version >= 160_000
            else "select 1 where pg_has_role(current_user, %s, 'member')",
            APP_ROLE,
        ):
            connection.execute(sql.SQL("grant {} to current_user").format(role))
        for schema in (SCHEMA, JOBS_SCHEMA):
            name = sql.Identifier(schema)
            connection.execute(sql.SQL("create schema if not exists {}").format(name))
            connection.execute(sql.SQL("grant usage on schema {} to {}").format(name, role))
    except psycopg.errors.InsufficientPrivilege as error:
        user = connection.info.user
        raise MigrationError(
            f"the database login {user!r} may not prepare the database "
            f"({error.diag.message_primary}). As a superuser run: "
            f"create role {APP_ROLE} nologin; grant {APP_ROLE} to {user}; "
            f"grant create on database {connection.info.dbname} to {user};"
        ) from error


def _renew_functions(connection: psycopg.Connection) -> None:
    """Run every `sql/*.sql` of the program, in the order of their numbers.

    They hold what is replaced rather than migrated: functions and views. Each may be run again.
    """
    scripts = [
        script
        for package in resources.files("tollkeeper").iterdir()
        if (package / "sql").is_dir()
        for script in (package / "sql").iterdir()
        if script.name.endswith(".sql")
    ]
    with connection.transaction():
        for script in sorted(scripts, key=lambda script: script.name):
            _run(connection, script.read_text(encoding="utf-8"))


def _migrate_jobs(connection: psycopg.Connection) -> None:
    """Apply Procrastinate's own SQL: all of it to an empty schema, else what came since."""
    shipped = resources.files("procrastinate") / "sql"
    names = sorted(
        entry.name for entry in (shipped / "migrations").iterdir() if entry.name.endswith(".sql")
    )
    with connection.transaction():
        connection.execute(
            sql.SQL("set local search_path to {}").format(sql.Identifier(JOBS_SCHEMA))
        )
        connection.execute("create table if not exists applied_migrations (name text primary key)")
        fresh = not _exists(connection, "select 1 where to_regclass(%s) is not null", _JOB_TABLES)
        if fresh:
            _run(connection, (shipped / "schema.sql").read_text(encoding="utf-8"))
        else:
            applied = {
                name for (name,) in connection.execute("select name from applied_migrations")
            }
            for name in names:
                if name not in applied:
                    script = shipped / "migrations" / name
                    _run(connection, script.read_text(encoding="utf-8"))
        with connection.cursor() as cursor:
            cursor.executemany(
                "insert into applied_migrations values (%s) on conflict do nothing",
                [(name,) for name in names],
            )
        connection.execute(
            sql.SQL(
                "grant select, insert, update, delete on all tables in schema {schema} to {role};"
                "grant usage, select on all sequences in schema {schema} to {role};"
                "revoke insert, update, delete on {schema}.applied_migrations from {role}"
            ).format(schema=sql.Identifier(JOBS_SCHEMA), role=sql.Identifier(APP_ROLE))
        )


def _run(connection: psycopg.Connection, script: str) -> None:
    connection.execute(script.encode())


def _exists(connection: psycopg.Connection, query: str, *parameters: str) -> bool:
    return connection.execute(query.encode(), parameters).fetchone() is not None

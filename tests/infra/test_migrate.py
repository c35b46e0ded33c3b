from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tollkeeper.infra.database import Database, DatabaseUrls
from tollkeeper.infra.migrate import (
    MigrationError,
    check,
    migrate,
    pending,
    require_migrated,
)


@pytest.fixture
def empty(urls: DatabaseUrls) -> Iterator[str]:
    """A database that nobody has migrated, and its operator's connection string."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        db.execute("create database unmigrated")
        yield DatabaseUrls.of(make_conninfo(urls.operator, dbname="unmigrated")).operator
        db.execute("drop database unmigrated with (force)")


def test_an_empty_database_is_brought_to_the_shape_of_the_code(empty: str) -> None:
    """Afterwards nothing is pending and nothing differs."""
    assert pending(empty)
    migrate(empty)
    assert pending(empty) == []
    check(empty)


def test_migrating_twice_changes_nothing(empty: str) -> None:
    """Every start migrates; that must be safe."""
    migrate(empty)
    with psycopg.connect(empty) as db:
        before = db.execute("select oid, relname from pg_class order by oid").fetchall()
    migrate(empty)
    with psycopg.connect(empty) as db:
        assert db.execute("select oid, relname from pg_class order by oid").fetchall() == before


def test_four_processes_may_migrate_at_once(empty: str) -> None:
    """The first does it; the others wait for it, and all succeed."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, [empty] * 4))
    assert pending(empty) == []


def test_a_login_that_may_not_is_told_what_to_run(empty: str, urls: DatabaseUrls) -> None:
    """The error holds the statements for a superuser."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        db.execute("create role powerless login")
        try:
            with pytest.raises(MigrationError, match=r"grant tollkeeper_app to powerless"):
                migrate(make_conninfo(empty, user="powerless"))
        finally:
            db.execute("drop role powerless")


def test_the_previous_version_starts_on_a_newer_database(empty: str) -> None:
    """It finds nothing missing, and neither judges nor replaces what is not its own."""
    migrate(empty)
    with psycopg.connect(empty, autocommit=True) as db:
        db.execute("update alembic_version set version_num = '9999'")
        db.execute("alter table customers add column later text")
        before = _functions(db)
        migrate(empty)
        assert _functions(db) == before
        assert db.execute("select version_num from alembic_version").fetchone() == ("9999",)
    assert pending(empty) == []
    check(empty)


def test_a_table_that_differs_from_the_code_is_said_in_words(empty: str) -> None:
    """`migrate --check` names it."""
    migrate(empty)
    with psycopg.connect(empty) as db:
        db.execute("alter table customers add column by_hand text")
    with pytest.raises(MigrationError, match="by_hand"):
        check(empty)


async def test_work_on_an_unmigrated_database_is_refused_with_the_remedy(empty: str) -> None:
    """Instead of a traceback about a table that is not there."""
    database = Database(empty, pool_size=1)
    with pytest.raises(MigrationError, match="run: tollkeeper migrate"):
        await require_migrated(database)
    migrate(empty)
    await require_migrated(database)
    await database.close()


def test_a_database_in_another_encoding_is_refused(urls: DatabaseUrls) -> None:
    """Before anything is made in it, and with what to do instead."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        db.execute(
            "create database latin template template0 encoding 'LATIN1' locale_provider libc "
            "locale 'C'"
        )
        try:
            latin = DatabaseUrls.of(make_conninfo(urls.operator, dbname="latin")).operator
            with pytest.raises(MigrationError, match=r"has the encoding LATIN1.*encoding 'UTF8'"):
                migrate(latin)
        finally:
            db.execute("drop database latin with (force)")


def _functions(db: psycopg.Connection) -> list[tuple[object, ...]]:
    """Which there are, and which transaction wrote them."""
    return db.execute(
        "select proname, xmin::text from pg_proc where pronamespace = 'tollkeeper'::regnamespace "
        "order by proname"
    ).fetchall()

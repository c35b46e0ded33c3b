from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tollkeeper.infra.database import DatabaseUrls
from tollkeeper.infra.migrate import MigrationError, check, migrate, pending


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

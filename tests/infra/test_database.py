import psycopg
from psycopg.conninfo import make_conninfo

from tollkeeper.infra.database import DatabaseUrls


def test_every_session_reads_what_is_committed_whatever_the_database_defaults_to(
    urls: DatabaseUrls,
) -> None:
    """Idempotency rests on it: a key is looked up after its lock was waited for."""
    with psycopg.connect(urls.operator, autocommit=True) as db:
        db.execute("create database strict")
        try:
            db.execute("alter database strict set default_transaction_isolation = 'serializable'")
            strict = DatabaseUrls.of(make_conninfo(urls.operator, dbname="strict"))
            for url in (strict.application, strict.operator):
                with psycopg.connect(url) as session:
                    shown = session.execute("show transaction_isolation").fetchone()
                assert shown == ("read committed",)
        finally:
            db.execute("drop database strict with (force)")

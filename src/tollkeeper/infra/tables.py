"""The one catalogue of tables, and the tables of the machine room itself.

All tables live in the schema `tollkeeper`; connections have it on their search path.
"""

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

SCHEMA = "tollkeeper"
APP_ROLE = "tollkeeper_app"

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def instant(name: str, *, nullable: bool = False) -> Column[object]:
    """A point in time: `timestamptz`, always UTC on the wire."""
    return Column(name, DateTime(timezone=True), nullable=nullable)


idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    Column("provider_id", Uuid, primary_key=True),
    Column("key_hash", LargeBinary, primary_key=True),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    instant("created_at"),
    Index("ix_idempotency_keys_created_at", "created_at"),
    comment="The first answer to each Idempotency-Key, sealed, so that a retry gets it again.",
)

facts = Table(
    "facts",
    metadata,
    Column("provider_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("subject_id", Uuid, nullable=True),
    Column("payload", JSONB, nullable=False),
    instant("occurred_at"),
    comment="The outbox: what became true, written by the transaction that made it true.",
)

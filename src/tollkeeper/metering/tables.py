"""Tables of usage: the event log in segments, the ids that were seen, the hourly rollups.

The log and the ids are partitioned; partitions are made and merged by the functions in `sql/`.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    Numeric,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from tollkeeper.infra.tables import instant, metadata

usage_segments = Table(
    "usage_segments",
    metadata,
    Column("segment_no", Integer, primary_key=True, autoincrement=False),
    Column("state", Text, nullable=False),
    instant("opened_at", nullable=True),
    instant("closed_at", nullable=True),
    instant("first_occurred_at", nullable=True),
    instant("last_occurred_at", nullable=True),
    Column("events", BigInteger, nullable=True),
    CheckConstraint("state in ('next', 'current', 'closed', 'sealed')", name="state"),
    Index("uq_usage_segments_current", "state", unique=True, postgresql_where="state = 'current'"),
    Index("uq_usage_segments_next", "state", unique=True, postgresql_where="state = 'next'"),
)

usage_events = Table(
    "usage_events",
    metadata,
    Column("dedupe_key", Uuid, nullable=False),
    Column("provider_id", Uuid, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    # When it was used, by the caller's word; when it was acknowledged, by our clock.
    instant("occurred_at"),
    instant("recorded_at"),
    # The ledger transaction that settled it.
    Column("transaction_no", BigInteger, nullable=False),
    Column("segment_no", Integer, nullable=False),
    Column("settled_against", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("cost", Numeric, nullable=False),
    # What a retry must be told again.
    Column("balance_after", Numeric, nullable=False),
    Column("allowance_after", Numeric, nullable=True),
    Column("reason", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("key_id", Uuid, nullable=True),
    Column("properties", JSONB, nullable=True),
    CheckConstraint("settled_against in ('credits', 'plan')", name="settled_against"),
    CheckConstraint("amount > 0 and amount < 'Infinity'", name="amount"),
    CheckConstraint("cost >= 0 and cost < 'Infinity'", name="cost"),
    postgresql_partition_by="LIST (segment_no)",
)

usage_ids = Table(
    "usage_ids",
    metadata,
    Column("dedupe_key", Uuid, nullable=False),
    Column("segment_no", Integer, nullable=False),
    Column("run_no", Integer, nullable=False),
    postgresql_partition_by="LIST (run_no)",
)

usage_rollups = Table(
    "usage_rollups",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("hour", instant("hour").type, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("cost", Numeric, nullable=False),
)

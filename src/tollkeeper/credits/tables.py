"""Tables of credits: wallets, grants, the ledger, what a unit of usage costs."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKeyConstraint,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    literal_column,
)
from sqlalchemy.dialects.postgresql import JSONB

from tollkeeper.infra.tables import instant, metadata

_NONE = "0"

credit_wallets = Table(
    "credit_wallets",
    metadata,
    Column("wallet_id", Uuid, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("customer_id", Uuid, nullable=False),
    Column("unit", Text, nullable=False),
    # May be spent; below zero: overdrawn.
    Column("available", Numeric, nullable=False, server_default=_NONE),
    Column("held", Numeric, nullable=False, server_default=_NONE),
    Column("consumed", Numeric, nullable=False, server_default=_NONE),
    Column("expired", Numeric, nullable=False, server_default=_NONE),
    Column("overdraft_limit", Numeric, nullable=False, server_default=_NONE),
    # False: soft mode, which lets usage pass and answers a warning.
    Column("refuses", Boolean, nullable=False, server_default="true"),
    Column("lot_grant_id", Uuid, nullable=True),
    Column("lot_remaining", Numeric, nullable=False, server_default=_NONE),
    Column("next_change_at", instant("x").type, nullable=False, server_default="infinity"),
    UniqueConstraint("customer_id", "unit"),
    UniqueConstraint("provider_id", "wallet_id"),
    ForeignKeyConstraint(["provider_id", "customer_id"], ["customers.provider_id", "customers.id"]),
    CheckConstraint("overdraft_limit >= 0", name="overdraft_limit"),
    CheckConstraint("lot_remaining >= 0", name="lot_remaining"),
)

credit_grants = Table(
    "credit_grants",
    metadata,
    Column("grant_id", Uuid, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("wallet_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    # Lower burns first.
    Column("priority", Integer, nullable=False),
    Column("amount", Numeric, nullable=False),
    # Stale while it is the open lot: see credit_grants_now.
    Column("remaining", Numeric, nullable=False),
    # What an overdraft took of it at once.
    Column("covered_debt", Numeric, nullable=False, server_default=_NONE),
    instant("effective_at"),
    Column("expires_at", instant("x").type, nullable=False, server_default="infinity"),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=True),
    instant("created_at"),
    ForeignKeyConstraint(
        ["provider_id", "wallet_id"], ["credit_wallets.provider_id", "credit_wallets.wallet_id"]
    ),
    CheckConstraint("kind in ('paid', 'promotional')", name="kind"),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("remaining >= 0", name="remaining"),
    CheckConstraint("state in ('pending', 'active', 'spent', 'expired')", name="state"),
    Index(
        "ix_credit_grants_burn_order",
        "wallet_id",
        "priority",
        "expires_at",
        literal_column("(kind = 'paid')"),
        "created_at",
        "grant_id",
        postgresql_where="state in ('pending', 'active')",
    ),
    Index("ix_credit_grants_wallet_id", "wallet_id", "grant_id"),
)

credit_entries = Table(
    "credit_entries",
    metadata,
    Column("wallet_id", Uuid, nullable=False),
    Column("transaction_no", BigInteger, nullable=False),
    # > 1 where a debit burns several grants.
    Column("leg_no", SmallInteger, nullable=False),
    # The same as its events': a segment is proved by itself.
    Column("segment_no", Integer, nullable=False),
    Column("provider_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_account", Text, nullable=False),
    Column("to_account", Text, nullable=False),
    # Null: overdraft.
    Column("grant_id", Uuid, nullable=True),
    Column("amount", Numeric, nullable=False),
    Column("from_after", Numeric, nullable=False),
    Column("to_after", Numeric, nullable=False),
    # An expiry is effective at its instant, however late it is posted.
    instant("effective_at"),
    instant("recorded_at"),
    postgresql_partition_by="LIST (segment_no)",
)

credit_rates = Table(
    "credit_rates",
    metadata,
    Column("provider_id", Uuid, primary_key=True),
    Column("reason", Text, primary_key=True),
    # Properties that an event must have.
    Column("match", JSONB, primary_key=True, server_default="{}"),
    Column("unit", Text, nullable=False, server_default="credits"),
    Column("rate", Numeric, nullable=False),
    # On the row without match: there are others that have one.
    Column("varies", Boolean, nullable=False, server_default="false"),
    CheckConstraint("rate >= 0", name="rate"),
)

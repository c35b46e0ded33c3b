"""The seam for plans: `subscriptions` writes down what the hot path must obey."""

from sqlalchemy import Boolean, Column, Numeric, Table, Text, Uuid

from tollkeeper.infra.tables import metadata

plan_allowances = Table(
    "plan_allowances",
    metadata,
    Column("customer_id", Uuid, primary_key=True),
    Column("reason", Text, primary_key=True),
    Column("provider_id", Uuid, nullable=False),
    Column("included", Numeric, nullable=False),
    Column("used", Numeric, nullable=False, server_default="0"),
    Column("hard_limit", Boolean, nullable=False, server_default="false"),
)

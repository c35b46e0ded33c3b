"""The table of customers."""

from sqlalchemy import Column, Computed, ForeignKey, Index, Table, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

from tollkeeper.infra.tables import instant, metadata

EXTERNAL_ID_KEY = "uq_customers_provider_id_external_id"

customers = Table(
    "customers",
    metadata,
    Column("provider_id", Uuid, ForeignKey("providers.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("external_id", Text, nullable=True),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("currency", Text, nullable=True),
    Column("timezone", Text, nullable=False),
    Column("country", Text, nullable=True),
    Column("address", JSONB(none_as_null=True), nullable=True),
    Column("tax_id", Text, nullable=True),
    Column("metadata", JSONB, nullable=False),
    instant("created_at"),
    instant("updated_at"),
    # Words of name, e-mail and external id: `ada@example.com` is found by "ada" and by "example".
    Column(
        "search",
        TSVECTOR,
        Computed(
            "to_tsvector('simple'::regconfig, regexp_replace(name || ' ' || email || ' ' || "
            "coalesce(external_id, ''), '[^[:alnum:]]+', ' ', 'g'))",
            persisted=True,
        ),
    ),
    UniqueConstraint("provider_id", "external_id", name=EXTERNAL_ID_KEY),
    Index("ix_customers_search", "search", postgresql_using="gin"),
    Index("ix_customers_email", "provider_id", "email"),
)

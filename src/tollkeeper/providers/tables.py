"""Tables of providers, access tokens and the audit trail."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    RowMapping,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from tollkeeper.infra.tables import instant, metadata
from tollkeeper.kernel.ids import AccessTokenId
from tollkeeper.kernel.scope import Permission
from tollkeeper.providers.model import AccessToken

providers = Table(
    "providers",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("slug", Text, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    instant("created_at"),
)

provider_domains = Table(
    "provider_domains",
    metadata,
    Column("domain", Text, primary_key=True),
    Column("provider_id", Uuid, ForeignKey("providers.id"), nullable=False, index=True),
    instant("created_at"),
)

access_tokens = Table(
    "access_tokens",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("provider_id", Uuid, ForeignKey("providers.id"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("permission", Text, nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    instant("created_at"),
    instant("expires_at", nullable=True),
    instant("revoked_at", nullable=True),
    instant("last_used_at", nullable=True),
)

audit_entries = Table(
    "audit_entries",
    metadata,
    Column("provider_id", Uuid, ForeignKey("providers.id"), primary_key=True),
    Column("id", Uuid, primary_key=True),
    instant("occurred_at"),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject_type", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("request_id", Text, nullable=True),
    Column("changes", JSONB, nullable=False),
    Index("ix_audit_entries_subject", "provider_id", "subject_type", "subject_id", "id"),
)


def access_token_of(row: RowMapping) -> AccessToken:
    """The value that a row of `access_tokens` stands for."""
    return AccessToken(
        AccessTokenId(row["id"]),
        row["name"],
        Permission(row["permission"]),
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
        row["last_used_at"],
    )

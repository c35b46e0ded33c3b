"""Providers, their access tokens and their audit trail, as values."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tollkeeper.kernel.errors import InvalidValue
from tollkeeper.kernel.ids import AccessTokenId, AuditEntryId, ProviderId
from tollkeeper.kernel.scope import Permission

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(rf"(?:{_SLUG.pattern}\.)+[a-z][a-z0-9-]*[a-z0-9]")
_SECRET_BYTES = 30  # 240 bits: 40 characters of URL-safe base64


@dataclass(frozen=True, slots=True)
class Provider:
    """A company that sells an API. `slug` is its sub-domain; `domains` are names of its own."""

    id: ProviderId
    slug: str
    name: str
    created_at: datetime
    domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a provider's back end presents: `<id>|<secret>`, of which only a hash is kept."""

    id: AccessTokenId
    name: str
    permission: Permission
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    @property
    def status(self) -> str:
        return "revoked" if self.revoked_at else "active"

    def status_at(self, now: datetime) -> str:
        """`active`, `revoked` or `expired`."""
        if self.revoked_at is None and self.expires_at is not None and self.expires_at <= now:
            return "expired"
        return self.status


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to which thing, and when. Entries are never changed."""

    id: AuditEntryId
    occurred_at: datetime
    actor_kind: str
    actor_id: str
    action: str
    subject_type: str
    subject_id: str
    request_id: str | None
    changes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Credential:
    """The two halves of a presented token."""

    token_id: AccessTokenId
    secret: str


def parse_slug(text: str) -> str:
    """A provider's name in addresses: a DNS label (RFC 1123). Raises InvalidValue."""
    if not _SLUG.fullmatch(text):
        raise InvalidValue(
            "the slug must be 1 to 63 of a-z, 0-9 and '-', neither starting nor ending with '-'"
        )
    return text


def parse_domain(text: str) -> str:
    """A host name of two labels or more, in lower case. Raises InvalidValue."""
    domain = text.lower().rstrip(".")
    if len(domain) > 253 or not _DOMAIN.fullmatch(domain):
        raise InvalidValue(
            "the domain must be a host name such as 'billing.example.com', without a port"
        )
    return domain


def new_secret() -> str:
    return secrets.token_urlsafe(_SECRET_BYTES)


def hash_secret(secret: str) -> bytes:
    """SHA-256: enough for 240 random bits, and quick enough for every request."""
    return hashlib.sha256(secret.encode()).digest()


def secret_matches(secret: str, expected_hash: bytes) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_secret(secret), expected_hash)


def parse_credential(token: str) -> Credential | None:
    """Split `<id>|<secret>`; None for anything of another form."""
    number, separator, secret = token.partition("|")
    if not separator or not secret or len(secret) > 128 or not secret.isascii():
        return None
    if not (number.isascii() and number.isdigit() and len(number) <= 18):
        return None
    return Credential(AccessTokenId(int(number)), secret)

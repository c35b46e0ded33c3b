"""Who acts, for which provider, and what they may do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from tollkeeper.kernel.ids import ProviderId


@dataclass(frozen=True, slots=True)
class Scope:
    """The provider in whose name a call is made: the first argument of every store function."""

    provider_id: ProviderId


class Permission(StrEnum):
    """What an access token may do; each includes the ones before it."""

    READ = "api:read"
    WRITE = "api:write"
    ADMIN = "api:admin"

    def allows(self, needed: "Permission") -> bool:
        """Whether this permission covers what is needed."""
        ascending = tuple(Permission)
        return ascending.index(self) >= ascending.index(needed)


@dataclass(frozen=True)
class Actor:
    """Who did something, for the audit trail; `id` is the id of that kind, written as text."""

    kind: Literal["access_token", "operator", "system", "customer"]
    id: str

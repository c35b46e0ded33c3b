"""Ids: UUIDs of version 7 (RFC 9562), each noun with a type of its own.

Their order follows the clock of the machine that made them, so they keep indexes compact and make
good cursors; they say nothing exact about when something happened.
"""

import re
from typing import NewType
from uuid import UUID

from uuid_utils.compat import uuid7

from tollkeeper.kernel.errors import InvalidValue

ProviderId = NewType("ProviderId", UUID)
CustomerId = NewType("CustomerId", UUID)
AuditEntryId = NewType("AuditEntryId", UUID)
FactId = NewType("FactId", UUID)
# An access token is written `<id>|<secret>`, so its id is a short number.
AccessTokenId = NewType("AccessTokenId", int)

_CANONICAL = re.compile(r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")


def new_uuid7() -> UUID:
    """A fresh id: greater than every id that this process made before."""
    return uuid7()


def parse_uuid(text: str) -> UUID:
    """Read the 8-4-4-4-12 form of a UUID of any version, in either case; else InvalidValue.

    The other spellings that Python takes (braces, "urn:uuid:", no hyphens) are refused, so that
    one id has one spelling in links, logs and signatures.
    """
    if _CANONICAL.fullmatch(text) is None:
        raise InvalidValue("must be a UUID such as '019b7d6c-8a00-7c3e-9b1f-2d4a5e6f7081'")
    return UUID(text)

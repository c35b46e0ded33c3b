"""Idempotency keys: the first answer again, however often and however concurrently one asks.

The answer is stored by the transaction that did the work, so it is there exactly when the work is.
"Still running" is a transaction-scoped advisory lock: it ends with its transaction, so a crash
leaves nothing to clean up.

An answer may hold a secret that is shown once (a new key). So the answer is encrypted with a key
derived from the Idempotency-Key, of which the database has only a hash: whoever reads the table
reads neither.
"""

import hashlib
import os
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.infra.errors import IDEMPOTENCY_IN_FLIGHT, IDEMPOTENCY_KEY_REUSED
from tollkeeper.infra.tables import idempotency_keys
from tollkeeper.infra.unit_of_work import UnitOfWork

# 64 bits of hash: two keys that share them would at worst be told "in flight" once.
_CLAIM = text(
    "select pg_try_advisory_xact_lock(hashtextextended(encode(:key_hash, 'hex'), 4702111))"
)
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: an HTTP status and the body's bytes."""

    status: int
    body: bytes


async def claim(work: UnitOfWork, key: str, fingerprint: bytes) -> Answer | None:
    """Claim the key for this transaction, or find the answer that it already has.

    Raises idempotency.in_flight while another transaction holds it, and idempotency.key_reused
    when it belongs to a request with another fingerprint.
    """
    key_hash = _digest(b"name", work, key)
    if not await work.db.scalar(_CLAIM, {"key_hash": key_hash}):
        raise IDEMPOTENCY_IN_FLIGHT.error(
            "a request with this Idempotency-Key is still running", retry_after_seconds=1
        )
    table = idempotency_keys.c
    found = await work.db.execute(
        select(table.fingerprint, table.status, table.answer).where(
            table.provider_id == work.scope.provider_id, table.key_hash == key_hash
        )
    )
    known = found.one_or_none()
    if known is None:
        return None
    if known.fingerprint != fingerprint:
        raise IDEMPOTENCY_KEY_REUSED.error(
            "this Idempotency-Key was used for a request with another method, path or body"
        )
    nonce, sealed = known.answer[:_NONCE_BYTES], known.answer[_NONCE_BYTES:]
    return Answer(known.status, _cipher(work, key).decrypt(nonce, sealed, key_hash))


async def remember(work: UnitOfWork, key: str, fingerprint: bytes, answer: Answer) -> None:
    """Store the answer under the claimed key, in the transaction that it reports on."""
    key_hash = _digest(b"name", work, key)
    nonce = os.urandom(_NONCE_BYTES)
    await work.db.execute(
        idempotency_keys.insert().values(
            provider_id=work.scope.provider_id,
            key_hash=key_hash,
            fingerprint=fingerprint,
            status=answer.status,
            answer=nonce + _cipher(work, key).encrypt(nonce, answer.body, key_hash),
            created_at=work.now,
        )
    )


async def purge(operator: AsyncConnection, *, before: datetime) -> int:
    """Forget the answers given before this instant, for all providers; answers how many."""
    result = await operator.execute(
        delete(idempotency_keys).where(idempotency_keys.c.created_at < before)
    )
    return result.rowcount


def _cipher(work: UnitOfWork, key: str) -> AESGCM:
    return AESGCM(_digest(b"seal", work, key))


def _digest(purpose: bytes, work: UnitOfWork, key: str) -> bytes:
    return hashlib.sha256(purpose + work.scope.provider_id.bytes + key.encode()).digest()

"""One call of the SQL function `settle`: a batch in, an answer per item out, committed."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
import psycopg

from tollkeeper.gate.errors import UNSTORABLE
from tollkeeper.gate.model import Outcome, Settled, Usage
from tollkeeper.infra.errors import coded_cause
from tollkeeper.kernel.errors import CodedError

_SETTLE = (
    "select outcomes, customers, costs, balances, allowances, warnings from settle(%s, %s, %s)"
)
# Two transactions met on one request id, or in an order that PostgreSQL could not untangle: the
# whole batch was rolled back and simply goes again.
_MET = (
    psycopg.errors.UniqueViolation,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
_TRIES = 8
_ENCODE = msgspec.json.Encoder(decimal_format="number").encode

Answer = Settled | CodedError


async def settle(
    connection: psycopg.AsyncConnection, batch: Sequence[Usage], at: datetime, *, refuse: bool
) -> list[Answer]:
    """Settle the batch in one transaction; answers in the order of the items, after the commit.

    refuse: whether what does not fit is refused; otherwise it has happened, and is recorded even
    below zero. An item that the database cannot store is answered by the error, and alone. Raises
    psycopg.Error when nothing was settled.
    """
    try:
        return await _settle(connection, batch, at, refuse)
    except psycopg.DataError as error:
        # Something that validation let through: it is found by halves, and fails alone.
        if len(batch) > 1:
            middle = len(batch) // 2
            first = await settle(connection, batch[:middle], at, refuse=refuse)
            return first + await settle(connection, batch[middle:], at, refuse=refuse)
        return [
            UNSTORABLE.error("properties hold a value that cannot be stored", private=str(error))
        ]


async def _settle(
    connection: psycopg.AsyncConnection,
    batch: Sequence[Usage],
    at: datetime,
    refuse: bool,
) -> list[Answer]:
    payload = _ENCODE(batch).decode()
    for remaining in reversed(range(_TRIES)):
        try:
            cursor = await connection.execute(_SETTLE, (payload, at, refuse))
            break
        except _MET:
            if not remaining:
                raise
    [row] = await cursor.fetchall()
    answers: list[Answer] = [
        Settled(Outcome(outcome), str(customer) if customer else None, *figures)
        for outcome, customer, *figures in zip(*row, strict=True)
    ]
    once_more = {
        n: usage
        for n, answer in enumerate(answers)
        if isinstance(answer, Settled) and (usage := _to_repeat(batch[n], answer))
    }
    if once_more:
        second = await _settle(connection, list(once_more.values()), at, refuse)
        for n, answer in zip(once_more, second, strict=True):
            answers[n] = answer
    return answers


def _to_repeat(usage: Usage, answer: Settled) -> Usage | None:
    if answer.outcome is Outcome.AGAIN:
        return usage
    if answer.outcome is Outcome.NOT_FOUND and usage.c is not None:
        # No id of ours: an external id may look like one.
        return msgspec.structs.replace(usage, c=None, e=usage.c)
    return None


def passing(error: Exception) -> Exception:
    """What a caller is told when nothing was settled."""
    return coded_cause(error) or error

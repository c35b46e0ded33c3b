"""The recorder: usage that has happened already, in large batches."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import psycopg

from tollkeeper.gate.model import Usage
from tollkeeper.gate.settle import Answer, passing, settle
from tollkeeper.infra.database import connect_directly

# Larger ones hold their customers' locks for longer and gain little.
LARGEST_BATCH = 1_000


class Recorder:
    """Records usage, even below zero. One per process."""

    def __init__(
        self, conninfo: str, *, clock: Callable[[], datetime], connections: int = 2
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._free: asyncio.LifoQueue[psycopg.AsyncConnection | None] = asyncio.LifoQueue()
        for _ in range(connections):
            self._free.put_nowait(None)

    async def record(self, usages: Sequence[Usage]) -> list[Answer]:
        """Record them, a transaction per LARGEST_BATCH; answers in their order.

        Raises a CodedError when the database is away: batches before it may be recorded then, and
        sending all of it again counts nothing twice.
        """
        connection = await self._free.get()
        try:
            if connection is None or connection.closed:
                connection = await connect_directly(self._conninfo)
            answers: list[Answer] = []
            for start in range(0, len(usages), LARGEST_BATCH):
                batch = usages[start : start + LARGEST_BATCH]
                answers += await settle(connection, batch, self._clock(), refuse=False)
        except psycopg.Error as error:
            raise passing(error) from error
        else:
            return answers
        finally:
            self._free.put_nowait(connection)

    async def close(self) -> None:
        """Close the connections that are not at work."""
        while not self._free.empty():
            connection = self._free.get_nowait()
            if connection is not None:
                await connection.close()

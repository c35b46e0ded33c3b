"""The lane: group commit without a timer.

While a batch is at the database, arrivals wait; when it returns, all of them go as the next batch.
So a lone request pays no delay, and batches grow by themselves with the load. One batch is one
transaction, acknowledged when it has committed.

A lane has several connections, and a customer always the same one, so that a process never waits
for its own locks. Between processes the locks keep the order.
"""

import asyncio
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime

import psycopg

from tollkeeper.gate.errors import OVERLOADED
from tollkeeper.gate.model import Settled, Usage
from tollkeeper.gate.settle import passing, settle
from tollkeeper.infra.database import connect_directly

Waiting = tuple[Usage, asyncio.Future[Settled]]


class Lane:
    """Settles uses that ask, in the order of their arrival per customer. One per process."""

    def __init__(
        self,
        conninfo: str,
        *,
        clock: Callable[[], datetime],
        connections: int = 1,
        largest_batch: int = 500,
        longest_queue: int = 20_000,
    ) -> None:
        self._conninfo = conninfo
        self._clock = clock
        self._largest_batch = largest_batch
        self._longest_queue = longest_queue
        self._queues: list[deque[Waiting]] = [deque() for _ in range(connections)]
        self._arrived = [asyncio.Event() for _ in range(connections)]
        self._draining = False
        self._workers: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to work; call it in the event loop that submits."""
        self._workers = [asyncio.create_task(self._work(n)) for n in range(len(self._queues))]

    async def drain(self) -> None:
        """Accept no more, settle what was accepted, close the connections."""
        self._draining = True
        for arrived in self._arrived:
            arrived.set()
        await asyncio.gather(*self._workers)

    def submit(self, usage: Usage) -> asyncio.Future[Settled]:
        """Put it in line. The future fails with a CodedError when it could not be settled.

        Raises gate.overloaded when the queue is full, before memory grows.
        """
        shard = zlib.crc32((usage.c or usage.e or "").encode()) % len(self._queues)
        queue = self._queues[shard]
        if self._draining or len(queue) >= self._longest_queue:
            raise OVERLOADED.error("too many requests are waiting", retry_after_seconds=1)
        settled: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
        queue.append((usage, settled))
        self._arrived[shard].set()
        return settled

    async def _work(self, shard: int) -> None:
        queue, arrived = self._queues[shard], self._arrived[shard]
        connection: psycopg.AsyncConnection | None = None
        while queue or not self._draining:
            await arrived.wait()
            batch = [queue.popleft() for _ in range(min(len(queue), self._largest_batch))]
            if not queue and not self._draining:
                arrived.clear()
            if not batch:
                continue
            answers: Sequence[Settled | Exception]
            try:
                if connection is None or connection.closed:
                    connection = await connect_directly(self._conninfo)
                usages = [usage for usage, _ in batch]
                answers = await settle(connection, usages, self._clock(), refuse=True)
            except Exception as error:  # noqa: BLE001 - the lane outlives whatever befalls a batch
                # Nothing of it was acknowledged; each caller may send it again.
                answers = [passing(error)] * len(batch)
            for (_, settled), answer in zip(batch, answers, strict=True):
                if settled.done():  # its caller has hung up
                    continue
                if isinstance(answer, Settled):
                    settled.set_result(answer)
                else:
                    settled.set_exception(answer)
        if connection is not None:
            await connection.close()

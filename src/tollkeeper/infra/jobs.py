"""Jobs: enqueued in the transaction that needs them, and gone if it rolls back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from procrastinate import App, Blueprint, PsycopgConnector
from procrastinate.jobs import Job
from sqlalchemy.ext.asyncio import AsyncConnection

# A worker shows a sign of life this often; after STALLED_SECONDS without one its jobs are retried.
HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 30.0


class JobQueue:
    """The queue in PostgreSQL. Opening it (`async with queue.app.open_async()`) is the worker's."""

    def __init__(self, conninfo: str, blueprints: Sequence[tuple[str, Blueprint]] = ()) -> None:
        self.app = App(connector=PsycopgConnector(conninfo=conninfo, min_size=1, max_size=8))
        for namespace, blueprint in blueprints:
            self.app.add_tasks_from(blueprint, namespace=namespace)

    async def defer(
        self,
        db: AsyncConnection,
        name: str,
        *,
        at: datetime | None = None,
        once: str | None = None,
        **arguments: Any,
    ) -> None:
        """Enqueue the job in the transaction of `db`.

        name: `<domain>:<operation>`. at: not before this instant. once: while a job with this key
        waits, another one is not added.
        """
        raw = await db.get_raw_connection()
        task = self.app.configure_task(
            name, schedule_at=at, queueing_lock=once, connection=raw.driver_connection
        )
        await task.defer_async(**arguments)

    async def retry_stalled(self) -> Sequence[Job]:
        """Put the jobs of workers that died back in the queue; answers which."""
        stalled = list(
            await self.app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_SECONDS)
        )
        for job in stalled:
            await self.app.job_manager.retry_job(job)
        return stalled

    async def work(
        self, context: dict[str, Any], *, shutdown_seconds: float, concurrency: int = 4
    ) -> None:
        """Run jobs until SIGTERM or SIGINT; those in flight get `shutdown_seconds` to finish.

        context: what jobs find in their `JobContext.additional_context`.
        """
        async with self.app.open_async():
            await self.app.run_worker_async(
                additional_context=context,
                concurrency=concurrency,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=shutdown_seconds,
                delete_jobs="successful",
            )

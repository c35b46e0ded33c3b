"""Jobs: enqueued in the transaction that needs them, and gone if it rolls back.

A job that fails is run again, with growing pauses; one that was cut off by a shutdown or by its
worker's death, at once. Whoever writes a job may therefore rely on its being tried, and must bear
its being repeated.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Any

import structlog
from procrastinate import App, BaseRetryStrategy, Blueprint, JobContext, PsycopgConnector
from procrastinate.exceptions import AlreadyEnqueued, UniqueViolation
from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager
from procrastinate.retry import RetryDecision
from procrastinate.worker import Worker
from sqlalchemy.ext.asyncio import AsyncConnection

from tollkeeper.infra.telemetry import Metrics

log = structlog.get_logger(__name__)

# A worker shows a sign of life this often; after STALLED_SECONDS without one its jobs are retried.
HEARTBEAT_SECONDS = 5.0
STALLED_SECONDS = 30.0
# With pauses that double up to an hour: about half a day, then somebody has to look at it.
MAX_ATTEMPTS = 24
_LONGEST_PAUSE_SECONDS = 3600


class _Retry(BaseRetryStrategy):
    """What becomes of a job whose run ended with an exception."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        # Procrastinate cancels what outlives the shutdown; nobody else cancels jobs of ours.
        if isinstance(exception, asyncio.CancelledError):
            return RetryDecision(retry_in={"seconds": 0})
        if job.attempts + 1 >= MAX_ATTEMPTS:
            return None
        pause = min(2 ** (job.attempts + 1), _LONGEST_PAUSE_SECONDS)
        return RetryDecision(retry_in={"seconds": pause})


class _Manager(JobManager):
    """Procrastinate's, for jobs of which only one may wait."""

    async def retry_job(self, job: Job, *args: Any, **options: Any) -> None:
        try:
            await super().retry_job(job, *args, **options)
        except UniqueViolation:
            # One with the same `once` was enqueued while this one ran: it does the work.
            log.info("job gives way to its successor", job=job.task_name, job_id=job.id)
            await self.finish_job(job, status=Status.FAILED, delete_job=True)


class JobQueue:
    """The queue in PostgreSQL."""

    def __init__(self, conninfo: str, blueprints: Sequence[tuple[str, Blueprint]] = ()) -> None:
        self.app = App(connector=PsycopgConnector(conninfo=conninfo, min_size=1, max_size=8))
        self.app.job_manager = _Manager(self.app.connector)
        for namespace, blueprint in blueprints:
            self.app.add_tasks_from(blueprint, namespace=namespace)
        for task in self.app.tasks.values():
            task.retry_strategy = task.retry_strategy or _Retry()

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
        async with AsyncExitStack() as tolerant:
            if once is not None:
                # The refusal must not take the caller's transaction with it.
                tolerant.enter_context(suppress(AlreadyEnqueued))
                await tolerant.enter_async_context(db.begin_nested())
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
        self,
        context: dict[str, Any],
        *,
        metrics: Metrics,
        shutdown_seconds: float,
        concurrency: int = 4,
    ) -> None:
        """Run jobs until cancelled; those in flight get `shutdown_seconds` to finish.

        Also ends, with or without an error of the driver's, when the database was lost. context:
        what jobs find in their `JobContext.additional_context`.
        """
        async with self.app.open_async():
            await self.app.run_worker_async(
                additional_context=context,
                concurrency=concurrency,
                install_signal_handlers=False,
                update_heartbeat_interval=HEARTBEAT_SECONDS,
                stalled_worker_timeout=STALLED_SECONDS,
                shutdown_graceful_timeout=shutdown_seconds,
                delete_jobs="successful",
                worker_middleware=[_counting(metrics)],
            )


def _counting(metrics: Metrics) -> Callable[..., Awaitable[Any]]:
    async def count(run: Callable[[], Awaitable[Any]], context: JobContext, _: Worker) -> Any:
        outcome = "done"
        try:
            return await run()
        except BaseException as error:
            again = _Retry().get_retry_decision(exception=error, job=context.job)
            outcome = "failed" if again is None else "retried"
            raise
        finally:
            metrics.jobs.labels(context.job.task_name, outcome).inc()

    return count

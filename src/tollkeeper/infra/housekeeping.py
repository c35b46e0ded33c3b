"""Jobs of the machine room itself, by the clock."""

from datetime import timedelta

import structlog
from procrastinate import Blueprint, JobContext

from tollkeeper.infra import idempotency
from tollkeeper.infra.runtime import Runtime

log = structlog.get_logger(__name__)
blueprint = Blueprint()


@blueprint.periodic(cron="* * * * *")
@blueprint.task(name="retry_stalled_jobs", queueing_lock="retry_stalled_jobs", pass_context=True)
async def retry_stalled_jobs(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Give the jobs of a worker that died to another one, every minute."""
    runtime: Runtime = context.additional_context["runtime"]
    for job in await runtime.jobs.retry_stalled():
        log.warning("job of a dead worker is run again", job=job.task_name, job_id=job.id)


@blueprint.periodic(cron="7 * * * *")
@blueprint.task(
    name="purge_idempotency_keys", queueing_lock="purge_idempotency_keys", pass_context=True
)
async def purge_idempotency_keys(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Forget answers that are older than the setting says, every hour."""
    runtime: Runtime = context.additional_context["runtime"]
    kept = timedelta(hours=runtime.settings.idempotency_retention_hours)
    async with runtime.operator.transaction() as db:
        purged = await idempotency.purge(db, before=runtime.clock.now() - kept)
    log.info("idempotency keys purged", count=purged)

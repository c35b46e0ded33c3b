"""Keeping the event log in segments that stay small, and its ids in few places."""

import structlog
from procrastinate import Blueprint, JobContext

from tollkeeper.infra.runtime import Runtime
from tollkeeper.metering import registry

log = structlog.get_logger(__name__)
blueprint = Blueprint()

# Each run of ids is one more index to ask; merging rewrites them, so not at every chance.
_MOST_RUNS = 4


@blueprint.periodic(cron="* * * * *")
@blueprint.task(name="tend_segments", queueing_lock="tend_segments", pass_context=True)
async def tend_segments(context: JobContext, timestamp: int) -> None:  # noqa: ARG001
    """Switch to a new segment when the current one is large; seal and merge what is closed."""
    runtime: Runtime = context.additional_context["runtime"]
    await tend(runtime, runtime.settings.usage_segment_megabytes)


async def tend(runtime: Runtime, largest_megabytes: int) -> None:
    """One round of it. Each step is a transaction of its own; a broken round is just repeated."""
    async with runtime.operator.transaction() as db:
        size = await registry.current_segment_megabytes(db)
    if size >= largest_megabytes:
        async with runtime.operator.transaction() as db:
            current = await registry.switch_segment(db, runtime.clock.now())
        log.info("usage segment switched", segment=current, megabytes=size)
    async with runtime.operator.transaction() as db:
        await registry.ensure_next_segment(db)
        closed = await registry.closed_segments(db)
    for segment in closed:
        async with runtime.operator.transaction() as db:
            await registry.seal_segment(db, segment)
        log.info("usage segment sealed", segment=segment)
    async with runtime.operator.transaction() as db:
        runs = await registry.runs(db)
        if len(runs) > _MOST_RUNS:
            await registry.merge_runs(db, runs)
            log.info("usage ids merged", runs=runs)

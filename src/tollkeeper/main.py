"""The composition root: settings in; routes, jobs and adapters wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from tollkeeper.cli.app import run_cli
from tollkeeper.cli.program import Program
from tollkeeper.credits import invariants as credit_laws
from tollkeeper.customers import invariants as customers
from tollkeeper.infra import housekeeping
from tollkeeper.infra import invariants as infra
from tollkeeper.infra.jobs import JobQueue
from tollkeeper.infra.lifeline import bound_to
from tollkeeper.infra.reach import reach_database
from tollkeeper.infra.runtime import Runtime, open_runtime
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import configure_logging
from tollkeeper.kernel.clock import SystemClock
from tollkeeper.metering import invariants as metering_laws
from tollkeeper.metering import jobs as metering
from tollkeeper.providers import invariants as providers

if TYPE_CHECKING:
    from fastapi import FastAPI

INVARIANTS = (
    *infra.INVARIANTS,
    *providers.INVARIANTS,
    *customers.INVARIANTS,
    *metering_laws.INVARIANTS,
    *credit_laws.INVARIANTS,
)


def job_queue(conninfo: str) -> JobQueue:
    """The queue, with every job of the program."""
    return JobQueue(
        conninfo, [("housekeeping", housekeeping.blueprint), ("metering", metering.blueprint)]
    )


@asynccontextmanager
async def open_program(settings: Settings) -> AsyncIterator[Runtime]:
    """Reach the database and open everything that requests, jobs and commands need."""
    with reach_database(settings) as urls:
        jobs = job_queue(urls.application)
        async with open_runtime(settings, urls, clock=SystemClock(), jobs=jobs) as runtime:
            yield runtime


@asynccontextmanager
async def open_server(settings: Settings, parent: int) -> AsyncIterator[Runtime]:
    """The same in a server process, which ends with the process that started it."""
    async with bound_to(parent), open_program(settings) as runtime:
        yield runtime


def load_app(settings: Settings, parent: int) -> "FastAPI":
    """The ASGI application of one server process."""
    # Here and not above: commands and the job worker start without the web framework.
    from tollkeeper.api.app import create_app  # noqa: PLC0415

    configure_logging(settings)
    return create_app(partial(open_server, settings, parent))


def run() -> None:
    """The `tollkeeper` command."""
    run_cli(Program(load_app=load_app, open_runtime=open_program, invariants=INVARIANTS))


if __name__ == "__main__":
    run()

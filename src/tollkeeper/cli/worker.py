"""`tollkeeper worker`: does the jobs."""

import os
from contextlib import nullcontext

import structlog
import typer

from tollkeeper.cli.program import DataDir, Program, run_async, settings_with
from tollkeeper.infra.lifeline import bound_to
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import configure_logging

log = structlog.get_logger(__name__)

# Set for the worker that `serve` starts, to the server's process id: it ends when the server does.
PARENT = "TOLLKEEPER_WORKER_PARENT"


def add_to(cli: typer.Typer, program: Program) -> None:
    @cli.command("worker")
    def command(data_dir: DataDir = None) -> None:
        """Do background jobs until SIGTERM. `serve` starts one; start more where one is late."""
        settings = settings_with(data_dir=data_dir)
        configure_logging(settings)
        run_async(_work(program, settings, parent=os.environ.get(PARENT)))


async def _work(program: Program, settings: Settings, *, parent: str | None) -> None:
    async with program.open_runtime(settings) as runtime:
        log.info("job worker started")
        jobs = runtime.jobs.work({"runtime": runtime}, shutdown_seconds=settings.shutdown_seconds)
        async with bound_to(int(parent)) if parent else nullcontext():
            await jobs
        log.info("job worker stopped")

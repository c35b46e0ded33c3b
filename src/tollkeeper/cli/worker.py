"""`tollkeeper worker`: does the jobs."""

import asyncio
import os
import signal
from contextlib import nullcontext, suppress

import structlog
import typer

from tollkeeper.cli.program import DataDir, Program, run_async, settings_with
from tollkeeper.infra.lifeline import bound_to
from tollkeeper.infra.migrate import require_migrated
from tollkeeper.infra.runtime import Runtime
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import configure_logging

log = structlog.get_logger(__name__)

# Set for the worker that `serve` starts, to the server's process id: it ends when the server does.
PARENT = "TOLLKEEPER_WORKER_PARENT"
_PAUSE_SECONDS = 1.0


def add_to(cli: typer.Typer, program: Program) -> None:
    @cli.command("worker")
    def command(data_dir: DataDir = None) -> None:
        """Do background jobs until SIGTERM. `serve` starts one; start more where one is late."""
        settings = settings_with(data_dir=data_dir)
        configure_logging(settings)
        run_async(_run(program, settings, parent=os.environ.get(PARENT)))


async def _run(program: Program, settings: Settings, *, parent: str | None) -> None:
    async with program.open_runtime(settings) as runtime:
        await require_migrated(runtime.operator)
        asked_to_stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # As under nohup: who started us wants us to outlive the terminal.
            if signal.getsignal(number) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
        log.info("job worker started")
        async with bound_to(int(parent)) if parent else nullcontext():
            await _work_until(asked_to_stop, runtime)
        log.info("job worker stopped")


async def _work_until(asked_to_stop: asyncio.Event, runtime: Runtime) -> None:
    """Do jobs until asked to stop; where the database goes away, begin again when it is back."""
    stop = asyncio.create_task(asked_to_stop.wait())
    while not stop.done():
        work = asyncio.create_task(
            runtime.jobs.work(
                {"runtime": runtime},
                metrics=runtime.metrics,
                shutdown_seconds=runtime.settings.shutdown_seconds,
            )
        )
        await asyncio.wait({work, stop}, return_when=asyncio.FIRST_COMPLETED)
        work.cancel()
        # Wherever it was: cut off with its database, or told to finish.
        (error,) = await asyncio.gather(work, return_exceptions=True)
        if not stop.done():
            log.error("job worker was cut off and begins again", cause=str(error or "lost a task"))
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(stop), _PAUSE_SECONDS)

"""`tollkeeper serve`: the server, its worker, and a first page to read."""

import os
import secrets
import shlex
import shutil
import signal
import socket
import tempfile
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import structlog
import typer
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.mp import MPServer

from tollkeeper import __version__
from tollkeeper.cli.job_worker import JobWorker
from tollkeeper.cli.program import DataDir, Program, Refusal, out, run_async, settings_with
from tollkeeper.infra.migrate import migrate
from tollkeeper.infra.reach import reach_database
from tollkeeper.infra.settings import Settings
from tollkeeper.infra.telemetry import METRICS_DIRECTORY, configure_logging
from tollkeeper.providers.bootstrap import bootstrap

log = structlog.get_logger(__name__)

TOKEN_FILE = "admin-token"  # noqa: S105 - the name of a file, not a secret


def add_to(cli: typer.Typer, program: Program) -> None:
    @cli.command("serve")
    def command(
        data_dir: DataDir = None,
        host: str | None = typer.Option(None, help="Address to listen on [127.0.0.1]."),
        port: int | None = typer.Option(None, help="Port to listen on [8080]."),
        workers: int | None = typer.Option(None, help="Server processes [1]."),
        jobs: bool = typer.Option(
            True, help="Also run a job worker (elsewhere: `tollkeeper worker`)."
        ),
    ) -> None:
        """Migrate, then answer requests until Ctrl-C or SIGTERM; those in flight are finished."""
        settings = settings_with(data_dir=data_dir, host=host, port=port, workers=workers)
        configure_logging(settings)
        address = _free_address(settings)
        with reach_database(settings) as urls:
            migrate(urls.operator)
            first = run_async(_first_start(program, settings))
            _greet(settings, first)
            _serve(program, settings, address, with_jobs=jobs)


class _HttpServer(MPServer):
    """Granian's, as part of a program that has more to stop than server processes."""

    def __init__(self, job_worker: JobWorker, **options: Any) -> None:
        super().__init__("tollkeeper", **options)
        self._job_worker = job_worker
        self._outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN

    def signal_handler_reload(self, *_: object) -> None:
        # A terminal that was closed. Under nohup, somebody wants us to outlive it.
        if not self._outlives_terminal:
            self.signal_handler_interrupt()  # type: ignore[no-untyped-call]

    def shutdown(self, exit_code: int = 0) -> None:
        # Both finish what they are at in the same time, not one after the other.
        self._job_worker.ask_to_stop()
        if self.interrupt_children and not self.interrupt_signal:
            log.error("a server process ended twice within seconds, so the server ends")
        super().shutdown(exit_code)  # type: ignore[no-untyped-call]


def _serve(program: Program, settings: Settings, address: str, *, with_jobs: bool) -> None:
    """Run server processes and the job worker until a signal says stop."""
    os.environ[METRICS_DIRECTORY] = tempfile.mkdtemp(prefix="tollkeeper-metrics-")
    worker = JobWorker(settings)
    server = _HttpServer(
        worker,
        address=address,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        websockets=False,
        http1_settings=HTTP1Settings(keep_alive=True),
        backlog=2048,
        # What it warns of goes through our pipeline: no handlers of its own, the root logger's.
        log_level=LogLevels.warning,
        log_dictconfig={"loggers": {"_granian": {"handlers": [], "propagate": True}}},
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=settings.shutdown_seconds,
    )
    if with_jobs:
        server.on_startup(worker.start)
    os.register_at_fork(after_in_child=_heed_sigterm)
    try:
        load_app = partial(program.load_app, settings, os.getpid())
        server.serve(target_loader=load_app, wrap_loader=False)
    finally:
        worker.stop()
        shutil.rmtree(os.environ.pop(METRICS_DIRECTORY), ignore_errors=True)


def _heed_sigterm() -> None:
    """Let a new server process end by SIGTERM, which it would swallow with our own handler until it
    has one of its own.
    """
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class _FirstStart(NamedTuple):
    """The token that a first start made, and where it is kept."""

    token: str
    file: Path


async def _first_start(program: Program, settings: Settings) -> _FirstStart | None:
    kept: list[Path] = []

    def keep(token: str) -> None:
        kept.append(_keep_token(settings.data_dir, token))

    async with program.operate(settings) as unit:
        token = await bootstrap(unit, keep)
    return _FirstStart(token, kept[0]) if token else None


def _keep_token(data_dir: Path, token: str) -> Path:
    """Write the token where only this user can read it, whole or not at all."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = data_dir / TOKEN_FILE
    if kept.exists():
        # Another database's, whose only copy this may be.
        kept = data_dir / f"{TOKEN_FILE}-{token.partition('|')[0]}-{secrets.token_hex(4)}"
    draft = data_dir / f"{TOKEN_FILE}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(kept)
    return kept


def _free_address(settings: Settings) -> str:
    """The address of the host to listen on, IPv4 before IPv6. Refusal where one cannot."""
    where = f"cannot listen on {settings.host}:{settings.port}"
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Refusal(
            f"{where}: no such host name.", "Choose another one with --host (TOLLKEEPER_HOST)."
        ) from error
    family, _, _, _, place = min(found, key=lambda one: one[0] != socket.AF_INET)
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(place)
        except OSError as error:
            raise Refusal(
                f"{where}: {error.strerror}.",
                "Choose another port with --port (make run PORT=8081), or address with --host.",
            ) from error
    return str(place[0])


def _greet(settings: Settings, first: _FirstStart | None) -> None:
    shown = "localhost" if settings.host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else settings.host  # noqa: S104
    url = f"http://{shown}:{settings.port}"
    token_file = settings.data_dir / TOKEN_FILE
    out().print(f"\n[bold]Tollkeeper {__version__}[/] is at [bold]{url}[/]")
    if resources.files("tollkeeper.api").joinpath("static", "scalar.js.gz").is_file():
        out().print(f"API reference   {url}/api/reference")
    if first is not None:
        token_file = first.file
        out().print(f"Admin token     {first.token}", markup=False)
        out().print(f"                shown this once, and kept in {token_file}", markup=False)
    elif token_file.is_file():
        out().print(f"Admin token     in {token_file}", markup=False)
    out().print("\nCreate a customer:\n", markup=False)
    token_path = shlex.quote(str(token_file))
    out().print(
        f'curl -s {url}/api/v1/customers -H "Authorization: Bearer $(cat {token_path})" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"name": "Ada Lovelace", "email": "ada@example.com"}'\n""",
        markup=False,
    )

"""`tollkeeper serve`: the server, its worker, and a first page to read."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import structlog
import typer
from granian.constants import Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server import Server

from tollkeeper import __version__
from tollkeeper.cli.program import DataDir, Program, err, run_async, settings_with
from tollkeeper.cli.worker import PARENT
from tollkeeper.infra.migrate import migrate
from tollkeeper.infra.reach import reach_database
from tollkeeper.infra.settings import PREFIX, Settings
from tollkeeper.infra.telemetry import METRICS_DIRECTORY, configure_logging
from tollkeeper.providers.bootstrap import bootstrap

log = structlog.get_logger(__name__)

TOKEN_FILE = "admin-token"  # noqa: S105 - the name of a file, not a secret
_LONGEST_PAUSE = 30.0


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
        """Migrate, then answer requests until SIGTERM; requests in flight are finished first."""
        settings = settings_with(data_dir=data_dir, host=host, port=port, workers=workers)
        configure_logging(settings)
        _require_free_port(settings)
        started = time.monotonic()
        with reach_database(settings) as urls:
            migrate(urls.operator)
            token = run_async(_first_start(program, settings))
            _greet(settings, token, time.monotonic() - started)
            _serve(program, settings, with_jobs=jobs)


def _serve(program: Program, settings: Settings, *, with_jobs: bool) -> None:
    """Run server processes and the job worker until a signal says stop."""
    os.environ[METRICS_DIRECTORY] = tempfile.mkdtemp(prefix="tollkeeper-metrics-")
    worker = JobWorker(settings)
    server = Server(
        "tollkeeper",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.ASGI,
        workers=settings.workers,
        loop=Loops.uvloop,
        websockets=False,
        http1_settings=HTTP1Settings(keep_alive=True),
        backlog=2048,
        log_enabled=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=settings.shutdown_seconds,
    )
    if with_jobs:
        server.on_startup(worker.start)
        server.on_shutdown(worker.stop)
    try:
        load_app = partial(program.load_app, settings, os.getpid())
        server.serve(target_loader=load_app, wrap_loader=False)
    finally:
        worker.stop()
        shutil.rmtree(os.environ.pop(METRICS_DIRECTORY), ignore_errors=True)


class JobWorker:
    """The worker process beside the server: started again if it ends, stopped with the server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._changing = threading.Lock()

    def start(self) -> None:
        threading.Thread(target=self._keep_running, daemon=True).start()

    def stop(self) -> None:
        with self._changing:
            self._stopping.set()
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(self._settings.shutdown_seconds + 5)
            except subprocess.TimeoutExpired:
                log.warning("the job worker did not stop in time and is killed; its job is rerun")
                self._process.kill()

    def _keep_running(self) -> None:
        pause = 1.0
        while True:
            started = time.monotonic()
            with self._changing:
                if self._stopping.is_set():
                    return
                self._process = self._spawn()
            code = self._process.wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - started
            pause = 1.0 if lived > _LONGEST_PAUSE else min(pause * 2, _LONGEST_PAUSE)
            log.error("the job worker ended and is started again", code=code, pause_seconds=pause)
            self._stopping.wait(pause)

    def _spawn(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "tollkeeper.main", "worker"],
            env={
                **os.environ,
                f"{PREFIX}DATA_DIR": str(self._settings.data_dir),
                PARENT: str(os.getpid()),
            },
            # A Ctrl-C is for the server, which then stops its worker in good order.
            start_new_session=True,
        )


async def _first_start(program: Program, settings: Settings) -> str | None:
    async with program.operate(settings) as unit:
        return await bootstrap(unit, partial(_keep_token, settings.data_dir))


def _keep_token(data_dir: Path, token: str) -> None:
    """Write the token where only this user can read it, whole or not at all."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = data_dir / f"{TOKEN_FILE}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.rename(data_dir / TOKEN_FILE)


def _require_free_port(settings: Settings) -> None:
    """Say at once, in one sentence, that the port is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, settings.port))
        except OSError as error:
            err().print(
                f"[bold red]Error:[/] cannot listen on {settings.host}:{settings.port}: "
                f"{error.strerror}. Choose another one with --port (make run PORT=8081)."
            )
            raise typer.Exit(1) from error


def _greet(settings: Settings, token: str | None, seconds: float) -> None:
    shown = "localhost" if settings.host in {"127.0.0.1", "0.0.0.0", "::", "::1"} else settings.host  # noqa: S104
    url = f"http://{shown}:{settings.port}"
    token_file = settings.data_dir / TOKEN_FILE
    err().print(f"\n[bold]Tollkeeper {__version__}[/] is at [bold]{url}[/] (in {seconds:.1f} s)")
    err().print(f"API reference   {url}/api/reference")
    if token is not None:
        err().print(f"Admin token     {token}", markup=False)
        err().print(f"                shown this once, and kept in {token_file}", markup=False)
    elif token_file.is_file():
        err().print(f"Admin token     in {token_file}", markup=False)
    err().print("\nCreate a customer:\n", markup=False)
    err().print(
        f'curl -s {url}/api/v1/customers -H "Authorization: Bearer $(cat {token_file})" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        """  -d '{"name": "Ada Lovelace", "email": "ada@example.com"}'\n""",
        markup=False,
    )

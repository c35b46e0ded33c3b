"""Which processes of PostgreSQL are at work on a cluster."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tollkeeper.infra.embedded.errors import EmbeddedPostgresError
from tollkeeper.infra.embedded.layout import DataDirectory
from tollkeeper.infra.embedded.locks import INSIST_SECONDS, FileLock

_FAST_SHUTDOWN_SECONDS = 30.0
_PATIENCE_SECONDS = 5.0
_STATUS_LINE = 7


def postmaster_id(cluster: Path) -> int | None:
    """The process that serves the cluster, or None.

    A number left in `postmaster.pid` by a server that was killed may belong to another program by
    now; in a container it usually does. So it counts only while it names a PostgreSQL at work here.
    """
    lines = _postmaster_file(cluster)
    if not lines or not lines[0].lstrip("-").isdigit():
        return None
    process_id = abs(int(lines[0]))
    return process_id if _is_postgres_in(cluster, process_id) else None


def is_ready(cluster: Path, process_id: int) -> bool:
    """Whether this very postmaster has announced that it accepts connections."""
    lines = _postmaster_file(cluster)
    return (
        len(lines) > _STATUS_LINE
        and lines[0] == str(process_id)
        and lines[_STATUS_LINE].strip() == "ready"
    )


def clear_the_field(data: DataDirectory, lock: FileLock) -> None:
    """Waits until nothing of an earlier PostgreSQL lives, helping it to end; takes `lock` then.

    `lock` is `postgres.lock`. Every process of a PostgreSQL of ours holds it, so that two can
    never be at work on one cluster, whatever became of their keepers. The processes of one whose
    postmaster was killed can serve nobody any more; what they had not yet committed is lost anyway.
    """
    if not lock.take_exclusive(INSIST_SECONDS):
        _end_former_server(data, lock)
    _refuse_foreign_postmaster(data)


def _end_former_server(data: DataDirectory, lock: FileLock) -> None:
    postmaster = postmaster_id(data.cluster)
    if postmaster is not None:
        _send(postmaster, signal.SIGINT)
        if lock.take_exclusive(_FAST_SHUTDOWN_SECONDS):
            return
    for hint in (signal.SIGQUIT, signal.SIGKILL):
        if lock.take_exclusive(_PATIENCE_SECONDS):
            return
        for process_id in _processes_in(data.cluster):
            _send(process_id, hint)
    if not lock.take_exclusive(_PATIENCE_SECONDS):
        raise EmbeddedPostgresError(
            f"A former PostgreSQL of {data.path} does not end.",
            "Look for it among the processes of this machine, and end it.",
        )


def _refuse_foreign_postmaster(data: DataDirectory) -> None:
    """Nobody of ours lives, so a postmaster here was started by hand; otherwise its file is stale.

    PostgreSQL removes most stale files itself, but trusts a number that is in use again.
    """
    postmaster = postmaster_id(data.cluster)
    if postmaster is not None:
        raise EmbeddedPostgresError(
            f"A PostgreSQL that Tollkeeper did not start (process {postmaster}) is at work on "
            f"{data.cluster}.",
            "Stop it first.",
        )
    (data.cluster / "postmaster.pid").unlink(missing_ok=True)


def _postmaster_file(cluster: Path) -> list[str]:
    try:
        return (cluster / "postmaster.pid").read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _is_postgres_in(cluster: Path, process_id: int) -> bool:
    """Every process of PostgreSQL works in the cluster's directory."""
    if sys.platform != "linux":
        command = ["ps", "-p", str(process_id), "-o", "comm="]
        shown = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
        return "postgres" in shown.stdout
    process = Path("/proc") / str(process_id)
    try:
        name = (process / "comm").read_text().strip()
        return name == "postgres" and (process / "cwd").readlink() == cluster
    except OSError:
        return False


def _processes_in(cluster: Path) -> list[int]:
    if sys.platform != "linux":
        return []
    entries = [entry.name for entry in Path("/proc").iterdir()]
    process_ids = [int(name) for name in entries if name.isdigit()]
    return [process_id for process_id in process_ids if _is_postgres_in(cluster, process_id)]


def _send(process_id: int, signal_number: signal.Signals) -> None:
    try:
        os.kill(process_id, signal_number)
    except ProcessLookupError:
        return

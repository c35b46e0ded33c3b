"""One run of the server: its settings, its start, and its stop."""

import os
import signal
import subprocess
from pathlib import Path

from tollkeeper.infra.embedded.layout import PORT, Binaries, DataDirectory
from tollkeeper.infra.embedded.log import PostgresLog
from tollkeeper.infra.embedded.privileges import Launcher
from tollkeeper.infra.embedded.sockets import prepare_socket_directory

_FAST_SHUTDOWN_SECONDS = 60.0
_IMMEDIATE_SHUTDOWN_SECONDS = 10.0
_SMALL_MACHINE_BYTES = 2 * 2**30
_CONTAINER_MEMORY_FILES = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)

# Given on the command line, where neither postgresql.conf nor ALTER SYSTEM can undo them.
_SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "cluster_name": "tollkeeper",
    "max_connections": "200",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    # No secret that is in a statement, its parameters or a row may reach the log; `terse` leaves
    # out the details of an error, where a violated constraint quotes the row.
    "log_statement": "none",
    "log_min_error_statement": "panic",
    "log_parameter_max_length_on_error": "0",
    "log_error_verbosity": "terse",
}


def start_postgres(
    data: DataDirectory, binaries: Binaries, launcher: Launcher, log: PostgresLog, lock: int
) -> subprocess.Popen[bytes]:
    """Starts the server and returns at once.

    `lock` is the descriptor of `postgres.lock`, which the caller holds; the server and all its
    children inherit it.
    To be called from the keeper's main thread: when the thread that started it ends, Linux tells
    the server to shut down (PR_SET_PDEATHSIG in prctl(2)).
    """
    sockets = prepare_socket_directory(data, launcher)
    command = [str(binaries.folder / "postgres"), "-D", str(data.cluster)]
    settings = _SETTINGS | {
        "unix_socket_directories": '"{}"'.format(str(sockets).replace('"', '""')),
        "shared_buffers": f"{_shared_buffers_megabytes()}MB",
        "wal_compression": _wal_compression(data, binaries, launcher, lock),
    }
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return launcher.start(command, output=log.fileno(), lock=lock)


def stop_postgres(process: subprocess.Popen[bytes]) -> None:
    """Ends the server: sessions are cut off, a checkpoint is made. Harsher where that fails."""
    for signal_number, patience in (
        (signal.SIGINT, _FAST_SHUTDOWN_SECONDS),
        (signal.SIGQUIT, _IMMEDIATE_SHUTDOWN_SECONDS),
        (signal.SIGKILL, None),
    ):
        process.send_signal(signal_number)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        return


def _wal_compression(data: DataDirectory, binaries: Binaries, launcher: Launcher, lock: int) -> str:
    """`lz4` where this build of PostgreSQL has it, which only PostgreSQL itself can tell."""
    command = [str(binaries.folder / "postgres"), "-C", "wal_compression"]
    command += ["-c", "wal_compression=lz4", "-D", str(data.cluster)]
    status, _ = launcher.run(command, lock=lock)
    return "lz4" if status == 0 else "off"


def _shared_buffers_megabytes() -> int:
    memory = _memory_bytes()
    return 256 if memory >= _SMALL_MACHINE_BYTES else max(memory // 8 // 2**20, 16)


def _memory_bytes() -> int:
    """What this machine has, or what this container may use of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CONTAINER_MEMORY_FILES:
        try:
            memory = min(memory, int(limit.read_text()))
        except (OSError, ValueError):
            continue
    return memory

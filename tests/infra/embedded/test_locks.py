import subprocess
import sys
from pathlib import Path

import pytest

from tollkeeper.infra.embedded.locks import FileLock, is_held_exclusively


def test_shared_holders_keep_an_exclusive_one_out(tmp_path: Path) -> None:
    """Any number may share a lock; none of them while somebody has it alone."""
    first, second, alone = (FileLock(tmp_path / "lock") for _ in range(3))
    assert first.take_shared()
    assert second.take_shared()
    assert not alone.take_exclusive()
    first.close()
    second.close()
    assert alone.take_exclusive()
    assert is_held_exclusively(tmp_path / "lock")
    alone.close()
    assert not is_held_exclusively(tmp_path / "lock")


def test_question_about_a_lock_that_nobody_made_makes_none(tmp_path: Path) -> None:
    """To ask leaves no trace."""
    assert not is_held_exclusively(tmp_path / "lock")
    assert list(tmp_path.iterdir()) == []


def test_program_that_inherits_the_descriptor_holds_the_lock(tmp_path: Path) -> None:
    """A lock passed on lasts as long as the program that got it; no other got it by chance."""
    lock = FileLock(tmp_path / "lock")
    assert lock.take_exclusive()
    waiting = [sys.executable, "-S", "-c", "import sys; sys.stdin.read()"]
    with (
        subprocess.Popen(waiting, stdin=subprocess.PIPE) as bystander,
        subprocess.Popen(waiting, stdin=subprocess.PIPE, pass_fds=[lock.fileno()]) as heir,
    ):
        lock.close()
        assert is_held_exclusively(tmp_path / "lock")
        heir.communicate()
        assert not is_held_exclusively(tmp_path / "lock")
        assert bystander.poll() is None
        bystander.communicate()


def test_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    """Root, working in another user's directory, cannot be led to a file elsewhere."""
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        FileLock(tmp_path / "lock")
    assert not (tmp_path / "elsewhere").exists()

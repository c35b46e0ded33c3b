from pathlib import Path

from tollkeeper.infra.embedded.log import PostgresLog, last_lines


def test_log_that_grew_too_long_begins_afresh(tmp_path: Path) -> None:
    """The log takes a bounded part of the disk: itself and one predecessor."""
    path = tmp_path / "postgres.log"
    log = PostgresLog(path, limit_bytes=100)
    log.write("a" * 200)
    log.bound()
    log.write("after")
    assert path.read_text().endswith("after\n")
    assert path.stat().st_size < 100
    assert "a" * 200 in (tmp_path / "postgres.log.1").read_text()


def test_short_log_is_left_alone(tmp_path: Path) -> None:
    """What an operator may want to read stays in one file for as long as it is short."""
    log = PostgresLog(tmp_path / "postgres.log", limit_bytes=100)
    log.write("short")
    log.bound()
    assert not (tmp_path / "postgres.log.1").exists()


def test_last_lines_leave_out_what_is_older(tmp_path: Path) -> None:
    """An error quotes what was written since the attempt began, and no more than a screenful."""
    path = tmp_path / "postgres.log"
    path.write_text("old\n")
    position = path.stat().st_size
    with path.open("a") as log:
        log.writelines(f"line {number}\n" for number in range(100))
    assert "old" not in last_lines(path, position)
    assert last_lines(path, position).splitlines()[-1] == "line 99"
    assert len(last_lines(path).splitlines()) < 20
    assert last_lines(tmp_path / "missing") == ""

"""What `make` passes on, and what may be built."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("given", "options"),
    [
        ([], []),
        (["PORT=8081"], ["--port", "8081"]),
        (["HOST=::1", "DATA_DIR=my data"], ["--host", "::1", "--data-dir", "my data"]),
    ],
    ids=["nothing", "port", "host and data directory"],
)
def test_make_run_passes_on_what_was_given_to_make_and_nothing_else(
    given: list[str], options: list[str]
) -> None:
    """`.env` and the environment speak for all the rest: PORT in somebody's shell is not ours."""
    shown = subprocess.run(
        ["make", "--no-print-directory", "-n", "run", *given],
        cwd=REPOSITORY,
        # As in a fresh shell, even when these tests were started by make.
        env={**os.environ, "PORT": "1", "HOST": "somewhere", "MAKEFLAGS": "", "MAKELEVEL": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    command = shown.stdout.splitlines()[-1].replace("exec .venv/bin/tollkeeper", "printf '%s\\n'")
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["serve", *options]


@pytest.mark.parametrize("target", ["wheel", "sdist"])
def test_nothing_is_built_without_the_reference_page(tmp_path: Path, target: str) -> None:
    """A clean clone gives no incomplete package, but the command that helps."""
    clone = tmp_path / "clone"
    left_out = shutil.ignore_patterns("static", "__pycache__")
    shutil.copytree(REPOSITORY / "src", clone / "src", ignore=left_out)
    shutil.copytree(REPOSITORY / "assets", clone / "assets", ignore=left_out)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, clone / name)
    build = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(tmp_path)]
    refused = subprocess.run(build, cwd=clone, capture_output=True, text=True, check=False)
    assert refused.returncode != 0
    assert "run: make assets" in refused.stderr

    static = clone / "src/tollkeeper/api/static"
    shutil.copytree(REPOSITORY / "src/tollkeeper/api/static", static)
    subprocess.run(build, cwd=clone, capture_output=True, check=True)
    assert list(tmp_path.glob("tollkeeper-*"))

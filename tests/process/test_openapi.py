"""The OpenAPI document and the server hold each other to their word."""

import subprocess
import sys
from pathlib import Path

from tests.process.conftest import Server

CONFIG = Path(__file__).with_name("schemathesis.toml")


def test_schemathesis_finds_nothing(running: Server, tmp_path: Path) -> None:
    """Every check over every operation: no 5xx, no undocumented status, no schema mismatch,
    no valid request refused, no invalid one taken."""
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG)),
            *("run", f"{running.url}/api/openapi.json"),
            *("--header", f"Authorization: Bearer {running.token}"),
            *("--checks", "all", "--max-examples", "25", "--continue-on-failure", "--no-color"),
            # A text column cannot hold a NUL; that each field says so is tested with the fields.
            *("--generation-allow-x00", "false", "--generation-deterministic"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout
    assert "No issues found" in run.stdout or "Failures" not in run.stdout
    assert "Tested: 0" not in run.stdout
    assert '"level": "error"' not in running.log

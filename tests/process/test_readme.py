"""What the README tells a reader to paste works as it stands."""

import json
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

from tests.process.conftest import Server

README = Path(__file__).parents[2] / "README.md"


def paste(block: str, server: Server) -> list[dict[str, Any]]:
    """Run it against this server instead of the reader's own; the JSON that it prints."""
    command = block.replace("http://localhost:8080", server.url)
    token = shlex.quote(str(server.data_dir / "admin-token"))
    command = command.replace("tollkeeper-data/admin-token", token)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.strip()]


def test_the_first_commands_of_the_readme_answer_what_it_says(running: Server) -> None:
    """A customer, credits, a use, and the same use again."""
    blocks = re.findall(r"```sh\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    create, use = [block for block in blocks if "curl" in block]
    [created] = paste(create, running)
    assert created.get("meta") == {"message": "Customer created successfully"}
    customer, grant, first, again = paste(use, running)
    assert customer["data"]["external_id"] == "grace"
    assert grant["data"]["amount"] == 1000
    assert first["data"]["balance"] == again["data"]["balance"] == 750
    assert (first["data"]["duplicate"], again["data"]["duplicate"]) == (False, True)

"""Importing a module of ours touches no environment variable, file, socket or process."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.architecture.source import PACKAGE, explained, sources

_PROBE = Path(__file__).with_name("import_probe.py")
# Alembic executes this file, within a migration; it is no module to be imported.
_SCRIPTS = ["tollkeeper.migrations.env"]

_PLANTED = {
    "reads.py": "import os\nHOME = os.environ.get('HOME')\n",
    "sets.py": "import os\nos.environ['PLANTED'] = '1'\n",
    "asks.py": "import os\nDEBUG = 'DEBUG' in os.environ\n",
    "opens.py": "from pathlib import Path\nTEXT = Path(__file__).read_text()\n",
    "lists.py": "import os\nNAMES = os.listdir('.')\n",
    "connects.py": "import socket\nSOCKET = socket.socket()\nSOCKET.close()\n",
    "starts.py": "import subprocess, sys\nsubprocess.run([sys.executable, '--version'])\n",
    "through_a_library.py": "import tempfile\nPLACE = tempfile.gettempdir()\n",
    "through_a_class.py": "import os\nclass A:\n    home = os.getenv('HOME')\n",
    "through_a_function.py": "import os\ndef f(): return os.getenv('HOME')\nHOME = f()\n",
}
_INNOCENT = {
    "later.py": "import os\ndef f(): return os.environ['HOME']\n",
    "imports.py": "import sqlalchemy, fastapi, asyncio.subprocess, multiprocessing.pool\n",
}


def _probe(folder: Path, package: str, *left_out: str) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, str(_PROBE), str(folder), package, *left_out],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def test_importing_any_module_touches_nothing() -> None:
    """A tool, a test or another process can import us without a world being there."""
    found = _probe(PACKAGE.parent, "tollkeeper", *_SCRIPTS)
    files = sum(source.is_program for source in sources()) - len(_SCRIPTS)
    assert found["modules"] == files, "a folder without `__init__.py` hides its modules"
    if found["faults"]:
        remedy = "move it into a function (with `@cache`, if it is to happen once), or pass it in"
        pytest.fail(explained(found["faults"], remedy), pytrace=False)


def test_a_planted_module_is_found_out(tmp_path: Path) -> None:
    """The probe sees each kind of touch, through libraries too, and blames nobody else's import."""
    package = tmp_path / "planted"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, text in (_PLANTED | _INNOCENT).items():
        (package / name).write_text(text)
    found = _probe(tmp_path, "planted")
    assert {fault.split(":")[0] for fault in found["faults"]} == {
        f"planted/{name}" for name in _PLANTED
    }

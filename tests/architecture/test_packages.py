"""Each part says what it is; the map shows all of them; the wheel contains them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
from tests.architecture.source import PACKAGE, REPOSITORY, explained, packages

MAX_README_LINES = 80
MAX_MAP_LINES = 200
HEADINGS = ("## Owns", "## Does not own", "## Invariants", "## Time fields")
MAP = REPOSITORY / "ARCHITECTURE.md"

_FOLDER_ROW = re.compile(r"^\| `(\w+)/` \|(.*)\|$", re.MULTILINE)
_LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)(?:#[^)]*)?\)")


def _readme_faults(package: str, text: str) -> list[str]:
    lines = text.splitlines()
    faults = [f"{package}/README.md lacks '{one}'" for one in HEADINGS if one not in lines]
    if len(lines) > MAX_README_LINES:
        faults.append(f"{package}/README.md has {len(lines)} lines")
    return faults


def _map_faults(text: str, existing: set[str]) -> list[str]:
    rows = dict(_FOLDER_ROW.findall(text))
    planned = {name for name, row in rows.items() if "planned" in row}
    shown = set(rows) - planned
    return [
        *(f"{name}/ is not in the table" for name in sorted(existing - set(rows))),
        *(f"{name}/ is there and called planned" for name in sorted(existing & planned)),
        *(f"{name}/ is shown and not there" for name in sorted(shown - existing)),
    ]


def _dead_links(page: Path) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [
        f"{page.relative_to(REPOSITORY).as_posix()}: {target}"
        for target in _LINK.findall(text)
        if not (page.parent / target).exists()
    ]


def test_every_package_says_what_it_owns() -> None:
    """Before reading the code one knows what is in it, what is not, and what must hold."""
    faults = []
    for package in packages():
        readme = PACKAGE / package / "README.md"
        text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
        faults += _readme_faults(package, text)
    if faults:
        remedy = f"at most {MAX_README_LINES} lines, with {', '.join(HEADINGS)}"
        pytest.fail(explained(faults, remedy), pytrace=False)


def test_the_map_shows_what_is_there() -> None:
    """ARCHITECTURE.md has each folder, and calls planned what is only planned."""
    text = MAP.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= MAX_MAP_LINES
    if faults := _map_faults(text, set(packages())):
        remedy = "correct the folder table of ARCHITECTURE.md"
        pytest.fail(explained(faults, remedy), pytrace=False)


def test_every_link_leads_somewhere() -> None:
    """No page sends its reader to a file that is not there."""
    folders = (REPOSITORY / "docs", PACKAGE)
    pages = [*REPOSITORY.glob("*.md"), *(page for one in folders for page in one.rglob("*.md"))]
    assert MAP in pages
    if faults := [fault for page in pages for fault in _dead_links(page)]:
        pytest.fail(explained(faults, "correct the link, or write the page"), pytrace=False)


def test_planted_pages_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests above can fail."""
    whole = "\n".join(("# keys", *HEADINGS))
    assert not _readme_faults("keys", whole)
    assert _readme_faults("keys", "")
    assert _readme_faults("keys", whole.replace("## Does not own", "## Leaves to others"))
    assert _readme_faults("keys", whole + "\n" * MAX_README_LINES)

    table = "| `keys/` | who is calling |\n| `gate/` | the hot path | planned |"
    assert not _map_faults(table, {"keys"})
    assert _map_faults(table, {"keys", "gate"}) == ["gate/ is there and called planned"]
    assert _map_faults(table, {"keys", "api"}) == ["api/ is not in the table"]
    assert _map_faults(table, set()) == ["keys/ is shown and not there"]

    monkeypatch.setattr(f"{__name__}.REPOSITORY", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("[here](page.md#x) [there](https://example.com) [up](../page.md) [no](no.md)")
    assert _dead_links(page) == ["page.md: ../page.md", "page.md: no.md"]


def test_the_wheel_contains_the_program_and_nothing_else(tmp_path: Path) -> None:
    """What is installed is what is tested: migrations, their template, types, built assets."""
    uv = Path(sys.executable).with_name("uv")
    command = [str(uv) if uv.is_file() else shutil.which("uv") or "uv", "build", "--wheel"]
    built = subprocess.run(
        [*command, "--quiet", "--out-dir", str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    there = {
        path.relative_to(PACKAGE.parent).as_posix()
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == there
    assert {
        "tollkeeper/py.typed",
        "tollkeeper/migrations/script.py.mako",
        "tollkeeper/migrations/versions/0001_ground.py",
    } <= names

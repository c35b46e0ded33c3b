"""What `make docs` writes is what is there, and says what the code says."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.architecture.source import REPOSITORY, explained

from tollkeeper.infra.settings import PREFIX, Settings

Write = Callable[[Path], None]


@pytest.fixture(scope="module")
def fresh(write_documents: Write, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all generated pages, written just now."""
    folder = tmp_path_factory.mktemp("generated")
    write_documents(folder)
    return folder


def _pages(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text(encoding="utf-8")
        for path in folder.rglob("*")
        if path.is_file()
    }


def _stale(root: Path, fresh: Path) -> list[str]:
    """What differs between the pages in `root` and those of the code."""
    wanted = _pages(fresh)
    there = {f"docs/errors/{page.name}" for page in (root / "docs/errors").glob("*.md")}
    found = [f"{name} belongs to no code" for name in sorted(there - set(wanted))]
    for name, text in wanted.items():
        page = root / name
        if not page.is_file():
            found.append(f"{name} is missing")
        elif page.read_text(encoding="utf-8") != text:
            found.append(f"{name} is not what the code says")
    return found


def test_the_pages_are_up_to_date(fresh: Path) -> None:
    """Nobody reads about a setting or an error that is different by now."""
    if faults := _stale(REPOSITORY, fresh):
        pytest.fail(explained(faults, "run `make docs` and commit what it writes"), pytrace=False)


def test_the_generator_repeats_itself_and_cleans_up(
    fresh: Path, write_documents: Write, tmp_path: Path
) -> None:
    """The same code gives the same bytes; the page of a code that is gone goes too."""
    (tmp_path / "docs/errors").mkdir(parents=True)
    (tmp_path / "docs/errors/nobody.knows.md").write_text("# nobody.knows\n")
    assert "docs/errors/nobody.knows.md belongs to no code" in _stale(tmp_path, fresh)
    write_documents(tmp_path)
    assert _pages(tmp_path) == _pages(fresh)
    (tmp_path / ".env.example").write_text("")
    assert _stale(tmp_path, fresh) == [".env.example is not what the code says"]


def test_every_setting_is_described_in_both_places(fresh: Path) -> None:
    """An operator finds each setting with its default, and what it is for."""
    table, example = (
        (fresh / "docs/guide/settings.md").read_text(),
        (fresh / ".env.example").read_text(),
    )
    for name, field in Settings.model_fields.items():
        setting = f"{PREFIX}{name}".upper()
        assert field.description, f"{name} in infra/settings.py needs a description"
        assert f"| `{setting}` |" in table
        assert f"\n#{setting}=" in example


def test_the_example_file_changes_nothing(
    fresh: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With every line of `.env.example` in force, each setting has its default."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"{PREFIX}{name}".upper(), raising=False)
    example = (fresh / ".env.example").read_text()
    lines = [line[1:] for line in example.splitlines() if line.startswith(f"#{PREFIX}")]
    assert len(lines) == len(Settings.model_fields)
    (tmp_path / ".env").write_text("\n".join(lines))
    assert Settings(_env_file=tmp_path / ".env") == Settings(_env_file=None)

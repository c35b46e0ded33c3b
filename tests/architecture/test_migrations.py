"""Migrations: one line of history, in the order of the files, and all tables in one catalogue."""

import ast
from collections.abc import Iterable

import pytest
from tests.architecture.source import Source, explained, sources

_VERSIONS = "src/tollkeeper/migrations/versions/"


def _constants(source: Source) -> dict[str, object]:
    return {
        target.id: node.value.value
        for node in source.tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _gaps(found: Iterable[Source]) -> list[str]:
    faults = []
    before = None
    steps = [one for one in found if one.path.startswith(_VERSIONS) and one.name != "__init__.py"]
    for number, source in enumerate(sorted(steps, key=lambda one: one.name), 1):
        wanted = f"{number:04}"
        said = _constants(source)
        if not source.name.startswith(f"{wanted}_") or said.get("revision") != wanted:
            faults.append(f"{source.name} is step {wanted}, and says {said.get('revision')!r}")
        if said.get("down_revision", "nothing") != before:
            faults.append(f"{source.name} follows {before!r}, not {said.get('down_revision')!r}")
        before = wanted
    return faults


def _left_out(found: Iterable[Source]) -> set[str]:
    """Packages with tables that Alembic's entry does not import."""
    files = {source.path: source for source in found}
    entry = files["src/tollkeeper/migrations/env.py"]
    known = {module.split(".")[1] for _, module, _ in entry.imports() if "tollkeeper." in module}
    return {source.package for source in files.values() if source.name == "tables.py"} - known


def test_revisions_are_numbered_in_order() -> None:
    """The folder reads from the first step to the last, and no two branches both end it."""
    if faults := _gaps(sources()):
        remedy = "number it after the last one: file NNNN_what.py, revision, down_revision"
        pytest.fail(explained(faults, remedy), pytrace=False)


def test_every_table_is_known_to_alembic() -> None:
    """A domain that Alembic's entry forgets would have its tables dropped by the next step."""
    assert _left_out(sources()) == set(), "import its tables in migrations/env.py"


def test_planted_migrations_are_judged() -> None:
    """The tests above can fail."""

    def step(name: str, revision: str, before: str | None) -> Source:
        text = f"revision = {revision!r}\ndown_revision = {before!r}"
        return Source.planted(f"{_VERSIONS}{name}", text)

    first = step("0001_ground.py", "0001", None)
    assert not _gaps([first, step("0002_keys.py", "0002", "0001")])
    assert _gaps([first, step("0003_keys.py", "0003", "0001")])
    assert _gaps([first, step("0002_keys.py", "0002", None)])
    assert _gaps([first, step("0002_keys.py", "0002", "0001"), step("0002_x.py", "0002", "0001")])

    entry = Source.planted(
        "src/tollkeeper/migrations/env.py", "from tollkeeper.customers import tables as customers"
    )
    tables = Source.planted("src/tollkeeper/{}/tables.py", "")
    customers, keys = (Source(tables.path.format(package), "") for package in ("customers", "keys"))
    assert _left_out([entry, customers, keys]) == {"keys"}

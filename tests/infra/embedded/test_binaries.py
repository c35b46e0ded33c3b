from pathlib import Path

import pytest

from tollkeeper.infra.embedded.binaries import find_binaries
from tollkeeper.infra.embedded.errors import EmbeddedPostgresError


def test_newest_of_the_wheel_is_chosen_for_a_new_cluster() -> None:
    """Where the wheel runs, what it brings is used, not what the machine happens to have."""
    found = find_binaries(None)
    assert found.major >= 15
    assert (found.folder / "postgres").exists()


def test_version_of_the_cluster_is_chosen_where_there_is_one() -> None:
    """A newer version beside it does not make an existing cluster unusable."""
    newest = find_binaries(None)
    assert find_binaries(newest.major) == newest


def test_machine_without_the_wheel_uses_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the wheel has no build for a platform, a PostgreSQL on the path serves."""
    newest = find_binaries(None)
    pg_config = tmp_path / "pg_config"
    pg_config.write_text(f"#!/bin/sh\necho '{newest.folder}'\n")
    pg_config.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("sys.path", [])
    monkeypatch.setattr("sys.path_importer_cache", {})
    assert find_binaries(None) == newest


def test_missing_version_is_an_error_that_names_what_is_there() -> None:
    """The operator learns which version the data needs, and which ones there are."""
    newest = find_binaries(None).major
    with pytest.raises(EmbeddedPostgresError, match=rf"PostgreSQL 99.*PostgreSQL {newest}"):
        find_binaries(99)

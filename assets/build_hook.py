"""Hatchling's hook: no wheel and no source archive without the reference page's script."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

_STAMP = "src/tollkeeper/api/static/.stamp.json"


class RequireAssets(BuildHookInterface[Any]):
    """Refuses to build what would be installed incomplete; an editable installation may lack it."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        if version != "editable" and not (Path(self.root) / _STAMP).is_file():
            raise FileNotFoundError(
                "the API reference page's script is missing; run: make assets (or: make build)"
            )

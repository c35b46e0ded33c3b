"""Where things are: in the data directory, and in an installation of PostgreSQL."""

from pathlib import Path
from typing import NamedTuple

PORT = 5432
SOCKET_NAME = f".s.PGSQL.{PORT}"
ADMINISTRATOR = "tollkeeper_admin"
OWNER = "tollkeeper"
DATABASE = "tollkeeper"
REQUIRED_FREE_BYTES = 200 * 2**20


class Binaries(NamedTuple):
    """A folder with `initdb` and `postgres`, which have been seen to run."""

    folder: Path
    major: int


class DataDirectory:
    """The names of everything in one data directory; `path` is absolute and free of links."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cluster = path / "postgres"
        self.unfinished_cluster = path / "postgres.incomplete"
        self.log = path / "postgres.log"
        self.users_lock = path / "users.lock"
        self.keeper_lock = path / "keeper.lock"
        self.postgres_lock = path / "postgres.lock"
        self.run = path / "run"

    def cluster_is_finished(self) -> bool:
        """A cluster comes into being by one rename, so whatever is there is whole."""
        return (self.cluster / "PG_VERSION").exists()

    def cluster_major(self) -> int | None:
        """The major version that wrote the cluster, or None where there is none yet."""
        if not self.cluster_is_finished():
            return None
        return int((self.cluster / "PG_VERSION").read_text().split(".")[0])

"""The way to the database: one's own by its URL, or the embedded one in the data directory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from tollkeeper.infra.database import DatabaseUrls
from tollkeeper.infra.embedded.server import EmbeddedPostgres, wait_until_stopped
from tollkeeper.infra.settings import Settings

_RECOVERY_SECONDS = 600


@contextmanager
def reach_database(settings: Settings) -> Iterator[DatabaseUrls]:
    """Answer how to connect; the embedded server runs at least as long as the block.

    Raises EmbeddedPostgresError where the embedded server cannot be started.
    """
    if settings.database_url is not None:
        yield DatabaseUrls.of(settings.database_url.get_secret_value())
        return
    # Recovery after a crash may take minutes, and giving up would begin it anew.
    with EmbeddedPostgres.join(settings.data_dir, timeout_seconds=_RECOVERY_SECONDS) as server:
        yield DatabaseUrls.of(server.url())
    if os.getpid() == 1:
        # The first process of a container takes everything with it; PostgreSQL may finish first.
        wait_until_stopped(settings.data_dir)

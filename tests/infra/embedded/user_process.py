"""Joins the data directory given, says so on standard output, and stays until its input ends.

With `--fork` it first forks a child that uses nothing, and names it.
"""

import os
import signal
import sys
from pathlib import Path

from tollkeeper.infra.embedded.server import EmbeddedPostgres


def main() -> None:
    joined = EmbeddedPostgres.join(Path(sys.argv[1]), timeout_seconds=30)
    child = os.fork() if "--fork" in sys.argv else None
    if child == 0:
        os.close(sys.stdout.fileno())
        signal.pause()
    sys.stdout.write(f"{joined.url()}\n{child}\n")
    sys.stdout.flush()
    sys.stdin.read()


main()

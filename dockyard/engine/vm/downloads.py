"""Artifacts of the machine engine that were built for a release: download and publish them."""

from __future__ import annotations

import shutil
import tomllib
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from dockyard.core import download
from dockyard.core.console import Say
from dockyard.engine.vm.build_log import run
from dockyard.exceptions import InstallFailed

TABLE = Path(__file__).with_name("guest") / "published.toml"


def table() -> dict[str, str]:
    """The SHA-256 of each published artifact by name; ``url`` is the folder they are in.

    Empty when nothing is published.
    """
    published = tomllib.loads(TABLE.read_text())
    return {"url": published["url"], **published["sha256"]} if published["url"] else {}


def fetch(name: str, target: Path, say: Say) -> bool:
    """Download one artifact to target and check its digest.

    Returns False when it is not published, or the download failed; it must be built then.
    """
    known = table()
    if name not in known:
        return False
    address = f"{known['url']}/{name}.zst"
    say(f"downloading {address}")
    packed = target.with_suffix(".zst")
    try:
        with urllib.request.urlopen(address, timeout=60) as answer, packed.open("wb") as file:
            shutil.copyfileobj(answer, file)
        run(["zstd", "--decompress", "--force", "--rm", "-o", target, packed])
    except (OSError, InstallFailed) as error:
        say(f"the download failed ({error}); building it instead")
        return False
    finally:
        packed.unlink(missing_ok=True)
    if download.sha256_of(target) != known[name]:
        say("the download has the wrong digest; building it instead")
        target.unlink()
        return False
    target.chmod(0o755)
    return True


def write(artifacts: Iterable[Path], target: Path, url: str) -> None:
    """Write compressed artifacts and the table of their digests, for a release at url."""
    target.mkdir(parents=True, exist_ok=True)
    lines = [f'url = "{url}"', "", "[sha256]"]
    for artifact in artifacts:
        packed = target / f"{artifact.name}.zst"
        run(["zstd", "-19", "--threads=0", "--force", "-o", packed, artifact])
        lines.append(f'"{artifact.name}" = "{download.sha256_of(artifact)}"')
    (target / "published.toml").write_text("\n".join(lines) + "\n")

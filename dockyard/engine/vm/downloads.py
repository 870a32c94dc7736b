"""Artifacts of the machine engine that were built for a release: download and publish them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dockyard.core import download
from dockyard.core.console import Say
from dockyard.engine.vm.build_log import run
from dockyard.exceptions import InstallFailed

TABLE = Path(__file__).with_name("guest") / "published.toml"


def table() -> dict[str, dict[str, Any]]:
    """URL, SHA-256 and size of each published archive by the name of its artifact.

    Empty when nothing is published.
    """
    published = tomllib.loads(TABLE.read_text())
    if not published["url"]:
        return {}
    return {
        name: {"url": f"{published['url']}/{name}.zst", **archive}
        for name, archive in published["archives"].items()
    }


def fetch(name: str, target: Path, say: Say) -> bool:
    """Download one artifact to target and check its digest.

    Returns False when it is not published, or the download failed; it must be built then.
    """
    if not (known := table().get(name)):
        return False
    say(f"downloading {known['url']}")
    packed = target.with_suffix(".zst")
    try:
        download.fetch(target=packed, **known)
        run(["zstd", "--decompress", "--force", "--rm", "-o", target, packed])
    except (OSError, download.DownloadFailed, InstallFailed) as error:
        say(f"the download failed ({error}); building it instead")
        return False
    finally:
        packed.unlink(missing_ok=True)
    target.chmod(0o755)
    return True


def write(artifacts: Iterable[Path], target: Path, url: str) -> None:
    """Write compressed artifacts and the table of their digests, for a release at url."""
    target.mkdir(parents=True, exist_ok=True)
    lines = [f'url = "{url}"', "", "[archives]"]
    for artifact in artifacts:
        packed = target / f"{artifact.name}.zst"
        run(["zstd", "-19", "--threads=0", "--force", "-o", packed, artifact])
        digest, size = download.sha256_of(packed), packed.stat().st_size
        lines.append(f'"{artifact.name}" = {{ sha256 = "{digest}", size = {size} }}')
    (target / "published.toml").write_text("\n".join(lines) + "\n")

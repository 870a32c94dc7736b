"""Ready-made artefacts of the machine engine: downloading them, and writing them for a release."""

from __future__ import annotations

import hashlib
import shutil
import tomllib
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path

from dockyard.core.console import Say
from dockyard.exceptions import InstallFailed

TABLE = Path(__file__).with_name("guest") / "published.toml"


def table() -> dict[str, str]:
    """The SHA-256 of each published artefact by name; ``url`` says where they are."""
    read = tomllib.loads(TABLE.read_text())
    return {"url": read["url"], **read["sha256"]} if read["url"] else {}


def digest(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def fetch(name: str, target: Path, say: Say, run: Callable[..., None]) -> bool:
    """Download one artefact to target and check its digest; False when it must be built.

    run executes one command and raises InstallFailed when it fails.
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
        say(f"not downloaded ({error}); it is built here instead")
        return False
    finally:
        packed.unlink(missing_ok=True)
    if digest(target) != known[name]:
        say("the download does not have the digest it should; it is built here instead")
        target.unlink()
        return False
    target.chmod(0o755)
    return True


def write(artefacts: Iterable[Path], target: Path, url: str, run: Callable[..., None]) -> None:
    """Write artefacts compressed, and the table of their digests, for a release at url."""
    target.mkdir(parents=True, exist_ok=True)
    lines = [f'url = "{url}"', "", "[sha256]"]
    for artefact in artefacts:
        packed = target / f"{artefact.name}.zst"
        run(["zstd", "-19", "--threads=0", "--force", "-o", packed, artefact])
        lines.append(f'"{artefact.name}" = "{digest(artefact)}"')
    (target / "published.toml").write_text("\n".join(lines) + "\n")

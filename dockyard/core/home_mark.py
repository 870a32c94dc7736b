"""The mark on everything that is created through this home's front door.

    dockyard.home = NUMBER.OF-THIS-HOME.OF-THIS-IMAGE        aaf095f8.5d1c….90e2…

NUMBER is new for each object; the images that BuildKit builds share one. The other two parts are
made from it with a secret that only this home has: nobody else can make them, and another home has
other ones, even at the same path. The last part also stands for the image that the container was
asked for. A container inherits the labels of its image, and ``docker commit`` copies a container's
labels to the image; but a container of that image was asked for by another name.

Earlier editions wrote TOKEN.NUMBER, with a token made from the home's path.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from contextlib import suppress
from pathlib import Path

from dockyard.core import paths


def secret_file() -> Path:
    """The file with the secret, of mode 0600."""
    return paths.home() / "mark.secret"


def secret() -> bytes:
    """The secret of this home, made the first time. Raises OSError."""
    with suppress(FileNotFoundError):
        if found := secret_file().read_bytes():
            return found
    with tempfile.NamedTemporaryFile(dir=paths.home()) as made:  # mode 0600
        made.write(secrets.token_hex(32).encode())
        made.flush()
        os.fsync(made.fileno())
        with suppress(FileNotFoundError):
            if not secret_file().stat().st_size:
                secret_file().unlink()
        # Whoever comes first has made it: a link never replaces a file.
        with suppress(FileExistsError):
            os.link(made.name, secret_file())
    return secret_file().read_bytes()


def new(image: str = "") -> str:
    """A mark for a new object. image is the one that a container is asked for. Raises OSError."""
    number = secrets.token_hex(4)
    return f"{number}.{_code(number)}.{_code(number, _short(image))}"


def of_builds() -> str:
    """The mark of all images that BuildKit builds, so that a repeated build has the same id.

    Raises OSError.
    """
    number = _code("build")[:8]
    return f"{number}.{_code(number)}.{_code(number, _short(''))}"


def is_ours(mark: str, *, old: bool = False) -> bool:
    """Whether this home has made a mark; old accepts those of earlier editions. Raises OSError."""
    if re.fullmatch(r"[0-9a-f]{8}\.[0-9a-f]{8}", mark):
        return old and mark.startswith(f"{paths.token()}.")
    number, _, rest = mark.partition(".")
    return _same(rest.partition(".")[0], _code(number))


def was_given_to(mark: str, image: str) -> bool:
    """Whether a mark of ours was made for a container of this image, so was not inherited.

    Marks of earlier editions do not say it: True. Raises OSError.
    """
    number, *codes = mark.split(".")
    return len(codes) < 2 or _same(codes[1], _code(number, _short(image)))


def engine_is_private() -> bool:
    """Whether the daemon serves this home only, so that old marks on it are this home's own."""
    try:
        # Only a private engine has the course registry as its mirror.
        return bool(json.loads((paths.home() / "course.json").read_bytes())["mirror"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return False


def _code(number: str, image: str | None = None) -> str:
    text = json.dumps(["home", number] if image is None else ["image", number, image])
    return hmac.new(secret(), text.encode(), hashlib.sha256).hexdigest()[:16]


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())


def _short(image: str) -> str:
    # Some daemons write a name out, as docker.io/library/busybox:latest.
    return image.removeprefix("docker.io/").removeprefix("library/").removesuffix(":latest")

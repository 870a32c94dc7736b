"""The way to the teacher: a service of the hub, or a folder that both can reach.

``$DOCKYARD_CLASSROOM`` names it: ``http://HUB:8082/services/classroom/``, to which the token of the
learner's server is sent, or a folder, in which the learner's own folder has the learner's name. A
hub sets it; without it there is no teacher, and nothing is sent.
"""

from __future__ import annotations

import getpass
import os
from pathlib import Path

import msgspec
import requests

from dockyard.core import classroom_file, whole_file
from dockyard.core.classroom_file import LONGEST_HINT
from dockyard.core.process import Lock
from dockyard.exceptions import SharingFailed, UsageError
from dockyard.sharing import evidence_file

PATIENCE = (3, 10)
"""Seconds to connect, and to wait for an answer."""

LONGEST_ANSWER = 10_000
"""Bytes."""

FILE = "evidence.json"
"""The learner's file in the learner's folder."""

HINT = "hint.json"
"""The teacher's file in the folder above."""


class Hint(msgspec.Struct, frozen=True):
    """What the teacher says to all, in one line."""

    text: str = ""


def address() -> str:
    """Where the teacher is; empty when there is none."""
    return os.environ.get("DOCKYARD_CLASSROOM", "")


def plain(text: str) -> str:
    """A hint as one line without control characters, and not longer than a hint may be."""
    line = " ".join(text.split())
    return "".join(each for each in line if each.isprintable())[:LONGEST_HINT]


def exchange() -> None:
    """Send the evidence if the learner has agreed, else remove it; note the teacher's hint.

    Raises SharingFailed.
    """
    if not address():
        return
    try:
        # One at a time, so that nothing is sent after it was removed.
        with Lock("classroom-exchange", timeout=30):
            agreed = bool(classroom_file.load().agreed)
            content = evidence_file.encode(evidence_file.collect()) if agreed else None
            answer = _ask(content) if _is_service() else _use_folder(content)
        text = plain(msgspec.json.decode(answer, type=Hint).text) if answer else ""
        with classroom_file.change() as state:
            state.hint = text
    except (OSError, msgspec.MsgspecError, RecursionError) as error:
        raise SharingFailed(address(), _reason(error)) from None


def _is_service() -> bool:
    return address().startswith(("http://", "https://"))


def _ask(content: bytes | None) -> bytes:
    """Put this learner's evidence into the service, or remove it; the answer has the hint."""
    method = "DELETE" if content is None else "PUT"
    headers = {"Authorization": f"token {os.environ.get('JUPYTERHUB_API_TOKEN', '')}"}
    with requests.Session() as session:
        # The service is on this network; a proxy for the Internet could not reach it.
        session.trust_env = False
        with session.request(
            method, f"{address().rstrip('/')}/evidence", data=content, headers=headers,
            timeout=PATIENCE, stream=True, allow_redirects=False,
        ) as answer:  # fmt: skip
            if answer.status_code != 200:
                raise OSError(f"it answered with status {answer.status_code}")
            return answer.raw.read(LONGEST_ANSWER)


def _use_folder(content: bytes | None) -> bytes:
    if content is None:
        (_folder() / FILE).unlink(missing_ok=True)
    elif _folder().is_dir():
        whole_file.write(_folder() / FILE, content)
    else:
        raise OSError(f"there is no folder {_folder()}; whoever teaches has to make it")
    hint = Path(address()).expanduser() / HINT
    return hint.read_bytes()[:LONGEST_ANSWER] if hint.is_file() else b""


def _folder() -> Path:
    return Path(address()).expanduser() / getpass.getuser()


def write_hint(folder: Path, text: str) -> str:
    """Say something to all whose teacher's folder this is; an empty text takes it back.

    Returns what they see. Raises UsageError for a text that is too long, or OSError.
    """
    if len(text) > LONGEST_HINT:
        raise UsageError(f"A hint has at most {LONGEST_HINT} characters; this has {len(text)}.")
    hint = Hint(plain(text))
    whole_file.write(folder / HINT, msgspec.json.encode(hint))
    return hint.text


def read_hint(folder: Path) -> str:
    """What is said to all; empty without a file that can be read."""
    try:
        return plain(msgspec.json.decode((folder / HINT).read_bytes(), type=Hint).text)
    except (OSError, msgspec.MsgspecError, RecursionError):
        return ""


def _reason(error: Exception) -> str:
    if isinstance(error, requests.RequestException):
        return "It does not answer."
    return f"{str(error)[:1].upper()}{str(error)[1:]}."

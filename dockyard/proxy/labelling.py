"""Adds the course's labels to what a request creates."""

from __future__ import annotations

import json
import re
import secrets
from urllib.parse import quote, unquote_plus

from dockyard.core import labels, paths

LESSON_HEADER = labels.LESSON_HEADER.lower().encode()

_VERSION = re.compile(rb"^/v\d+\.\d+(?=/)")
_BODY = {b"/containers/create", b"/networks/create", b"/volumes/create", b"/services/create"}
_QUERY = {b"/build"}

# A body longer than this is not a description of an object.
LONGEST_BODY = 16 * 1024 * 1024


def path_of(target: bytes) -> bytes:
    """The path of a request without query and API version."""
    return _VERSION.sub(b"", target.partition(b"?")[0], count=1)


def wants_body(method: bytes, target: bytes) -> bool:
    """Whether the labels of this request go into its body."""
    return method == b"POST" and path_of(target) in _BODY


def course_labels(lesson: str | None) -> dict[str, str]:
    """The labels of everything made in a lesson; an image has no others, for it gives them on."""
    return {labels.COURSE: "1"} | ({labels.LESSON: lesson} if lesson else {})


def object_labels(lesson: str | None) -> dict[str, str]:
    """The labels of a container, network or volume, and of what comes along with it."""
    mark = f"{paths.token()}.{secrets.token_hex(4)}"
    return course_labels(lesson) | {labels.HOME: mark}


def label_body(target: bytes, body: bytes, lesson: str | None) -> bytes:
    """The body with the labels added, or the same body when it is not a JSON object.

    Labels go to the object itself and to the volumes that the daemon would make for it.
    """
    document = _object(body)
    if document is None:
        return body
    added = object_labels(lesson)
    if not _merge(document, "Labels", added):
        return body
    path = path_of(target)
    if path == b"/containers/create":
        _label_mounts(_child(document, "HostConfig"), added)
    elif path == b"/services/create":
        container = _child(_child(document, "TaskTemplate"), "ContainerSpec")
        if container is not None:
            _merge(container, "Labels", added)
        _label_mounts(container, added)
    return json.dumps(document, separators=(",", ":")).encode()


def volume_requests(target: bytes, body: bytes, lesson: str | None) -> list[bytes]:
    """Requests that make, with labels, the named volumes that a container is to be bound to.

    ``docker run --volume notes:/data`` names a volume in passing, and the daemon makes it
    without any label. A volume that exists already is left as it is (Docker Engine API:
    VolumeCreate).
    """
    document = _object(body) if path_of(target) == b"/containers/create" else None
    host = _child(document, "HostConfig")
    if host is None:
        return []
    binds = host.get(_key(host, "Binds")) or []
    names = [bind.split(":")[0] for bind in binds if isinstance(bind, str) and ":" in bind]
    # A bind mount begins with a path: /srv, or on Windows C:\\ with a one-letter "name".
    names = [name for name in names if len(name) > 1 and name[0].isalnum()]
    driver = host.get(_key(host, "VolumeDriver"))
    requests = []
    for name in dict.fromkeys(names):
        volume = {"Name": name, "Labels": object_labels(lesson)}
        if driver:
            volume["Driver"] = driver
        content = json.dumps(volume).encode()
        where = (_VERSION.match(target) or [b""])[0] + b"/volumes/create"
        requests.append(
            b"POST %s HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (where, len(content), content)
        )
    return requests


def label_target(method: bytes, target: bytes, lesson: str | None) -> bytes:
    """The request target with the labels added to its query, where they belong there.

    The container in which a step of a classic build failed goes as well: the daemon itself made it,
    without a mark, so nothing else would ever remove it.
    """
    if method != b"POST" or path_of(target) not in _QUERY:
        return target
    path, _, query = target.partition(b"?")
    fields = [field for field in query.split(b"&") if field]
    found: dict[str, object] = {}
    rest = []
    for field in fields:
        name, _, value = field.partition(b"=")
        known = unquote_plus(name.decode("latin-1"))
        if known == "forcerm":
            continue
        if known != "labels":
            rest.append(field)
            continue
        try:
            found = json.loads(unquote_plus(value.decode("latin-1")) or "{}") or {}
        except ValueError:
            return target
        if not isinstance(found, dict):
            return target
    found |= course_labels(lesson)
    value = quote(json.dumps(found, separators=(",", ":")))
    return path + b"?" + b"&".join([*rest, b"forcerm=1", b"labels=" + value.encode()])


def rewrite_head(
    raw: bytes, target: bytes | None = None, length: int | None = None, drop: tuple[bytes, ...] = ()
) -> bytes:
    """The head with the headers in drop (lower case) removed, and more if asked for.

    target replaces the request target; length, in bytes, replaces whatever framed the body.
    """
    drop = (
        (*drop, b"content-length", b"transfer-encoding", b"trailer") if length is not None else drop
    )
    first, *lines = raw.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    if target is not None:
        method, _, version = first.split(b" ")
        first = b" ".join((method, target, version))
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in drop]
    if length is not None:
        kept.append(b"Content-Length: %d" % length)
    return b"\r\n".join((first, *kept, b"", b""))


def _object(body: bytes) -> dict | None:
    try:
        document = json.loads(body.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _label_mounts(parent: dict | None, added: dict[str, str]) -> None:
    mounts = parent.get(_key(parent, "Mounts")) if parent is not None else None
    for mount in mounts if isinstance(mounts, list) else []:
        if isinstance(mount, dict) and mount.get(_key(mount, "Type")) == "volume":
            key = _key(mount, "VolumeOptions")
            if mount.get(key) is None:
                mount[key] = {}
            if isinstance(mount[key], dict):
                _merge(mount[key], "Labels", added)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _key(document: dict, name: str) -> str:
    """The key that Go's decoder takes for name: it ignores case."""
    return next((key for key in document if key.lower() == name.lower()), name)


def _child(document: dict | None, name: str) -> dict | None:
    child = document.get(_key(document, name)) if document is not None else None
    return child if isinstance(child, dict) else None


def _merge(document: dict, name: str, added: dict[str, str]) -> bool:
    key = _key(document, name)
    present = document.get(key)
    if present is None:
        present = {}
    if not isinstance(present, dict):
        return False
    document[key] = present | added
    return True

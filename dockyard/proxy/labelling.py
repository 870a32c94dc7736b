"""Adds the course's labels to what a request creates."""

from __future__ import annotations

import itertools
import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote, unquote_plus

from dockyard.core import home_mark, labels
from dockyard.proxy.build_labels import BuildLabels
from dockyard.proxy.http_message import Head

LESSON_HEADER = labels.LESSON_HEADER.lower().encode()

_LABELLED_BODY = {"/containers/create", "/networks/create", "/volumes/create", "/services/create"}
_LABELLED_QUERY = {"/build"}

MAX_BODY_SIZE = 16 * 1024 * 1024
"""A longer body does not describe an object."""

Json = dict[str, Any]


class InvalidBody(ValueError):
    """A body that cannot be labelled, though the daemon might create something from it."""


def wants_body(head: Head) -> bool:
    """Whether the labels of this request belong in its body."""
    return head.method == b"POST" and head.endpoint in _LABELLED_BODY


def lesson_of(head: Head) -> str | None:
    """The lesson that a request names."""
    lesson = head.get(LESSON_HEADER)
    return lesson.decode("utf-8", "replace") if lesson else None


def course_labels(lesson: str | None) -> dict[str, str]:
    """The labels of everything made in a lesson.

    An image gets no others, because containers inherit the labels of their image.
    """
    return {labels.COURSE: "1"} | ({labels.LESSON: lesson} if lesson else {})


def object_labels(lesson: str | None, image: object = "") -> dict[str, str]:
    """The labels of a container, network, volume or service, with the mark of this home.

    image is the one that a container is asked for. Raises InvalidBody when the home has no mark.
    """
    try:
        mark = home_mark.new(image if isinstance(image, str) else "")
    except OSError as error:
        raise InvalidBody(
            f"the course cannot mark what it makes: {home_mark.secret_file()}: {error.strerror}"
        ) from None
    return course_labels(lesson) | {labels.HOME: mark}


def build_labels(head: Head) -> BuildLabels | None:
    """What labels the images that BuildKit builds over this request's connection; None for others.

    They get no label of the lesson: a lesson's own Dockerfiles have it.
    """
    if head.method != b"POST" or head.endpoint != "/grpc":
        return None
    with suppress(OSError):
        return BuildLabels(course_labels(None) | {labels.HOME: home_mark.of_builds()})
    return None


def label_body(head: Head, body: bytes, lesson: str | None) -> tuple[bytes, list[bytes]]:
    """Add the labels to a body that creates something, and to the volumes that come with it.

    Returns the new body and the requests that must reach the daemon before it: they make, with
    labels, the named volumes that a container binds. A body that the daemon refuses whatever is
    added to it is returned as it is. Raises InvalidBody.
    """
    document = _parse(head, body)
    if not isinstance(document, dict):
        return body, []
    added = object_labels(lesson, document.get(_key(document, "Image"), ""))
    if not _add_labels(document, added):
        return body, []
    requests: list[bytes] = []
    if head.endpoint == "/containers/create":
        host = _child(document, "HostConfig")
        if host is not None:
            if host.get(_key(host, "AutoRemove")) is True:
                _add_labels(document, {labels.REMOVES_ITSELF: added[labels.HOME]})
            _label_mounts(host, added)
            requests = _volume_requests(head, host, lesson)
    elif head.endpoint == "/services/create":
        container = _child(_child(document, "TaskTemplate"), "ContainerSpec")
        if container is not None:
            _add_labels(container, added)
            _label_mounts(container, added)
    return json.dumps(document, separators=(",", ":")).encode(), requests


def label_target(head: Head, lesson: str | None) -> bytes:
    """The request target, with the labels added to the query of an image build.

    ``forcerm`` makes the classic builder remove the container of a failed step. The daemon
    creates that container without labels, so nothing else would ever remove it.
    """
    if head.method != b"POST" or head.endpoint not in _LABELLED_QUERY:
        return head.target
    path, _, query = head.target.partition(b"?")
    given: str | None = None
    rest = []
    for field in filter(None, query.split(b"&")):
        name, _, value = field.decode("latin-1").partition("=")
        name = unquote_plus(name)
        if name == "labels" and given is None:
            # Go takes the first of several (net/http: Request.FormValue).
            given = unquote_plus(value)
        elif name not in ("labels", "forcerm"):
            rest.append(field)
    try:
        found = json.loads(given or "{}") or {}
    except ValueError:
        return head.target
    if not isinstance(found, dict):
        return head.target
    text = quote(json.dumps(found | course_labels(lesson), separators=(",", ":")))
    return path + b"?" + b"&".join([*rest, b"forcerm=1", b"labels=" + text.encode()])


def rewrite_head(
    raw: bytes,
    target: bytes | None = None,
    length: int | None = None,
    drop: tuple[bytes, ...] = (),
    add: tuple[bytes, ...] = (),
) -> bytes:
    """Change the lines of a head.

    drop names the headers to remove, in lower case; add holds whole header lines. target
    replaces the request target; length, in bytes, replaces the headers that frame the body.
    """
    if length is not None:
        drop += (b"content-length", b"transfer-encoding", b"trailer")
        add += (b"Content-Length: %d" % length,)
    first, *lines = raw.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    if target is not None:
        method, _, version = first.split(b" ")
        first = b" ".join((method, target, version))
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() not in drop]
    return b"\r\n".join((first, *kept, *add, b"", b""))


def _parse(head: Head, body: bytes) -> object:
    """The body as Go's encoding/json would decode it. Raises InvalidBody.

    An empty body, or null, creates a volume with a drawn name (moby: httputils.ReadJSON).
    """
    empty: Json | None = {} if head.endpoint == "/volumes/create" else None
    if not body:
        return empty
    try:
        # Go replaces invalid UTF-8 instead of refusing it.
        document = json.loads(
            body.decode("utf-8", "replace"),
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except (ValueError, RecursionError) as error:
        raise InvalidBody(f"invalid JSON: {error}") from None
    return empty if document is None else document


def _object(pairs: list[tuple[str, Any]]) -> Json:
    """An object in which a key may be given twice: the later value wins, objects are merged.

    Go decodes the second value into the same struct or map (encoding/json: Unmarshal).
    """
    document: Json = {}
    for key, value in pairs:
        document[key] = _combined(document.get(key), value)
    return document


def _combined(earlier: Any, later: Any) -> Any:
    if isinstance(earlier, dict) and isinstance(later, dict):
        return _object([*earlier.items(), *later.items()])
    return later


def _refuse_constant(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _volume_requests(head: Head, host: Json, lesson: str | None) -> list[bytes]:
    """Requests that make, with labels, the named volumes that a container binds.

    ``docker run --volume notes:/data`` only mentions a volume, and the daemon would make it
    without labels. An existing volume does not change (Docker Engine API: VolumeCreate).
    """
    binds = host.get(_key(host, "Binds"))
    binds = binds if isinstance(binds, list) else []
    names = [bind.split(":")[0] for bind in binds if isinstance(bind, str) and ":" in bind]
    # A bind mount begins with a path: /srv, or on Windows C:\\ with a one-letter "name".
    names = [name for name in names if len(name) > 1 and name[0].isalnum()]
    driver = host.get(_key(host, "VolumeDriver"))
    version = f"/v{head.version}" if head.version else ""
    requests = []
    for name in dict.fromkeys(names):
        volume = {"Name": name, "Labels": object_labels(lesson)}
        if driver:
            volume["Driver"] = driver
        content = json.dumps(volume).encode()
        requests.append(
            b"POST %s/volumes/create HTTP/1.1\r\nHost: docker\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (version.encode(), len(content), content)
        )
    return requests


def _label_mounts(parent: Json, added: dict[str, str]) -> None:
    mounts = parent.get(_key(parent, "Mounts"))
    for mount in mounts if isinstance(mounts, list) else []:
        if isinstance(mount, dict) and mount.get(_key(mount, "Type")) == "volume":
            key = _key(mount, "VolumeOptions")
            if mount.get(key) is None:
                mount[key] = {}
            if isinstance(mount[key], dict):
                _add_labels(mount[key], added)


def _key(document: Json, name: str) -> str:
    """The key under which document holds the member called name.

    Go matches keys without regard to case, and keys that differ in nothing else are the same
    member: of several, one is left.
    """
    same = [key for key in document if _folded(key) == _folded(name)]
    for earlier, later in itertools.pairwise(same):
        document[later] = _combined(document.pop(earlier), document[later])
    return same[-1] if same else name


def _folded(key: str) -> str:
    """The key as Go folds it: besides case, ſ is an s and the Kelvin sign a k."""
    return key.lower().replace("ſ", "s")


def _child(document: Json | None, name: str) -> Json | None:
    child = document.get(_key(document, name)) if document is not None else None
    return child if isinstance(child, dict) else None


def _add_labels(document: Json, added: dict[str, str]) -> bool:
    """Add labels to an object. False when it has a member of that name that is no object."""
    key = _key(document, "Labels")
    present = document.get(key)
    if present is None:
        present = {}
    if not isinstance(present, dict):
        return False
    document[key] = present | added
    return True

"""The registry browser: a registry's catalog, tags, manifests and blobs."""

from __future__ import annotations

import json
import threading
from typing import Any

from traitlets import Bool, Dict, List, Unicode

from dockyard.exceptions import DockyardError, UsageError
from dockyard.registry import server
from dockyard.registry.api import Manifest
from dockyard.views.daemon_objects import Fact
from dockyard.views.events import Event
from dockyard.views.layer_archive import as_file, read_layer
from dockyard.views.layer_stacks import human_size
from dockyard.views.remote_registry import RemoteRegistry, connect
from dockyard.views.svg import Picture
from dockyard.views.view import View

WIDTH = 752
EDGE = 16
COLUMNS = ((16, 220), (252, 150), (418, 350))
"""Left edge and width of the three columns: repositories, tags, the manifest of a tag."""

TOP = 84
ROW = 30
PART = 46
LISTED = 60
"""The most files of a layer, or lines of a configuration, that are shown."""

LARGEST = 300_000_000
"""The compressed size in bytes up to which a layer is fetched to list its files."""

ATTESTATION = "how it was built (attestation)"

MANY = 12
"""How many repositories or tags the picture lists."""


class RegistryBrowser(View):
    """The content of a registry, from its catalog down to the files of a layer."""

    address = Unicode(help="The registry's host and port.").tag(sync=True)
    repositories = List(Unicode(), help="The catalog.").tag(sync=True)
    tags = List(Unicode(), help="The tags of the chosen repository.").tag(sync=True)
    repository = Unicode(help="The chosen repository.").tag(sync=True)
    reference = Unicode(help="The chosen tag, or the digest of one platform's manifest.").tag(
        sync=True
    )
    manifest = Dict(
        help="The manifest of the chosen tag: kind, about (in words), type, digest, parts."
    ).tag(sync=True)
    blob = Dict(help="The blob that was opened last: its digest and content.").tag(sync=True)
    complaint = Unicode(help="Why the registry could not be read.").tag(sync=True)
    looking = Bool(False, help="Whether a request to the registry is running.").tag(sync=True)

    kinds = ()

    def __init__(
        self, address: str | None = None, *, user: str = "", password: str = "",
        certificate: str = "", open: str = "",
    ) -> None:  # fmt: skip
        self._reach = {"user": user, "password": password, "certificate": certificate}
        self._asked = address
        self._source: RemoteRegistry | None = None
        repository, _, reference = open.partition(":")
        super().__init__(repository=repository, reference=reference)
        self.title = f"Registry {address}" if address else "The course's registry"

    # Selection, from a cell or from the page

    def browse(self, name: str) -> None:
        """Show ``REPOSITORY`` or ``REPOSITORY:TAG``. Raises UsageError or RegistryError."""
        repository, _, reference = name.partition(":")
        self._read()
        if repository not in self.repositories:
            raise UsageError(
                f"The registry has no repository {repository!r}.",
                next=f"Choose one of: {', '.join(self.repositories) or 'none yet'}.",
            )
        self._choose(repository, reference)

    def open_blob(self, digest: str) -> None:
        """Show a blob of the chosen manifest: a configuration, or the files of a layer.

        A layer is streamed and not kept.
        """
        part = next(each for each in self.manifest["parts"] if each["digest"] == digest)
        self.blob = {"digest": digest, "kind": part["kind"]} | self._blob(part)
        self._look(None)

    def on_message(self, message: dict) -> None:
        """Show what the page asks for: a ``repository``, a ``reference`` or a ``blob``."""
        if not self.looking:
            threading.Thread(target=self._answer, args=(message,), daemon=True).start()

    def _answer(self, message: dict) -> None:
        self.looking = True
        try:
            self._find()
            if "again" in message:
                self.watch()
            elif "repository" in message:
                self._choose(message["repository"], "")
            elif "reference" in message:
                self._choose(self.repository, message["reference"])
            elif "blob" in message:
                self.open_blob(message["blob"])
            self.announce(self._chosen())
        except (DockyardError, OSError, StopIteration) as error:
            self.complaint = str(error)
            self.announce(self.complaint.splitlines()[0])
        finally:
            self.looking = False

    def _chosen(self) -> str:
        if self.blob:
            return f"The {self.blob['kind']} is open: {self.blob['about']}."
        if self.manifest:
            return f"{self.repository}:{self._short_reference()}: {self.manifest['about']}."
        if self.repository:
            return f"{self.repository}: {_count(self.tags, 'tag')}."
        return f"{_count(self.repositories, 'repository', 'repositories')}."

    # Reading

    def watch(self) -> None:
        """Read the registry now. Registries send no events, so they are read on request only."""
        with self._looking:
            self.complaint = ""
            try:
                self._read()
                if self.repository in self.repositories:
                    self._choose(self.repository, self.reference)
            except (DockyardError, OSError) as error:
                self.complaint = str(error)
            self._look(None)

    def look(self, event: Event | None) -> None:
        """Read what is selected now: the catalog, tags, a manifest or a blob."""

    def _find(self) -> RemoteRegistry:
        if self._source is None:
            if self._asked:
                self._source = connect(self._asked, **self._reach)
            else:
                self._source = connect(server.find().address)
            self.address = self._source.address
        return self._source

    def _read(self) -> None:
        found = self._find().repositories()
        # A repository stays in the catalog when its last tag is deleted.
        self.repositories = found
        if self.repository not in found:
            self.tags, self.manifest, self.blob = [], {}, {}

    def _choose(self, repository: str, reference: str) -> None:
        registry = self._find()
        self.complaint, self.blob, self.manifest = "", {}, {}
        self.repository = repository
        self.tags = registry.tags(repository)
        self.reference = reference or ("" if len(self.tags) != 1 else self.tags[0])
        if self.reference:
            self.manifest = self._manifest(registry)
        self._look(None)

    def _manifest(self, registry: RemoteRegistry) -> Fact:
        found = registry.manifest(self.repository, self.reference)
        if found is None:
            raise UsageError(
                f"{self.repository} has no tag {self.reference!r}.",
                next=f"Choose one of: {', '.join(self.tags) or 'none'}.",
            )
        if found.is_index:
            parts = [
                {
                    "kind": "manifest",
                    "label": _platform(entry),
                    "digest": entry["digest"],
                    "size": entry["size"],
                    "type": entry["mediaType"],
                }
                for entry in found.document["manifests"]
            ]
        else:
            config, *layers = found.blobs()
            named = [("configuration", config)]
            for at, layer in enumerate(layers, 1):
                # An attestation is a manifest whose "layers" are documents.
                kind = "document" if layer["mediaType"].endswith("+json") else "layer"
                named.append((f"{kind} {at}", layer))
            parts = [
                {
                    "kind": label.partition(" ")[0],
                    "label": label,
                    "digest": each["digest"],
                    "size": each["size"],
                    "type": each["mediaType"],
                }
                for label, each in named
            ]
        return {
            "kind": "index" if found.is_index else "manifest",
            "about": _about(found, parts),
            "type": found.media_type,
            "digest": found.digest,
            "parts": parts,
        }

    def _blob(self, part: Fact) -> Fact:
        registry = self._find()
        if part["kind"] in ("configuration", "document"):
            content = b"".join(registry.blob(self.repository, part["digest"]))
            lines = json.dumps(json.loads(content), indent=2, ensure_ascii=False).splitlines()
            return {"lines": lines[:LISTED], "more": max(0, len(lines) - LISTED), "about": "JSON"}
        if part["size"] > LARGEST:
            about = f"too large to be fetched ({human_size(part['size'])})"
            return {"lines": [], "more": 0, "about": about}
        contents = read_layer(as_file(registry.blob(self.repository, part["digest"])))
        if contents.problem:
            return {"lines": [], "more": 0, "about": contents.problem}
        files = sorted((contents.files or {}).items(), key=lambda each: (-each[1], each[0]))
        lines = [f"{human_size(size):>8}  {path}" for path, size in files]
        lines += [f" removed  {path}" for path in contents.removed]
        count = _count(range(contents.count), "file")
        return {
            "lines": lines[:LISTED],
            "more": max(0, contents.count + len(contents.removed) - LISTED),
            "about": f"{count}, {human_size(contents.size)} unpacked",
        }

    # Showing

    def _short_reference(self) -> str:
        return self.reference if self.reference[:7] != "sha256:" else "one platform"

    def words(self) -> str:
        """What is selected, as text."""
        lines = [self.title]
        if self.complaint:
            return "\n".join([*lines, self.complaint])
        lines.append(f"repositories: {', '.join(self.repositories) or 'none'}")
        if self.repository and self.repository in self.repositories:
            lines.append(f"tags of {self.repository}: {', '.join(self.tags) or 'none'}")
        if self.manifest:
            name = f"{self.repository}:{self._short_reference()}"
            lines.append(f"{name}: {self.manifest['about']}")
            if self.manifest["kind"] == "index":
                platforms = [each["label"] for each in _platforms(self.manifest["parts"])]
                lines.append(f"platforms: {', '.join(platforms)}")
        return "\n".join(lines)

    def draw(self) -> str:
        """Repositories, tags and the parts of the manifest, side by side."""
        parts = self.manifest.get("parts", [])
        repositories = _named(self.repositories, self.repository)
        tags = _named(self.tags, self.reference)
        rows = max(len(repositories), len(tags), 1)
        height = TOP + max(ROW * rows, 62 + PART * len(parts) if parts else 0) + 12
        if self.complaint:
            height = TOP + 66
        picture = Picture(self.title, self.words(), WIDTH + 2 * EDGE, height)
        with picture.group(css="dy-address"):
            picture.text(EDGE, 26, self.title, bold=True)
        if self.complaint:
            for row, line in enumerate(self.complaint.splitlines()[:3]):
                picture.text(EDGE, 60 + 22 * row, line, size=13, room=WIDTH, bold=row == 0)
            return str(picture)
        heads = ("repositories", "tags", "what the tag leads to")
        for (x, _), head in zip(COLUMNS, heads, strict=True):
            picture.text(x, 56, head, ink="soft", bold=True, size=13)
        self._draw_names(picture, COLUMNS[0], "repository", repositories, self.repository)
        self._draw_names(picture, COLUMNS[1], "tag", tags, self.reference)
        if self.manifest:
            self._draw_manifest(picture, parts)
        return str(picture)

    def _draw_names(
        self, picture: Picture, column: tuple, kind: str, names: list[str], chosen: str
    ) -> None:
        x, width = column
        for row, name in enumerate(names):
            y = TOP - 18 + row * ROW
            here = name == chosen
            with picture.group(f"{kind}/{name}", "dy-here" if here else ""):
                line = "accent" if here else "line"
                picture.rect(x, y, width, ROW - 6, line=line, thick=2.5 if here else 1)
                picture.text(x + 10, y + 16, name, mono=True, bold=here, size=12, room=width - 20)
        if not names and (kind == "repository" or self.repository):
            picture.text(x, TOP, "none", ink="soft", size=13)

    def _draw_manifest(self, picture: Picture, parts: list[Fact]) -> None:
        x, width = COLUMNS[2]
        y = TOP - 18
        picture.rect(x, y, width, 50, fill="paper", line="accent", thick=2)
        picture.text(x + 10, y + 20, self.manifest["about"], size=13, bold=True, room=width - 20)
        self._draw_varying(picture, x + 10, y + 39, self.manifest["digest"], None, width)
        for row, part in enumerate(parts):
            at = y + 60 + row * PART
            with picture.group(f"part/{row}"):
                picture.path(f"M{x + 14} {at - 10} V{at}", thick=2)
                picture.rect(x, at, width, PART - 8, line="line", thick=1)
                picture.text(x + 10, at + 16, part["label"], size=12, bold=True, room=width - 100)
                self._draw_varying(picture, x + 10, at + 31, part["digest"], part["size"], width)

    def _draw_varying(
        self, picture: Picture, x: float, y: float, digest: str, size: int | None, width: float
    ) -> None:
        with picture.group(css="dy-varies"):
            picture.text(x, y, digest[:19] + "…", size=11, mono=True, ink="soft")
            if size is not None:
                picture.text(x + width - 20, y, human_size(size), size=11, ink="soft", anchor="end")


def _named(names: list[str], chosen: str) -> list[str]:
    """The names that fit into the picture, including the chosen one."""
    if len(names) <= MANY:
        return names
    kept = names[:MANY]
    return kept if chosen in kept or chosen not in names else [*kept[:-1], chosen]


def _about(manifest: Manifest, parts: list[Fact]) -> str:
    if not manifest.is_index:
        kind = parts[-1]["kind"] if parts[1:] else "layer"
        return f"a manifest of a configuration and {_count(parts[1:], kind)}"
    platforms = _platforms(parts)
    others = parts[len(platforms) :]
    return f"an index of {_count(platforms, 'platform')}" + (
        f" and {_count(others, 'attestation')}" if others else ""
    )


def _platforms(parts: list[Fact]) -> list[Fact]:
    return [each for each in parts if each["label"] != ATTESTATION]


def _platform(entry: dict) -> str:
    # https://docs.docker.com/build/metadata/attestations/attestation-storage/
    annotations = entry.get("annotations") or {}
    if annotations.get("vnd.docker.reference.type") == "attestation-manifest":
        return ATTESTATION
    platform = entry.get("platform") or {}
    parts = [platform.get(key, "") for key in ("os", "architecture", "variant")]
    return "/".join(part for part in parts if part) or "some platform"


def _count(things: Any, one: str, many: str = "") -> str:
    number = len(things)
    return f"{number} {one if number == 1 else many or one + 's'}"

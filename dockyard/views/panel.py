"""The daemon panel: containers, images, networks and volumes, updated as they change."""

from __future__ import annotations

from traitlets import Dict, List, Unicode

from dockyard.views import daemon_objects
from dockyard.views.daemon_objects import Fact
from dockyard.views.events import Event
from dockyard.views.svg import STATES, Picture, width_of
from dockyard.views.view import View

KINDS = ("containers", "images", "networks", "volumes")
WIDTH = 720
COLUMN = 232
ROW = 46

_HAPPENED = {
    "create": "was created",
    "start": "is running",
    "pause": "is paused",
    "unpause": "is running again",
    "destroy": "was removed",
    "oom": "ran out of memory",
}


class Panel(View):
    """The daemon's objects, updated while cells run."""

    containers = List(Dict(), help="Each container: see daemon_objects.containers().").tag(
        sync=True
    )
    images = List(Dict(), help="Each image: see daemon_objects.images().").tag(sync=True)
    networks = List(Dict(), help="Each network: see daemon_objects.networks().").tag(sync=True)
    volumes = List(Dict(), help="Each volume: see daemon_objects.volumes().").tag(sync=True)
    place = Unicode(help="Whose objects are shown.").tag(sync=True)

    def __init__(self, *, everything: bool = False) -> None:
        self._pulled: set[str] = set()
        super().__init__(everything=everything)
        self.place = str(self.scope)
        self.title = f"Daemon panel: {self.scope}"

    def look(self, event: Event | None) -> None:
        """List the containers, images, networks and volumes."""
        before = {kind: {fact["id"]: fact for fact in getattr(self, kind)} for kind in KINDS}
        self.containers = daemon_objects.containers(self.daemon, self.scope)
        # A container that starts or exits changes nothing else.
        if event is None or event.kind != "container" or event.action in ("create", "destroy"):
            self._look_at_the_rest(event)
        if event is not None:
            self._tell(event, before)

    def _look_at_the_rest(self, event: Event | None) -> None:
        if event and event.kind == "image" and event.action in ("pull", "load", "import", "tag"):
            # Shown from now on, although images of the course belong to no lesson.
            self._pulled.update((event.id, event.name))
        used = {container["image_id"] for container in self.containers}
        self.images = daemon_objects.images(self.daemon, self.scope, used | self._pulled_ids())
        self.networks = daemon_objects.networks(self.daemon, self.scope)
        mounted = {name for container in self.containers for name in container["volumes"]}
        self.volumes = daemon_objects.volumes(self.daemon, self.scope, mounted)

    def _pulled_ids(self) -> set[str]:
        if not self._pulled:
            return set()
        return {
            image["Id"]
            for image in self.daemon.api.images()
            if image["Id"] in self._pulled or self._pulled & set(image.get("RepoTags") or [])
        }

    def _tell(self, event: Event, before: dict[str, dict[str, Fact]]) -> None:
        """Announce an event; for containers the event itself, as they may be short-lived."""
        ours = event.kind == "container" and self.scope.holds(event.attributes)
        if ours and (sentence := _container_sentence(event)):
            self.announce(sentence)
        kind = f"{event.kind}s"
        if kind in KINDS[1:]:
            now = {fact["id"]: fact for fact in getattr(self, kind)}
            for id in now.keys() - before[kind].keys():
                self.announce(f"{_titled(event, now[id])} is there.")
            for id in before[kind].keys() - now.keys():
                self.announce(f"{_titled(event, before[kind][id])} has gone.")

    def words(self) -> str:
        """A line for each kind of object."""
        lines = [self.title]
        for kind in KINDS:
            listed = [_label(kind, fact) for fact in getattr(self, kind)]
            lines.append(f"{kind}: {'; '.join(listed) or 'none'}")
        return "\n".join(lines)

    def draw(self) -> str:
        """Four columns, one for each kind of object."""
        columns = [
            (0, "containers", self.containers),
            (COLUMN + 16, "images", self.images),
            (2 * (COLUMN + 16), "networks", self.networks),
        ]
        under = max(len(self.networks), 1)
        rows = max(len(self.containers), len(self.images), under + 1 + max(len(self.volumes), 1))
        height = 74 + ROW * rows
        picture = Picture(self.title, self.words(), WIDTH + 32, height)
        picture.text(16, 26, self.title, bold=True)
        for x, kind, listed in columns:
            _draw_kind(picture, 16 + x, 54, kind, listed)
        _draw_kind(picture, 16 + columns[2][0], 54 + ROW * (under + 1), "volumes", self.volumes)
        return str(picture)


def _titled(event: Event, fact: Fact) -> str:
    return f"{event.kind.capitalize()} {fact['name'] or 'without a name'}"


def _container_sentence(event: Event) -> str:
    if event.action == "die":
        return f"{event.name} has exited with code {event.attributes.get('exitCode', '?')}."
    if event.action == "health_status":
        return f"{event.name} is {event.attributes.get('result')}."
    if event.action == "rename":
        return f"{event.attributes.get('oldName', '').lstrip('/')} is called {event.name} now."
    happened = _HAPPENED.get(event.action)
    return f"{event.name} {happened}." if happened else ""


def _state(container: Fact) -> str:
    extra = container["health"]
    if container["state"] == "exited" and container["exit_code"] is not None:
        extra = f"code {container['exit_code']}"
    return container["state"] + (f", {extra}" if extra else "")


def _label(kind: str, fact: Fact) -> str:
    name = fact["name"] or "(no name)"
    if kind == "containers":
        return f"{name} ({fact['image']}, {_state(fact)})"
    return name


def _draw_kind(picture: Picture, x: float, y: float, kind: str, listed: list[Fact]) -> None:
    picture.text(x, y, kind, ink="soft", bold=True, size=13)
    picture.text(x + width_of(kind, size=13) + 14, y, str(len(listed)), ink="soft", size=13)
    for row, fact in enumerate(listed):
        _draw_item(picture, x, y + 10 + row * ROW, kind, fact)
    if not listed:
        picture.text(x, y + 28, "none", ink="soft", size=13)


def _draw_item(picture: Picture, x: float, y: float, kind: str, fact: Fact) -> None:
    name = fact["name"] or "(no name)"
    room = COLUMN - 20
    if kind == "containers":
        picture.rect(x, y, COLUMN, ROW - 8, state=fact["state"])
        picture.text(x + 10, y + 16, name, size=13, mono=True, bold=True, room=room)
        words = f"{STATES[fact['state']][2]} {_state(fact)}"
        picture.text(x + 10, y + 32, words, size=12)
        left = room - width_of(words, size=12) - 8
        image = fact["image"]
        picture.text(
            x + COLUMN - 10, y + 32, image, size=12, ink="soft", anchor="end", room=max(left, 30)
        )
    else:
        picture.rect(x, y, COLUMN, ROW - 8, fill="card", line="line", thick=1)
        picture.text(x + 10, y + 24, name, size=13, mono=True, room=room)

"""The network map: networks, the containers in them, addresses and published ports."""

from __future__ import annotations

import threading

from traitlets import Bool, Dict, List, Unicode

from dockyard.exceptions import DockyardError, UsageError
from dockyard.notebook.palette import COLOURS as HUES
from dockyard.notebook.palette import INK
from dockyard.views import daemon_objects, reachability
from dockyard.views.daemon_objects import Fact
from dockyard.views.events import UNREACHABLE, Event
from dockyard.views.reachability import ConnectionAttempt
from dockyard.views.svg import STATES, Picture
from dockyard.views.view import View

BUILT_IN = {
    "bridge": "built in, no names",
    "host": "your computer's own",
    "none": "no network at all",
}
"""Remarks about the predefined networks."""

OUTSIDE = (16, 128)
CONTAINERS = (220, 270)
NETWORKS = (596, 200)
"""Left edge and width of the three columns."""

WIDTH = NETWORKS[0] + NETWORKS[1] + 16
TOP = 64
ROW = 20
GAP = 14
HEAD = 28


class NetworkMap(View):
    """Networks, containers, addresses and published ports; tries connections on request."""

    containers = List(Dict(), help="Each container: see daemon_objects.containers().").tag(
        sync=True
    )
    networks = List(Dict(), help="Each network: see daemon_objects.networks().").tag(sync=True)
    trying = Bool(False, help="Whether a connection is being tried.").tag(sync=True)
    attempt = Dict(help="The last connection that was tried, and its result.").tag(sync=True)
    complaint = Unicode(help="Why no connection could be tried.").tag(sync=True)

    kinds = ("container", "network")

    def __init__(self, *, everything: bool = False) -> None:
        super().__init__(everything=everything)
        self.title = f"Network map: {self.scope}"

    def try_connection(self, source: str, target: str, port: int | str = 80) -> ConnectionAttempt:
        """Connect from one container to a port of another, by name and by address.

        Takes up to 2 s per address that does not answer. Raises UsageError for a container that
        is not on the map.
        """
        port = reachability.checked_port(port)
        self.watch()
        found = {container["name"]: container for container in self.containers}
        for name in (source, target):
            if name not in found:
                raise UsageError(
                    f"The map shows no container {name!r}.",
                    next=f"Choose two of: {', '.join(found) or 'none yet'}.",
                )
        self.trying, self.complaint = True, ""
        try:
            result = reachability.attempt(
                self.daemon, found[source], found[target], port, self.scope.lesson
            )
        finally:
            self.trying = False
        self.attempt = vars(result) | {"works": result.works, "text": str(result)}
        return result

    def on_message(self, message: dict) -> None:
        """Try a connection when the page asks: ``{"try": [source, target, port]}``."""
        if "try" in message and not self.trying:
            threading.Thread(target=self._try, args=message["try"], daemon=True).start()

    def _try(self, *asked: str) -> None:
        try:
            self.try_connection(*asked)
        except (DockyardError, OSError, *UNREACHABLE) as error:
            self.complaint = str(error)

    def look(self, event: Event | None) -> None:
        """Read the containers and networks, and which is connected to which."""
        before = {container["id"]: container for container in self.containers}
        self.containers = daemon_objects.containers(self.daemon, self.scope)
        used = {name for container in self.containers for name in container["networks"]}
        ours = {network["id"] for network in daemon_objects.networks(self.daemon, self.scope)}
        every = daemon_objects.networks(self.daemon, type(self.scope)(everything=True))
        self.networks = [each for each in every if each["id"] in ours or each["name"] in used]
        if event is not None:
            self._tell(before)

    def _tell(self, before: dict[str, Fact]) -> None:
        for container in self.containers:
            was = before.get(container["id"], {"networks": {}, "state": ""})
            had = {name for name, address in was["networks"].items() if address}
            has = {name for name, address in container["networks"].items() if address}
            for name in sorted(has - had):
                self.announce(f"{container['name']} is in the network {name}.")
            for name in sorted(had - has):
                self.announce(f"{container['name']} is out of the network {name}.")

    def words(self) -> str:
        """Each network with its containers and published ports."""
        lines = [self.title]
        for network in self.networks:
            members = [
                each["name"] for each in self.containers if network["name"] in each["networks"]
            ]
            lines.append(f"{network['name']}: {', '.join(members) or 'nobody'}")
        for container in self.containers:
            lines += [
                f"{container['name']}: {port['outside']} → {port['inside']}"
                for port in container["ports"]
                if port["outside"]
            ]
        return "\n".join(lines if len(lines) > 1 else [*lines, "no networks, no containers"])

    def draw(self) -> str:
        """Networks as lines, containers as boxes on them."""
        left = _Column(TOP)
        boxes = {each["id"]: left.place(HEAD + ROW * len(_rows(each))) for each in self.containers}
        right = _Column(TOP)
        nets = {each["name"]: right.place(52) for each in self._sorted_networks()}
        height = max(left.bottom, right.bottom, TOP + 60) + 4
        picture = Picture(self.title, self.words(), WIDTH, height)
        picture.text(16, 26, self.title, bold=True)
        for x, head in (
            (OUTSIDE[0], "outside"),
            (CONTAINERS[0], "containers"),
            (NETWORKS[0], "networks"),
        ):
            picture.text(x, 52, head, ink="soft", bold=True, size=13)
        made = [each["name"] for each in self.networks if each["name"] not in ("host", "none")]
        hues = dict.fromkeys(("host", "none"), INK)
        hues |= {name: HUES[at % len(HUES)] for at, name in enumerate(made)}
        self._draw_lines(picture, boxes, nets, hues)
        for container in self.containers:
            _draw_container(picture, boxes[container["id"]], container, hues)
        for network in self.networks:
            _draw_network(picture, nets[network["name"]], network, hues[network["name"]])
        for x, listed in ((CONTAINERS[0], self.containers), (NETWORKS[0], self.networks)):
            if not listed:
                picture.text(x, TOP + 18, "none", ink="soft", size=13)
        return str(picture)

    def _sorted_networks(self) -> list[Fact]:
        """The networks in the order of their containers, so that few lines cross."""
        place = {each["name"]: at for at, each in enumerate(self.containers)}

        def middle(network: Fact) -> float:
            members = [
                place[each["name"]]
                for each in self.containers
                if network["name"] in each["networks"]
            ]
            return sum(members) / len(members) if members else len(place)

        return sorted(self.networks, key=lambda each: (middle(each), each["name"]))

    def _draw_lines(self, picture: Picture, boxes: dict, nets: dict, hues: dict) -> None:
        doors = []
        for container in self.containers:
            top = boxes[container["id"]]
            for row, (kind, words, _) in enumerate(_rows(container)):
                y = top + HEAD + ROW * row + 6
                if kind == "network" and words in nets:
                    x, end, to = CONTAINERS[0] + CONTAINERS[1], NETWORKS[0], nets[words] + 26
                    with picture.group(f"line/{container['name']}/{words}"):
                        bend = (x + end) / 2
                        steps = f"M{x} {y} C{bend} {y} {bend} {to} {end} {to}"
                        picture.path(steps, hue=hues[words], thick=2.5)
                elif kind == "port" and words:
                    doors.append(y)
                    end = OUTSIDE[0] + OUTSIDE[1]
                    with picture.group(f"door/{container['name']}/{row}"):
                        picture.path(f"M{end} {y} H{CONTAINERS[0] - 6}", line="soft", thick=2)
                        picture.head(CONTAINERS[0], y, "right", line="soft")
        if doors:
            x, width = OUTSIDE
            top = min(doors) - 22
            picture.rect(x, top, width, max(doors) + 22 - top, fill="card", line="line")
            middle = (min(doors) + max(doors)) / 2
            picture.text(x + width / 2, middle + 5, "your computer", size=13, anchor="middle")


class _Column:
    """Stacks boxes from top to bottom."""

    def __init__(self, top: float) -> None:
        self.bottom = top

    def place(self, height: float) -> float:
        """Reserve height for the next box; return its upper edge."""
        top = self.bottom
        self.bottom += height + GAP
        return top


def _rows(container: Fact) -> list[tuple[str, str, str]]:
    """The rows of a container's box: networks with addresses, ports with published addresses."""
    rows = [("network", name, address) for name, address in sorted(container["networks"].items())]
    rows += [("port", port["outside"], port["inside"]) for port in container["ports"]]
    return rows


def _draw_container(picture: Picture, top: float, container: Fact, hues: dict) -> None:
    x, width = CONTAINERS
    rows = _rows(container)
    with picture.group(f"container/{container['name']}"):
        picture.rect(x, top, width, HEAD + ROW * len(rows), state=container["state"])
        picture.text(x + 10, top + 19, container["name"], mono=True, bold=True, size=13, room=140)
        words = f"{STATES[container['state']][2]} {container['state']}"
        picture.text(x + width - 10, top + 19, words, size=12, anchor="end")
        for row, (kind, words, value) in enumerate(rows):
            y = top + HEAD + ROW * row + 10
            if kind == "network":
                picture.text(x + 10, y, words, size=12, room=130)
                picture.text(
                    x + 150, y, value or "no address", size=12, mono=True, css="dy-address"
                )
                if words in hues:
                    picture.circle(x + width, y - 4, 5, hue=hues[words])
            else:
                picture.text(x + 10, y, f"port {value}", size=12)
                shown = f"open as {words}" if words else "no door outside"
                picture.text(x + width - 10, y, shown, size=12, anchor="end", ink="soft")


def _draw_network(picture: Picture, top: float, network: Fact, hue: str) -> None:
    x, width = NETWORKS
    with picture.group(f"network/{network['name']}"):
        picture.rect(x, top, width, 52, fill="card", hue=hue, thick=2)
        picture.text(
            x + 12, top + 21, network["name"], mono=True, bold=True, size=13, room=width - 114
        )
        picture.text(
            x + width - 10, top + 21, network["subnet"], size=11, mono=True, ink="soft",
            anchor="end", css="dy-address",
        )  # fmt: skip
        about = BUILT_IN.get(network["name"], f"driver {network['driver']}")
        if network["internal"]:
            about += ", internal"
        picture.text(x + 12, top + 40, about, size=12, ink="soft", room=width - 20)
        picture.circle(x, top + 26, 6, hue=hue)

"""The life cycle of a container: all states, the current one, and the commands that leave it."""

from __future__ import annotations

import docker
from traitlets import Dict, Int, List, Unicode

from dockyard.views import daemon_objects
from dockyard.views.events import Event
from dockyard.views.svg import STATES, Picture
from dockyard.views.view import View

WAYS = {
    "created": (
        ("docker start {name}", "running"),
        ("docker restart {name}", "running"),
        ("docker rm {name}", "removed"),
    ),
    "running": (
        ("docker pause {name}", "paused"),
        ("docker stop {name}", "exited"),
        ("docker kill {name}", "exited"),
        ("docker restart {name}", "running"),
        ("docker rm --force {name}", "removed"),
    ),
    "paused": (
        ("docker unpause {name}", "running"),
        ("docker stop {name}", "exited"),
        ("docker kill {name}", "exited"),
        ("docker restart {name}", "running"),
        ("docker rm --force {name}", "removed"),
    ),
    "restarting": (
        ("docker stop {name}", "exited"),
        ("docker kill {name}", "exited"),
        ("docker rm --force {name}", "removed"),
    ),
    "exited": (
        ("docker start {name}", "running"),
        ("docker restart {name}", "running"),
        ("docker rm {name}", "removed"),
    ),
    "dead": (("docker rm --force {name}", "removed"),),
    "removing": (),
    "removed": (
        ("docker create --name {name} IMAGE", "created"),
        ("docker run --name {name} IMAGE", "running"),
    ),
}
"""The commands that leave each state, with the next state. A test tries them on a daemon."""

ABOUT = {
    "created": "made from its image, nothing started yet",
    "running": "its first process is at work",
    "paused": "its processes are frozen in memory",
    "restarting": "has ended; the daemon starts it again in a moment",
    "exited": "its first process has ended; its files are kept",
    "dead": "could not be removed completely",
    "removing": "is being removed",
    "removed": "the daemon knows no container of this name",
}

BOX = (124, 46)
PLACES = {
    "created": (24, 150),
    "running": (222, 150),
    "paused": (222, 50),
    "restarting": (222, 250),
    "exited": (490, 150),
    "dead": (602, 250),
    "removed": (672, 150),
}
WIDTH = 820
DIAGRAM = 310
LINE = 22
ALL_WAYS = 5
"""The most commands of any state. The picture has room for them, so its height is constant."""


class LifeCycle(View):
    """The state diagram of one container: its state, and the commands that are possible now."""

    name = Unicode(help="The container's name.").tag(sync=True)
    state = Unicode("removed", help="Its state, or removed.").tag(sync=True)
    exit_code = Int(None, allow_none=True, help="The exit code of its program.").tag(sync=True)
    commands = List(Dict(), help="Commands that are possible now, each with the next state.").tag(
        sync=True
    )

    kinds = ("container",)

    def __init__(self, name: str) -> None:
        self._id = ""
        super().__init__(name=name)

    def look(self, event: Event | None) -> None:
        """Read the state of the container."""
        if event is not None and not self._concerns(event):
            return
        before = self.state
        try:
            found = self.daemon.api.inspect_container(self.name)
        except docker.errors.NotFound:
            self.state, self.exit_code, self._id = "removed", None, ""
        else:
            self._id = found["Id"]
            self.state = daemon_objects.state(found["State"]["Status"])
            ended = self.state in ("exited", "dead", "restarting")
            self.exit_code = found["State"]["ExitCode"] if ended else None
        self.title = f"Life cycle of {self.name}: {self._state()}"
        self.commands = [
            {"command": command.format(name=self.name), "leads_to": state}
            for command, state in WAYS.get(self.state, ())
        ]
        if event is not None and self.state != before:
            self.announce(f"{self.name}: {before} → {self._state()}.")

    def _concerns(self, event: Event) -> bool:
        if event.action == "rename" and event.id == self._id:
            self.name = event.name
        return self.name == event.name or (event.id != "" and event.id == self._id)

    def _state(self) -> str:
        return self.state if self.exit_code is None else f"{self.state}, exit code {self.exit_code}"

    def words(self) -> str:
        """The state and the commands that lead out of it."""
        lines = [self.title, f"({ABOUT.get(self.state, '')})"]
        lines += [f"{each['command']} → {each['leads_to']}" for each in self.commands]
        return "\n".join(lines)

    def draw(self) -> str:
        """All states, the current one highlighted."""
        height = DIAGRAM + 34 + LINE * ALL_WAYS
        picture = Picture(self.title, self.words(), WIDTH, height)
        picture.text(24, 28, self.title, bold=True)
        legal = {each["leads_to"] for each in self.commands}
        self._draw_ways(picture, legal)
        for state in PLACES:
            self._draw_state(picture, state)
        about = f"{self.state}: {ABOUT.get(self.state, '')}."
        picture.text(24, DIAGRAM + 20, about + (" Now possible:" if self.commands else ""), size=13)
        for row, each in enumerate(self.commands):
            y = DIAGRAM + 46 + row * LINE
            picture.text(24, y, each["command"], mono=True, size=13, room=390)
            picture.text(430, y, f"→ {each['leads_to']}", size=13)
        return str(picture)

    def _draw_state(self, picture: Picture, state: str) -> None:
        x, y = PLACES[state]
        width, height = BOX
        here = state == self.state or (state == "removed" and self.state == "removing")
        with picture.group(f"state/{state}", "dy-here" if here else ""):
            if here:
                picture.rect(x - 5, y - 5, width + 10, height + 10, fill="accent", radius=10)
                picture.rect(x - 2, y - 2, width + 4, height + 4, fill="paper", radius=8)
            shown = {"state": state} if here else {"fill": "card", "line": "line", "thick": 1}
            picture.rect(x, y, width, height, **shown)
            words = f"{STATES[state][2]} {state}"
            picture.text(
                x + width / 2, y + 28, words, bold=here, anchor="middle",
                ink="ink" if here else "soft",
            )  # fmt: skip

    def _draw_ways(self, picture: Picture, legal: set[str]) -> None:
        # Arrowheads keep a distance from the boxes, for the frame of the current state.
        at = self.state

        def way(source: str, to: str, label: str, steps: str, head: tuple, place: tuple) -> None:
            # Dashed: changes that the daemon makes itself, without a command.
            own = label.startswith("(")
            lit = at == source and (own or to in legal)
            line = "accent" if lit and not own else "line"
            with picture.group(f"way/{source}/{to}", "dy-lit" if lit else ""):
                picture.path(steps, line=line, thick=2.5 if lit and not own else 1.5, dashed=own)
                picture.head(*head, line=line)
                x, y, anchor = place
                ink = "ink" if lit else "soft"
                picture.text(x, y, label, size=12, anchor=anchor, ink=ink, bold=lit and not own)

        way(
            "created", "running", "start",
            "M148 173 H210", (216, 173, "right"), (182, 166, "middle"),
        )  # fmt: skip
        way("running", "paused", "pause", "M250 150 V108", (250, 102, "up"), (242, 124, "end"))
        way("paused", "running", "unpause", "M290 96 V138", (290, 144, "down"), (298, 122, "start"))
        way(
            "running", "exited", "stop, kill, its end",
            "M346 164 H478", (484, 164, "right"), (415, 156, "middle"),
        )  # fmt: skip
        way("exited", "running", "start", "M490 184 H358", (352, 184, "left"), (421, 200, "middle"))
        way("exited", "removed", "rm", "M614 173 H660", (666, 173, "right"), (640, 166, "middle"))
        way(
            "running", "restarting", "(ends, policy says again)",
            "M260 196 V238", (260, 244, "down"), (252, 228, "end"),
        )  # fmt: skip
        way(
            "restarting", "running", "(the daemon starts it)",
            "M310 250 V208", (310, 202, "up"), (318, 228, "start"),
        )  # fmt: skip
        way(
            "exited", "dead", "(removal fails)",
            "M552 196 V273 H590", (596, 273, "right"), (544, 264, "end"),
        )  # fmt: skip
        way("dead", "removed", "rm --force", "M734 250 V208", (734, 202, "up"), (742, 228, "start"))
        way(
            "created", "removed", "rm",
            "M60 150 V112 Q60 40 132 40 H662 Q734 40 734 112 V138",
            (734, 144, "down"), (100, 66, "start"),
        )  # fmt: skip
        way(
            "running", "removed", "rm --force",
            "M332 150 V140 Q332 134 340 134 H690 Q704 134 704 138",
            (704, 144, "down"), (560, 128, "middle"),
        )  # fmt: skip

"""The machine engine: a real dockerd in a small virtual machine, without privileges.

What runs is one process tree a home: the network helper (guest/network.c) with the machine as
its child. How the machine itself is run is found out by trying (ways.py).
"""

from __future__ import annotations

import json
import platform
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import psutil

from dockyard import paths, wait
from dockyard.engine import choice, handover, image, limits, packages, qemu, suspended
from dockyard.engine.base import Engine, Need, Say, Upstream, disk_space
from dockyard.engine.choice import Verdict
from dockyard.engine.discovery import Candidate, architecture, probe
from dockyard.engine.suspended import Suspended
from dockyard.engine.ways import Boot, Way
from dockyard.exceptions import DiskFull, EngineStartFailed, EngineUnavailable, StateLost
from dockyard.process import Lock, Service

STOP_TIMEOUT = 40.0

DATA_DISK = 20 * 1024**3
"""Most bytes the machine's disk may take; the file is sparse and grows as it fills."""

ROOM_TO_RUN = 1 * 1024**3
"""Free bytes below which the machine is not started: the lessons' images and layers."""

REMOVE_DATA = (
    "Begin with an empty disk:  python3 -m dockyard engine stop; rm {disk}; "
    "python3 -m dockyard engine start --engine machine"
)


class MachineEngine(Engine):
    """dockerd in a virtual machine without any privilege."""

    name: ClassVar[str] = "machine"
    title: ClassVar[str] = "a Docker daemon in a small virtual machine, without privileges"
    # guest/init leads this port on to the registry. Not the default bridge's gateway: an engine in
    # a container of another network gives that address to its own bridge.
    inner_mirror: ClassVar[str] = "http://192.168.127.2:5050"

    def __init__(self) -> None:
        self.service = Service("machine")
        self.run = paths.run_dir() / "machine"
        self.socket = paths.run_dir() / "machine.sock"
        self.data_disk = image.folder() / "data.ext4"
        self.state = Suspended(image.folder() / "suspended", self.data_disk)

    def needs(self) -> list[Need]:
        """Linux on amd64, a client, memory, disk space, and the artefacts or what builds them."""
        return list(self._needs(list(choice.verdicts())))

    def _needs(self, verdicts: list[Verdict]) -> Iterator[Need]:
        system = f"{platform.system()} on {architecture()}"
        yield Need("Linux on amd64", system == "Linux on amd64", system)
        yield packages.client()
        memory = limits.memory()
        yield Need(
            "memory",
            limits.machine_memory(memory) is not None,
            f"{memory / 1e9:.1f} GB, {limits.LEAST_TOTAL / 1e9:.1f} GB needed",
            "Close other programs, or use a machine with more memory.",
        )
        yield disk_space(
            ROOM_TO_RUN,
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn --engine machine",
        )
        remedies = [verdict.next for verdict in verdicts if verdict.next]
        yield Need(
            "a way to run it",
            not all(verdict.why for verdict in verdicts),
            "; ".join(map(str, verdicts)),
            (remedies or [f"{qemu.INSTALL}, or use a host with seccomp filters."])[0],
        )

    def upstream(self) -> Upstream | None:
        """The machine's socket, when its daemon answers."""
        if self.service.process() is None:
            return None
        found = self._ask(timeout=5)
        return found.upstream if found.verdict == "answers" else None

    def _ask(self, timeout: float) -> Candidate:
        return probe("the machine", Upstream(f"unix://{self.socket}"), timeout)

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Upstream:
        """Start the machine, or find it running; repairs what a killed one left.

        The first start of a home fetches or builds the artefacts. A way that does not work after
        all is left for the next one.
        """
        with Lock("machine-start", timeout=3600):
            if running := self.upstream():
                return running
            self._end(say)
            tried: list[Verdict] = []
            for verdict in choice.verdicts():
                if verdict.why:
                    tried.append(verdict)
                    continue
                self._check([verdict])
                found = self._try(verdict.way, tried, mirror, say)
                if isinstance(found, Upstream):
                    return found
                tried.append(found)
            self._check(tried)
            raise EngineUnavailable(
                "The machine engine found no way to run here.",
                "\n".join(map(str, tried)),
                f"Next:  {qemu.INSTALL}",
            )

    def _try(
        self, way: Way, before: list[Verdict], mirror: str | None, say: Say
    ) -> Upstream | Verdict:
        rested = self._launch(way, before, mirror, say)
        try:
            if rested:
                way.wake(self.run, self.state)
            return wait.until(
                "the machine's Docker daemon to answer",
                lambda: self._answering(was_ready=rested),
                timeout=way.start_timeout,
                log=self.service.log,
                error=EngineStartFailed,
                next="Try once more:  python3 -m dockyard engine start --engine machine",
            )
        except StateLost as error:
            say(f"the machine is booted, as its saved state is of no use: {error.what}")
            self.service.stop(timeout=5)
            self.state.discard()
            return self._try(way, before, mirror, say)
        except EngineStartFailed as error:
            if wait.tail(self._daemon_log) or self._ended.exists():
                raise  # the machine works; what failed is in it
            self._end(say)
            why = (error.why.strip().splitlines() or [error.what])[-1]
            say(f"{way.title} does not work here: {why}")
            return Verdict(way, why)

    def _launch(self, way: Way, before: list[Verdict], mirror: str | None, say: Say) -> bool:
        """Start the processes. Returns whether they go on from a saved state."""
        artefacts = image.prepare(say, way.kernel)
        self._prepare_disk()
        memory = limits.machine_memory(limits.memory())
        lan = handover.lan() if way.has_lan else None
        boot = Boot(artefacts, self.run, memory, handover.shared_folders(), lan)
        handover.write(boot, way, self.data_disk, mirror)
        command = way.command(boot)
        name = ""
        if way.rests:
            words = [*command.words, *vars(artefacts).values()]
            name = suspended.name_of(words, self.run / "guest")
        rested = way.rests and self.state.fits(name)
        if not rested:
            self.state.discard()
        note = {"way": way.name, "title": way.title, "before": list(map(str, before))}
        self._note.write_text(json.dumps({**note, "machine": name}))
        verb = "waking" if rested else "starting"
        say(f"{verb} the machine: {way.title} with {memory >> 20} MiB")
        second = ["--lan", lan.folder, str(lan.number), self.run / "lan.sock"] if lan else []
        ends = [self.socket, command.cable, self.run / "control.sock"]
        words = [*command.words, *(way.loading(self.state) if rested else ())]
        self.service.start(
            [artefacts.network, *second, *ends, str(command.cpu), *words], env=command.env
        )
        return rested

    @property
    def _note(self) -> Path:
        return self.run / "way.json"

    def remark(self) -> str:
        """Which way the machine that runs now is run, and why no faster one."""
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return ""
        before = "".join(f"; not {reason}" for reason in note["before"])
        return f"{note['title']} ({note['way']}{before})"

    def _check(self, verdicts: list[Verdict]) -> None:
        for need in self._needs(verdicts):
            if need.met:
                continue
            if need.name == "disk space":
                raise DiskFull(
                    "There is too little free disk space for the machine.",
                    f"{need.found}.",
                    f"Next:  {need.next}",
                )
            raise EngineUnavailable(
                f"The machine engine cannot run here: {need.name} is missing.",
                f"Found: {need.found}.",
                f"Next:  {need.next or 'python3 -m dockyard doctor'}",
            )

    def _prepare_disk(self) -> None:
        if self.data_disk.exists():
            return
        free = shutil.disk_usage(image.folder()).free
        # Full inside before it is full outside: dockerd can say so, and nothing breaks.
        image.make_data_disk(self.data_disk, min(DATA_DISK, free - ROOM_TO_RUN // 4) >> 20 << 20)

    def _answering(self, was_ready: bool) -> Upstream | None:
        if self.service.process() is None:
            raise EngineStartFailed(
                "The machine ended instead of starting.",
                self._last_words(),
                self._recovery(),
            )
        # Asking earlier would only add to what the starting daemon has to do.
        if not was_ready and "API listen on" not in wait.tail(self._daemon_log, 40):
            return None
        found = self._ask(timeout=5)
        return found.upstream if found.verdict == "answers" else None

    @property
    def _daemon_log(self) -> Path:
        return self.run / "guest" / "dockerd.log"

    @property
    def _ended(self) -> Path:
        return self.run / "guest" / "ended"

    def _last_words(self) -> str:
        if self._ended.exists():
            return self._ended.read_text().strip()
        return wait.tail(self.service.log, 8)

    def _recovery(self) -> str:
        if "disk is damaged" in self._last_words():
            return REMOVE_DATA.format(disk=shlex.quote(str(self.data_disk)))
        return f"Read {self.service.log}, then:  python3 -m dockyard doctor"

    def stop(self, say: Say) -> None:
        """Stop the containers and end the machine, with a clean disk or a saved state."""
        with Lock("machine-start", timeout=3600):
            if not self._rest(say):
                self._end(say)
            shutil.rmtree(self.run, ignore_errors=True)
            self.socket.unlink(missing_ok=True)

    def _rest(self, say: Say) -> bool:
        """Save the state of a machine that boots slowly; False where it is still to be ended."""
        try:
            note = json.loads(self._note.read_text())
            (way,) = (way for way in choice.WAYS if way.name == note["way"] and way.rests)
        except (OSError, ValueError):
            return False
        room = shutil.disk_usage(image.folder()).free - ROOM_TO_RUN
        if room < limits.machine_memory(limits.memory()):
            return False
        upstream = self.upstream()
        if upstream is None or not suspended.quieten(upstream.address):
            return False
        process = self.service.process()
        try:
            way.rest(self.run, self.state.half)
            process.wait(STOP_TIMEOUT)
        except (StateLost, psutil.Error) as error:
            say(f"the machine's state is not saved, so the next start boots it: {error}")
            self.state.discard()
            return False
        self.state.keep(note["machine"])
        self.service.stop()
        return True

    def _end(self, say: Say) -> None:
        process = self.service.process()
        if process is not None and any(way.ask_to_stop(self.run) for way in choice.WAYS):
            try:
                process.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                say("the machine did not stop by itself and is ended")
        self.service.stop(timeout=5)

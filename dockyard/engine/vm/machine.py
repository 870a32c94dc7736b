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

from dockyard.core import paths, wait
from dockyard.core.console import Say
from dockyard.core.process import Lock, Service
from dockyard.engine import system_packages
from dockyard.engine.base import Endpoint, Engine, Need, disk_space
from dockyard.engine.discovery import Candidate, architecture, probe
from dockyard.engine.vm import artifacts, guest_folder, qemu, resources, selection, suspended
from dockyard.engine.vm.backend import Backend, Boot
from dockyard.engine.vm.selection import Trial
from dockyard.engine.vm.suspended import Suspended
from dockyard.exceptions import DiskFull, EngineStartFailed, EngineUnavailable, StateLost

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
        self.data_disk = artifacts.folder() / "data.ext4"
        self.state = Suspended(artifacts.folder() / "suspended", self.data_disk)

    def needs(self) -> list[Need]:
        """Linux on amd64, a client, memory, disk space, and the artefacts or what builds them."""
        return list(self._needs(list(selection.trials())))

    def _needs(self, trials: list[Trial]) -> Iterator[Need]:
        system = f"{platform.system()} on {architecture()}"
        yield Need("Linux on amd64", system == "Linux on amd64", system)
        yield system_packages.client()
        memory = resources.memory()
        yield Need(
            "memory",
            resources.machine_memory(memory) is not None,
            f"{memory / 1e9:.1f} GB, {resources.LEAST_TOTAL / 1e9:.1f} GB needed",
            "Close other programs, or use a machine with more memory.",
        )
        yield disk_space(
            ROOM_TO_RUN,
            "DOCKYARD_HOME=/a/larger/disk python3 -m dockyard learn --engine machine",
        )
        remedies = [trial.next for trial in trials if trial.next]
        yield Need(
            "a way to run it",
            not all(trial.why for trial in trials),
            "; ".join(map(str, trials)),
            (remedies or [f"{qemu.INSTALL}, or use a host with seccomp filters."])[0],
        )

    def endpoint(self) -> Endpoint | None:
        """The machine's socket, when its daemon answers."""
        if self.service.process() is None:
            return None
        found = self._ask(timeout=5)
        return found.endpoint if found.verdict == "answers" else None

    def _ask(self, timeout: float) -> Candidate:
        return probe("the machine", Endpoint(f"unix://{self.socket}"), timeout)

    def start(self, say: Say, *, mirror: str | None = None, install: bool = False) -> Endpoint:
        """Start the machine, or find it running; repairs what a killed one left.

        The first start of a home fetches or builds the artefacts. When a backend turns out not to
        work here, the next one is tried.
        """
        with Lock("machine-start", timeout=3600):
            if running := self.endpoint():
                return running
            self._end(say)
            tried: list[Trial] = []
            for trial in selection.trials():
                if trial.why:
                    tried.append(trial)
                    continue
                self._check([trial])
                found = self._try(trial.backend, tried, mirror, say)
                if isinstance(found, Endpoint):
                    return found
                tried.append(found)
            self._check(tried)
            raise EngineUnavailable(
                "The machine engine found no way to run here.",
                "\n".join(map(str, tried)),
                f"Next:  {qemu.INSTALL}",
            )

    def _try(
        self, backend: Backend, before: list[Trial], mirror: str | None, say: Say
    ) -> Endpoint | Trial:
        rested = self._launch(backend, before, mirror, say)
        try:
            if rested:
                backend.wake(self.run, self.state)
            return wait.until(
                "the machine's Docker daemon to answer",
                lambda: self._answering(was_ready=rested),
                timeout=backend.start_timeout,
                log=self.service.log,
                error=EngineStartFailed,
                next="Try once more:  python3 -m dockyard engine start --engine machine",
            )
        except StateLost as error:
            say(f"the machine is booted, as its saved state is of no use: {error.what}")
            self.service.stop(timeout=5)
            self.state.discard()
            return self._try(backend, before, mirror, say)
        except EngineStartFailed as error:
            if wait.tail(self._daemon_log) or self._ended.exists():
                raise  # the machine works; what failed is in it
            self._end(say)
            why = (error.why.strip().splitlines() or [error.what])[-1]
            say(f"{backend.title} does not work here: {why}")
            return Trial(backend, why)

    def _launch(self, backend: Backend, before: list[Trial], mirror: str | None, say: Say) -> bool:
        """Start the processes. Returns whether they go on from a saved state."""
        artefacts = artifacts.prepare(say, backend.kernel)
        self._prepare_disk()
        memory = resources.machine_memory(resources.memory())
        lan = guest_folder.lan() if backend.has_lan else None
        boot = Boot(artefacts, self.run, memory, guest_folder.shared_folders(), lan)
        guest_folder.write(boot, backend, self.data_disk, mirror)
        command = backend.command(boot)
        name = ""
        if backend.rests:
            words = [*command.words, *vars(artefacts).values()]
            name = suspended.name_of(words, self.run / "guest")
        rested = backend.rests and self.state.fits(name)
        if not rested:
            self.state.discard()
        note = {"way": backend.name, "title": backend.title, "before": list(map(str, before))}
        self._note.write_text(json.dumps({**note, "machine": name}))
        verb = "waking" if rested else "starting"
        say(f"{verb} the machine: {backend.title} with {memory >> 20} MiB")
        second = ["--lan", lan.folder, str(lan.number), self.run / "lan.sock"] if lan else []
        ends = [self.socket, command.cable, self.run / "control.sock"]
        words = [*command.words, *(backend.loading(self.state) if rested else ())]
        self.service.start(
            [artefacts.network, *second, *ends, str(command.cpu), *words], env=command.env
        )
        return rested

    @property
    def _note(self) -> Path:
        return self.run / "backend.json"

    def remark(self) -> str:
        """Which backend runs the machine now, and why no faster one does."""
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return ""
        before = "".join(f"; not {reason}" for reason in note["before"])
        return f"{note['title']} ({note['way']}{before})"

    def _check(self, trials: list[Trial]) -> None:
        for need in self._needs(trials):
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
        free = shutil.disk_usage(artifacts.folder()).free
        # Full inside before it is full outside: dockerd can say so, and nothing breaks.
        artifacts.make_data_disk(
            self.data_disk, min(DATA_DISK, free - ROOM_TO_RUN // 4) >> 20 << 20
        )

    def _answering(self, was_ready: bool) -> Endpoint | None:
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
        return found.endpoint if found.verdict == "answers" else None

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
            (backend,) = (
                backend
                for backend in selection.BACKENDS
                if backend.name == note["way"] and backend.rests
            )
        except (OSError, ValueError):
            return False
        room = shutil.disk_usage(artifacts.folder()).free - ROOM_TO_RUN
        if room < resources.machine_memory(resources.memory()):
            return False
        endpoint = self.endpoint()
        if endpoint is None or not suspended.quieten(endpoint.address):
            return False
        process = self.service.process()
        try:
            backend.rest(self.run, self.state.half)
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
        if process is not None and any(
            backend.ask_to_stop(self.run) for backend in selection.BACKENDS
        ):
            try:
                process.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                say("the machine did not stop by itself and is ended")
        self.service.stop(timeout=5)

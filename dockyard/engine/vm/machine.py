"""The machine engine: a real dockerd in a small virtual machine, without privileges.

Each home has one process tree: the network helper (guest/network.c) and, as its child, the
machine. A backend runs the machine; selection.py finds the fastest one that works here.
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
from dockyard.engine import engine_root
from dockyard.engine.base import LARGER_DISK, Endpoint, Engine, Need, disk_space
from dockyard.engine.discovery import Candidate, architecture, probe
from dockyard.engine.vm import artifacts, guest_folder, qemu, resources, selection
from dockyard.engine.vm.backend import Backend, Boot
from dockyard.engine.vm.selection import Trial
from dockyard.exceptions import DiskFull, EngineStartFailed, EngineUnavailable

STOP_TIMEOUT = 40.0

DATA_DISK = 20 * 1024**3
"""The most bytes that the machine's disk may take. The file is sparse and grows as it fills."""

ROOM_TO_RUN = 1 * 1024**3
"""The machine needs this many free bytes to start: for the lessons' images and layers."""

REMOVE_DATA = (
    "Begin with an empty disk:  python3 -m dockyard engine stop; rm {disk}; "
    "python3 -m dockyard engine start --engine machine"
)


class MachineEngine(Engine):
    """dockerd in a virtual machine, without any privilege."""

    name: ClassVar[str] = "machine"
    title: ClassVar[str] = "a Docker daemon in a small virtual machine, without privileges"
    # guest/init forwards this port to the registry. The default bridge's gateway would not do: a
    # nested engine in another network gives that address to its own bridge.
    inner_mirror: ClassVar[str] = "http://192.168.127.2:5050"

    def __init__(self) -> None:
        self.service = Service("machine")
        self.run = paths.run_dir() / "machine"
        self.socket = paths.run_dir() / "machine.sock"
        self.data_disk = paths.home() / "machine" / "data.ext4"

    def needs(self) -> list[Need]:
        """Linux on amd64, the docker client, memory, disk space, and a backend that works."""
        return list(self._needs(list(selection.trials())))

    def _needs(self, trials: list[Trial]) -> Iterator[Need]:
        system = f"{platform.system()} on {architecture()}"
        yield Need("Linux on amd64", system == "Linux on amd64", system)
        yield engine_root.need()
        memory = resources.memory()
        yield Need(
            "memory",
            resources.machine_memory(memory) is not None,
            f"{memory / 1e9:.1f} GB, {resources.LEAST_TOTAL / 1e9:.1f} GB needed",
            "Close other programs, or use a machine with more memory.",
        )
        yield disk_space(
            ROOM_TO_RUN,
            f"{LARGER_DISK} --engine machine",
        )
        solutions = [trial.next for trial in trials if trial.next]
        yield Need(
            "a working backend",
            not all(trial.problem for trial in trials),
            "; ".join(map(str, trials)),
            (solutions or [f"{qemu.INSTALL}, or use a host with seccomp filters."])[0],
        )

    def client_root(self, say: Say) -> Path | None:
        """The engine root, fetched if it is missing: its docker client needs no privilege."""
        return engine_root.fetch(say)

    def endpoint(self) -> Endpoint | None:
        """The machine's socket, when its daemon answers."""
        if self.service.process() is None:
            return None
        found = self._ask(timeout=5)
        return found.endpoint if found.verdict == "answers" else None

    def _ask(self, timeout: float) -> Candidate:
        return probe("the machine", Endpoint(f"unix://{self.socket}"), timeout)

    def start(self, say: Say, *, mirror: str | None = None) -> Endpoint:
        """Start the machine, or return the one that runs; cleans up after one that was killed.

        The first start in a home downloads or builds the artifacts. When a backend passes its
        trial but fails to start the machine, the next one is tried.
        """
        with Lock("machine-start", timeout=3600):
            if running := self.endpoint():
                return running
            self._shut_down(say)
            failed: list[Trial] = []
            for trial in selection.trials():
                if trial.problem:
                    failed.append(trial)
                    continue
                self._check([trial])
                result = self._try(trial.backend, failed, mirror, say)
                if isinstance(result, Endpoint):
                    return result
                failed.append(result)
            self._check(failed)
            raise EngineUnavailable(
                "No backend of the machine engine works here.",
                "\n".join(map(str, failed)),
                f"Next:  {qemu.INSTALL}",
            )

    def _try(
        self, backend: Backend, failed: list[Trial], mirror: str | None, say: Say
    ) -> Endpoint | Trial:
        self._launch(backend, failed, mirror, say)
        try:
            return wait.until(
                "the machine's Docker daemon to answer",
                self._answering,
                timeout=backend.start_timeout,
                log=self.service.log,
                error=EngineStartFailed,
                next="Try once more:  python3 -m dockyard engine start --engine machine",
            )
        except EngineStartFailed as error:
            if self._daemon_log.exists() or self._ended.exists():
                raise  # the backend works; something inside the machine failed
            self._shut_down(say)
            problem = (error.why.strip().splitlines() or [error.what])[-1]
            say(f"{backend.title} does not work here: {problem}")
            return Trial(backend, problem)

    def _launch(self, backend: Backend, failed: list[Trial], mirror: str | None, say: Say) -> None:
        made = artifacts.prepare(say, backend.kernel)
        self._prepare_disk()
        memory = resources.machine_memory(resources.memory())
        assert memory is not None  # by _check
        lan = guest_folder.lan() if backend.has_lan else None
        boot = Boot(made, self.run, memory, guest_folder.shared_folders(), lan)
        guest_folder.write(boot, backend, self.data_disk, mirror)
        note = {"backend": backend.name, "title": backend.title, "failed": list(map(str, failed))}
        self._note.write_text(json.dumps(note))
        say(f"starting the machine: {backend.title} with {memory >> 20} MiB")
        command = backend.command(boot)
        words: list[str | Path] = [made.network]
        if lan:
            words += ["--lan", lan.folder, str(lan.number), self.run / "lan.sock"]
        if command.console:
            words += ["--console", command.console]
        words += [self.socket, command.cable, self.run / "control.sock", str(command.cpu)]
        self.service.start([*words, *command.words], env=command.env)

    @property
    def _note(self) -> Path:
        return self.run / "backend.json"

    def remark(self) -> str:
        """Which backend runs the machine, and why faster ones do not."""
        try:
            note = json.loads(self._note.read_text())
        except (OSError, ValueError):
            return ""
        failed = "".join(f"; not {trial}" for trial in note["failed"])
        return f"{note['title']} ({note['backend']}{failed})"

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
                f"The machine engine cannot run here: {need.name} is needed.",
                f"Found: {need.found}.",
                f"Next:  {need.next or 'python3 -m dockyard doctor'}",
            )

    def _prepare_disk(self) -> None:
        if self.data_disk.exists():
            return
        self.data_disk.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self.data_disk.parent).free
        # The disk inside must fill up before the host's: dockerd can report that, and nothing
        # breaks.
        artifacts.make_data_disk(
            self.data_disk, min(DATA_DISK, free - ROOM_TO_RUN // 4) >> 20 << 20
        )

    def _answering(self) -> Endpoint | None:
        if self.service.process() is None:
            raise EngineStartFailed(
                "The machine exited instead of starting.",
                self._last_words(),
                self._recovery(),
            )
        # Asking earlier would only slow down the starting daemon.
        if "API listen on" not in wait.tail(self._daemon_log, 40):
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
        """Stop containers and daemon, unmount the data disk, and end the machine."""
        with Lock("machine-start", timeout=3600):
            self._shut_down(say)
            shutil.rmtree(self.run, ignore_errors=True)
            self.socket.unlink(missing_ok=True)

    def _shut_down(self, say: Say) -> None:
        process = self.service.process()
        if process is not None and any(
            backend.request_shutdown(self.run) for backend in selection.BACKENDS
        ):
            try:
                process.wait(STOP_TIMEOUT)
            except psutil.TimeoutExpired:
                say("the machine did not shut down in time and is killed")
        self.service.stop(timeout=5)

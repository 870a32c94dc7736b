"""A virtual PC at rest: its state in a file, from which the next start goes on without booting.

A state is loaded once. Its file is gone before the machine takes its first step, because the
machine's disk changes with every further one. QEMU is told what to do through its monitor (QMP).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import shlex
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container
from qemu.qmp import QMPClient, QMPError

from dockyard.engine.discovery import UNREACHABLE
from dockyard.exceptions import StateLost

TIMEOUT = 120.0
"""Seconds that saving or loading may take: some hundred megabytes on a slow disk."""

FASTEST = 1 << 40
"""Bytes a second; QEMU's own limit is made for a network that others use."""


@dataclass(frozen=True)
class Suspended:
    """The kept state of one home, which fits one machine on one disk as it was left."""

    file: Path
    disk: Path

    @property
    def _note(self) -> Path:
        return self.file.with_suffix(".json")

    @property
    def half(self) -> Path:
        """Where a state is written."""
        return self.file.with_suffix(".part")

    def keep(self, machine: str) -> None:
        """Take over what was written; machine names what it was started with."""
        self.half.replace(self.file)
        self._note.write_text(json.dumps(self._stamp(machine)))

    def fits(self, machine: str) -> bool:
        """Whether there is a whole state of that machine, and its disk was not used since."""
        try:
            return json.loads(self._note.read_text()) == self._stamp(machine)
        except (OSError, ValueError):
            return False

    def _stamp(self, machine: str) -> list:
        disk = self.disk.stat()
        return [machine, self.file.stat().st_size, disk.st_ino, disk.st_size, disk.st_mtime_ns]

    def discard(self) -> None:
        """Remove it, the note first: a state without a note is none."""
        for file in (self._note, self.file, self.half):
            file.unlink(missing_ok=True)


def name_of(words: Sequence[str | Path], folder: Path) -> str:
    """A name for a machine: its command line, the program, and all it finds in its folder."""
    program = Path(words[0]).stat()
    told = [*map(str, words), program.st_size, program.st_mtime_ns]
    hashed = hashlib.sha256(json.dumps(told).encode())
    for file in sorted(folder.iterdir()):
        hashed.update(file.name.encode() + b"\0" + file.read_bytes())
    return hashed.hexdigest()


def quieten(address: str) -> bool:
    """Stop the containers of a daemon, as it does itself when it ends.

    False, and nothing is stopped, where a daemon that starts does more than one that goes on: it
    starts containers that have a restart policy, and takes up its part in a swarm. False, too,
    where the daemon does not answer.
    """
    try:
        with contextlib.closing(docker.DockerClient(base_url=address, timeout=60)) as client:
            if client.info()["Swarm"]["LocalNodeState"] != "inactive":
                return False
            containers = client.containers.list(all=True, ignore_removed=True)
            if any(map(_returns, containers)):
                return False
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(Container.stop, client.containers.list(ignore_removed=True)))
    except UNREACHABLE:
        return False
    return True


def _returns(container: Container) -> bool:
    return container.attrs["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no")


def loading(file: Path) -> list[str]:
    """The words for QEMU's command line that make it load a state and wait for go_on."""
    return ["-S", "-incoming", f"exec:cat {shlex.quote(str(file))}"]


def save(monitor: Path, target: Path) -> None:
    """Write the state of the machine behind a monitor's socket and end the machine.

    Raises StateLost when it cannot be written; the machine goes on then.
    """
    asyncio.run(_save(monitor, target))


async def _save(monitor: Path, target: Path) -> None:
    async with _connected(monitor) as qemu:
        try:
            await _told(qemu, "stop")
            await _told(qemu, "migrate-set-parameters", {"max-bandwidth": FASTEST})
            uri = f"exec:cat > {shlex.quote(str(target))}"
            await _told(qemu, "migrate", {"uri": uri})
            await _migrated(qemu)
        except BaseException:  # of Ctrl-C too: the machine must not stand still
            await _told(qemu, "migrate_cancel")
            await _told(qemu, "cont")
            raise
        with contextlib.suppress(QMPError):  # it may be gone before it has answered
            await _told(qemu, "quit")


def go_on(monitor: Path, state: Suspended) -> None:
    """Wait until the state is loaded, remove its file, and let the machine go on.

    Raises StateLost when it cannot be loaded.
    """
    asyncio.run(_go_on(monitor, state))


async def _go_on(monitor: Path, state: Suspended) -> None:
    async with _connected(monitor) as qemu:
        await _migrated(qemu)
        state.discard()
        await _told(qemu, "cont")


@contextlib.asynccontextmanager
async def _connected(monitor: Path) -> AsyncIterator[QMPClient]:
    client = QMPClient()
    try:
        async with asyncio.timeout(TIMEOUT):
            await client.connect(str(monitor))
        yield client
    except (QMPError, OSError) as error:
        raise StateLost(str(error) or f"QEMU gave no answer within {TIMEOUT:g} s.") from error
    finally:
        with contextlib.suppress(QMPError, OSError, EOFError):
            await client.disconnect()


async def _told(qemu: QMPClient, command: str, arguments: dict | None = None) -> Any:
    """What QEMU answers to a command. Raises QMPError or TimeoutError."""
    async with asyncio.timeout(TIMEOUT):
        return await qemu.execute(command, arguments)


async def _migrated(qemu: QMPClient) -> None:
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        found = await _told(qemu, "query-migrate")
        if found.get("status") == "completed":
            return
        if found.get("status") in ("failed", "cancelled"):
            raise StateLost(found.get("error-desc", "no reason was given"))
        await asyncio.sleep(0.05)
    raise StateLost(f"It was not done within {TIMEOUT:g} s.")

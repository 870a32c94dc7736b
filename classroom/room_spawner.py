"""Starts each student's Jupyter server in a room of the student's own, with an engine.

See rooms.py for what a room is.
"""

from __future__ import annotations

import asyncio
import pwd
import signal
from contextlib import suppress
from ipaddress import IPv4Network
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

import psutil
from jupyterhub.spawner import LocalProcessSpawner
from jupyterhub.traitlets import ByteSpecification
from jupyterhub.utils import maybe_future
from traitlets import Enum, Integer, Unicode, default
from traitlets.config import SingletonConfigurable

from classroom import accounts, rooms

HERE = Path(__file__).parent
PORT = 8888
"""The port of every student's server, each at an address of its own."""


TEACHER = "http://{network.gateway}:{network.teacher_port}/services/classroom/"
"""The address of the teacher's service, seen from a room."""


class RoomNetwork(SingletonConfigurable):
    """The network of the rooms, as configured."""

    bridge = Unicode("dyrooms", help="The bridge's name, at most 9 characters.").tag(config=True)
    addresses = Unicode(
        "10.213.0.0/16", help="An IPv4 network that nothing else uses; one address for each room."
    ).tag(config=True)
    hub_port = Integer(8081, help="The port at which rooms reach the hub.").tag(config=True)
    teacher_port = Integer(8082, help="That of the teacher's service.").tag(config=True)

    def network(self) -> rooms.Network:
        """The network with these settings. Raises ValueError for addresses that are none."""
        addresses = IPv4Network(self.addresses)
        return rooms.Network(self.bridge, addresses, self.hub_port, self.teacher_port)


class RoomSpawner(LocalProcessSpawner):
    """A room with a Jupyter server, an engine and a registry, all of which end together."""

    engine = Enum(
        ("machine", "embedded"),
        "machine",
        help="The engine of the course. For students, who are not root, embedded is rootless.",
    ).tag(config=True)
    store = Unicode("/srv/dockyard", help="DOCKYARD_STORE of all students.").tag(config=True)
    account_prefix = Unicode(
        "student-",
        help="Put before a student's name to make the name of the system user, who is made if "
        "missing. Empty for students who have accounts on the server, and log in with them: "
        "where students sign up themselves, anybody could take somebody's account.",
    ).tag(config=True)
    processes = Integer(4096, help="The most processes and threads in a room.").tag(config=True)
    tmp_size = Unicode("1G", help="The most that /tmp holds, in memory.").tag(config=True)
    shm_size = Unicode("3G", help="The most that /dev/shm holds, in memory.").tag(config=True)

    disk = ByteSpecification(
        0,
        help="The size of a disk that each student's home gets of its own, such as 8G: a file with "
        "a file system, which is mounted in the room only. 0 for none, with homes as they are.",
    ).tag(config=True)
    disks = Unicode(
        "/var/lib/dockyard-disks", help="The folder with the students' disks, if there are any."
    ).tag(config=True)

    _choosing = asyncio.Lock()

    @default("interrupt_timeout")
    def _default_interrupt_timeout(self) -> int:
        return 60  # seconds; the engine is stopped meanwhile

    @property
    def account(self) -> str:
        """The name of the system user."""
        return accounts.name(self.user.name, self.account_prefix)

    @property
    def room(self) -> str:
        """The name of the room; a student can have several named servers."""
        return self.account + (f".{self.name}" if self.name else "")

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        """Add what the student's processes need to the environment."""
        user = pwd.getpwnam(self.account)
        home = Path(user.pw_dir)
        return env | {
            "USER": self.account,
            "LOGNAME": self.account,
            "HOME": str(home),
            "SHELL": "/bin/bash",
            "DOCKYARD_HOME": str(home / "dockyard" / self.name),
            "DOCKYARD_STORE": self.store,
            "DOCKYARD_CLASSROOM": TEACHER.format(network=RoomNetwork.instance().network()),
        }

    async def start(self) -> tuple[str, int]:
        """Make the room and start the server in it; return its address and port."""
        find = accounts.ensure if self.account_prefix else accounts.existing
        user = await asyncio.to_thread(find, self.account)
        disk = Path(self.disks, f"{self.account}.ext4") if self.disk else None
        if disk:
            await asyncio.to_thread(rooms.make_disk, disk, self.disk, Path(user.pw_dir))
        network = RoomNetwork.instance().network()
        async with self._choosing:
            number = await asyncio.to_thread(network.free_number)
            self.ip, self.port = network.address(number), PORT
            self.proc = self._first_process(network, user.pw_dir, disk)
            self.pid = self.proc.pid
            try:
                init = await self._init()
                await asyncio.to_thread(network.connect, number, init)
                await asyncio.to_thread(self._limit, [self.pid, init])
                assert self.proc.stdin is not None
                self.proc.stdin.write(b"enter\n")
            except BaseException:
                self.proc.kill()
                raise
            finally:
                with suppress(OSError, AttributeError):
                    self.proc.stdin.close()  # type: ignore[union-attr]
        await self._listening()
        return self.ip, self.port

    async def _listening(self) -> None:
        """Wait for the server, as long as the room is there; the hub limits how long.

        Otherwise a room that has ended would be waited for in vain. Raises RoomEnded.
        """
        while True:
            with suppress(OSError):
                asked = asyncio.open_connection(self.ip, self.port)
                _, writer = await asyncio.wait_for(asked, timeout=5)
                writer.close()
                return
            if self.proc.poll() is not None:
                raise RoomEnded(self.account)
            await asyncio.sleep(0.2)

    def _first_process(self, network: rooms.Network, home: str, disk: Path | None) -> Popen[bytes]:
        return Popen(
            [
                # Kernel and tools of Debian 12 have all of these. When unshare is killed, so is
                # the room's first process, and with that all others.
                "unshare", "--net", "--mount", "--pid", "--ipc", "--fork", "--kill-child=KILL",
                "--mount-proc", HERE / "room", self.account,
                f"{self.ip}/{network.addresses.prefixlen}", network.gateway,
                self.tmp_size, self.shm_size, self.engine, disk or "",
                *self.cmd, *self.get_args(),
            ],
            env=self.get_env(), cwd=home, stdin=PIPE, start_new_session=True,
        )  # fmt: skip

    async def _init(self) -> int:
        """The process id of the room's first process, seen from outside.

        Raises RoomEnded, or RuntimeError when the room takes too long.
        """
        for _ in range(600):
            if (found := self._inside()) is not None and _has_own_network(found):
                return found
            if self.proc.poll() is not None:
                raise RoomEnded(self.account)
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the room of {self.account} did not open")

    def _inside(self) -> int | None:
        with suppress(psutil.Error):
            for child in psutil.Process(self.pid).children():
                return int(child.pid)
        return None

    def _limit(self, processes: list[int]) -> None:
        limits = rooms.Limits(self.mem_limit or 0, self.cpu_limit or 0, self.processes)
        try:
            limits.apply(self.room, processes)
        except OSError as error:
            self.log.warning("The room of %s has no limits: %s", self.account, error)

    def load_state(self, state: dict[str, Any]) -> None:
        """Find the room of an earlier run of the hub, not another process with the same id."""
        super().load_state(state)
        try:
            words = psutil.Process(self.pid).cmdline() if self.pid else []
        except psutil.Error:
            words = []
        if not (words[:1] == ["unshare"] and self.account in words):
            self.pid = 0

    async def _signal(self, sig: int) -> bool:
        # unshare ignores SIGINT and SIGTERM; the room's first process stops the engine.
        inside = self._inside()
        if sig == 0 or inside is None:
            return bool(await super()._signal(sig))
        with suppress(psutil.NoSuchProcess):
            psutil.Process(inside).send_signal(signal.Signals(sig))
        return True

    async def run_post_stop_hook(self) -> None:
        """Remove the room's cgroups once all that was in it has ended."""
        await asyncio.to_thread(rooms.remove_cgroups, self.room)
        await maybe_future(super().run_post_stop_hook())


class RoomEnded(Exception):
    """A room whose first process has ended before the server answered.

    The hub shows jupyterhub_message to the student.
    """

    def __init__(self, account: str) -> None:
        super().__init__(f"The room of {account} has ended; what it printed is above.")
        self.jupyterhub_message = (
            "Your room has closed again while it was being opened. Please tell your teacher: "
            "the log of the hub says why."
        )


def _has_own_network(process: int) -> bool:
    """Whether a process has left the network namespace of this one."""
    with suppress(OSError):
        ours = Path("/proc/self/ns/net").readlink()
        return Path(f"/proc/{process}/ns/net").readlink() != ours
    return False

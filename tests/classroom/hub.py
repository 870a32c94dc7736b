"""A JupyterHub as classroom/ sets it up, and students who use it as a browser does."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Network
from pathlib import Path

import psutil
import pytest
import requests
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

from classroom import rooms
from dockyard.core import paths, ports, wait
from dockyard.core.python_packages import CLASSROOM_LOCK
from dockyard.engine import system_packages
from dockyard.registry import server
from tests.engine.test_rootless import opened_devices
from tests.support import packages

PREFIX = "dytest-"
"""Begins the names of the system users that a test makes and removes."""

TEACHER = "teacher"
"""The name of the hub's admin."""

BRIDGE = "dytest"
ADDRESSES = IPv4Network("10.214.0.0/24")
DISK = "4G" if Path("/dev/loop-control").exists() else "0"
"""The disk of a student, where a file can be one. It grows with what is in it."""

PATIENCE = 300
"""Seconds within which anything happens, on a busy computer, too."""

FIRST = ("notebooks/00-start-here", "notebooks/01-what-docker-is", "notebooks/02-basic-commands")
FIRST_PAGES = {
    "machine": (*FIRST, "notebooks/03-containers", "solutions/03-containers"),
    "embedded": (*FIRST, "solutions/00-start-here", "solutions/01-what-docker-is"),
}
"""What students work through at once, by engine.

Without cgroups a rootless engine cannot limit or freeze containers, as later pages do.
"""

CONFIG = """\
load_subconfig({course!r} + "/classroom/jupyterhub_config.py")
c.JupyterHub.bind_url = "http://127.0.0.1:{port}"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api_port}"
c.RoomNetwork.bridge = {bridge!r}
c.RoomNetwork.addresses = {addresses!r}
c.RoomNetwork.hub_port = {hub_port}
c.RoomNetwork.teacher_port = {teacher_port}
c.Authenticator.admin_users = {{{teacher!r}}}
c.RoomSpawner.account_prefix = {prefix!r}
c.RoomSpawner.engine = {engine!r}
c.RoomSpawner.store = {store!r}
c.RoomSpawner.disk = {disk!r}
c.RoomSpawner.disks = {disks!r}
c.Spawner.start_timeout = c.Spawner.http_timeout = {patience}
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 0}}
"""


class Hub:
    """Hub and proxy. Both see the checkout and the store in a folder that students may read."""

    def __init__(self, folder: Path, engine: str) -> None:
        self.folder = folder
        self.engine = engine
        self.settings = ""
        """Lines of configuration that come last."""
        self.course = folder / "course"
        self.store = folder / "store"
        self.port, self.api_port = ports.choose(), ports.choose()
        self.network = rooms.Network(BRIDGE, ADDRESSES, ports.choose(), ports.choose())
        self.url = f"http://127.0.0.1:{self.port}"
        self._environment = {
            "PATH": os.environ["PATH"], "HOME": "/root", "LANG": "C.UTF-8",
            "STATE_DIRECTORY": str(folder / "data"), "PYTHONPATH": str(self.course),
            "CONFIGPROXY_AUTH_TOKEN": secrets.token_hex(16),
        }  # fmt: skip
        self.hub: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Install JupyterHub and write its settings."""
        for name in ("course", "store", "data"):
            (self.folder / name).mkdir()
        (self.folder / "data").chmod(0o700)
        python = self.folder / "venv/bin/python"
        # The system's own Python: students may not read that of every developer.
        subprocess.run(
            ["/usr/bin/python3", "-m", "venv", "--without-pip", self.folder / "venv"], check=True
        )
        # Students cannot write compiled modules, as root can.
        words = ["pip", "install", "--quiet", "--compile-bytecode"]
        _uv(*words, f"--python={python}", f"--requirement={CLASSROOM_LOCK}")
        self._settings()

    def _settings(self) -> None:
        text = CONFIG.format(
            course=str(self.course), port=self.port, api_port=self.api_port, bridge=BRIDGE,
            addresses=str(ADDRESSES), hub_port=self.network.hub_port, prefix=PREFIX,
            store=str(self.store), patience=PATIENCE, teacher=TEACHER,
            teacher_port=self.network.teacher_port, engine=self.engine,
            disk=DISK, disks=str(self.folder / "disks"),
        )  # fmt: skip
        (self.folder / "jupyterhub_config.py").write_text(text + self.settings)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Hold the mounts, start proxy and hub; end everything, students' rooms included."""
        with ExitStack() as undo:
            undo.callback(self.network.remove)
            undo.callback(self._end_services)
            mounts = (
                f"mount --bind '{paths.CHECKOUT}' '{self.course}'; "
                f"mount -o remount,bind,ro '{self.course}'; "
                # Where the installer makes it.
                f"mount --bind '{self.folder}/venv' '{self.course}/.venv'; "
                f"mount --bind '{paths.store()}' '{self.store}'; "
                f"mount -o remount,bind,ro '{self.store}'; echo mounted; exec sleep infinity"
            )
            holder = subprocess.Popen(
                ["unshare", "--mount", "--propagation=private", "sh", "-ec", mounts],
                stdout=subprocess.PIPE,
            )
            undo.callback(_end, holder)
            assert holder.stdout is not None
            with holder.stdout:
                assert holder.stdout.readline() == b"mounted\n"
            self._inside = ["nsenter", f"--mount=/proc/{holder.pid}/ns/mnt", f"--wd={self.folder}"]
            proxy = self._start(
                "proxy", self.folder / "venv/bin/configurable-http-proxy",
                "--ip=127.0.0.1", f"--port={self.port}", "--api-ip=127.0.0.1",
                f"--api-port={self.api_port}",
                f"--default-target=http://{self.network.gateway}:{self.network.hub_port}",
            )  # fmt: skip
            undo.callback(_end, proxy)
            undo.callback(self.kill)
            undo.callback(self._end_rooms)
            self.start()
            yield

    def start(self) -> None:
        """Start the hub and wait until it answers."""
        self.hub = self._start(
            "hub", "-m", "classroom.hub", f"--config={self.folder / 'jupyterhub_config.py'}"
        )
        wait.until("the hub", self._answers, timeout=PATIENCE, log=self.folder / "hub.log")

    def kill(self) -> None:
        """Kill the hub as a crash would."""
        if self.hub is not None:
            self.hub.kill()
            self.hub.wait()

    def _start(self, name: str, *words: str | Path) -> subprocess.Popen[bytes]:
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [*self._inside, self.folder / "venv/bin/python", *words],
                env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def _answers(self) -> bool:
        assert self.hub is not None
        assert self.hub.poll() is None, (self.folder / "hub.log").read_text()
        with suppress(requests.RequestException):
            return requests.get(f"{self.url}/hub/api/", timeout=10).ok
        return False

    def _end_services(self) -> None:
        """End what a hub that was killed has left behind."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.cmdline()[:1] == [str(self.folder / "venv/bin/python")]:
                    process.kill()

    def _end_rooms(self) -> None:
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                words = process.cmdline()
                if words[:1] == ["unshare"] and any(word.startswith(PREFIX) for word in words):
                    process.kill()
        for user in _accounts():
            rooms.remove_cgroups(user.pw_name)
            subprocess.run(["userdel", "--remove", user.pw_name], check=False, capture_output=True)


def skip_without_needs() -> None:
    """Skip the test where a hub's rooms cannot have an engine."""
    if not server.storage().is_dir():
        pytest.skip("needs the course registry:  python3 -m dockyard engine start")
    packages.install(system_packages.missing({"newuidmap": "uidmap", "iptables": "iptables"}))


@contextmanager
def open_hub(
    engine: str = "embedded", settings: Callable[[Hub], str] = lambda hub: ""
) -> Iterator[Hub]:
    """A running hub without students, whose rooms will have that engine of the course.

    settings returns more lines of configuration for a hub.
    """
    # Not below /tmp: rooms have one of their own.
    folder = Path(tempfile.mkdtemp(prefix="dockyard-test-", dir="/var/lib"))
    folder.chmod(0o755)
    try:
        hub = Hub(folder, engine)
        hub.settings = settings(hub)
        hub.prepare()
        with opened_devices(), hub.running():
            yield hub
    except BaseException:
        print((folder / "hub.log").read_text())
        raise
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Student:
    """A browser's session of one student."""

    def __init__(self, hub: Hub, name: str, account: str = "") -> None:
        self.hub = hub
        self.name = name
        self.account = account or PREFIX + name
        self.password = secrets.token_hex(8)
        self.session = requests.Session()
        self._kernel = ""

    def sign_up(self, then: str = "") -> requests.Response:
        """Choose a password, and log in with it; then names the page to go on to."""
        self._send(
            "/hub/signup", username=self.name, signup_password=self.password,
            signup_password_confirmation=self.password,
        ).raise_for_status()  # fmt: skip
        page = self.log_in(then)
        page.raise_for_status()
        assert "/hub/login" not in page.url, page.text
        return page

    def log_in(self, then: str = "") -> requests.Response:
        """Send name and password; return the page that comes next, the same one if refused."""
        login = f"/hub/login?next={then}" if then else "/hub/login"
        return self._send(login, username=self.name, password=self.password)

    def _send(self, page: str, **fields: str) -> requests.Response:
        self.session.get(self.hub.url + page, timeout=PATIENCE).raise_for_status()
        fields["_xsrf"] = self._token("/hub/")
        return self.session.post(self.hub.url + page, data=fields, timeout=PATIENCE)

    def _token(self, path: str) -> str:
        return next(
            str(each.value)
            for each in self.session.cookies
            if each.name == "_xsrf" and each.path == path
        )

    def open_server(self) -> None:
        """Ask for the server, as the hub's page does after the log-in, and wait for it."""
        self.session.get(f"{self.hub.url}/hub/spawn", timeout=PATIENCE).raise_for_status()
        wait.until(
            f"the server of {self.name}",
            # The page logs the browser in to the server, which its API does not.
            lambda: self.get("/lab").ok and self.get("/api/status").ok,
            timeout=PATIENCE,
            interval=0.5,
            log=self.hub.folder / "hub.log",
        )

    def get(self, path: str, *, of: Student | None = None) -> requests.Response:
        """Ask a student's server, that of this student by default."""
        server = f"{self.hub.url}/user/{(of or self).name}"
        return self.session.get(server + path, timeout=PATIENCE)

    def stop_server(self) -> None:
        """Stop it at the hub, and wait until the hub says that it has stopped."""
        url = f"{self.hub.url}/hub/api/users/{self.name}"
        self.session.get(f"{self.hub.url}/hub/home", timeout=PATIENCE).raise_for_status()
        headers = {"X-XSRFToken": self._token("/hub/"), "Referer": f"{self.hub.url}/hub/home"}
        done = self.session.delete(f"{url}/server", headers=headers, timeout=PATIENCE)
        assert done.status_code in (202, 204), done.text
        wait.until(
            "the server to stop",
            lambda: not self.session.get(url, timeout=PATIENCE).json()["servers"],
            timeout=PATIENCE,
        )

    def python(self, code: str) -> str:
        """Run Python in the student's kernel; return what it prints, errors included."""
        self._kernel = self._kernel or self._start_kernel()
        return asyncio.run(asyncio.wait_for(self._execute(self._kernel, code), PATIENCE))

    def _start_kernel(self, folder: str = "") -> str:
        made = self.session.post(
            f"{self.hub.url}/user/{self.name}/api/kernels",
            json={"path": folder},
            headers={"X-XSRFToken": self._token(f"/user/{self.name}/")},
            timeout=PATIENCE,
        )
        made.raise_for_status()
        return str(made.json()["id"])

    def shell(self, command: str) -> str:
        """Run a shell command in the student's kernel; return its output, errors included."""
        return self.python(
            "import subprocess\n"
            f"print(subprocess.run({command!r}, shell=True, text=True, stdout=subprocess.PIPE, "
            "stderr=subprocess.STDOUT).stdout)"
        )

    def work_through(self, page: str) -> tuple[int, int]:
        """Run a page's cells one by one, as a person does; return its tasks done, and all.

        page is ``notebooks/NAME`` or ``solutions/NAME`` of the checkout, where tasks are solved.
        Prints what a first cell says that fails, and checks that find a task not done.
        """
        kind, _, name = page.partition("/")
        notebook = json.loads((paths.CHECKOUT / f"{page}.ipynb").read_text())
        cells = ["".join(each["source"]) for each in notebook["cells"] if "outputs" in each]
        asyncio.run(asyncio.wait_for(self._work(cells), PATIENCE * len(cells)))
        report = json.loads(self.shell("python3 -m dockyard progress --json"))
        pages = report["lessons" if kind == "notebooks" else "labs"]
        found = next(each for each in pages if name in each.values())
        return len(found["done"]), found["of"]

    async def _work(self, cells: Sequence[str]) -> None:
        kernel = self._start_kernel("notebooks")
        for code in cells:
            # The solution of a lab is not the learner's own attempt; this one is.
            own = code.replace(" --solution", "")
            said = await self._execute(kernel, own, by_person=True)
            begins, checks = "%lesson" in code, re.match(r"%check|check\(", code)
            if (begins and "Ready" not in said) or (checks and "done" not in said):
                print(f"{self.name}: {code}\n{said}")

    async def _execute(self, kernel: str, code: str, *, by_person: bool = False) -> str:
        path = f"/user/{self.name}/api/kernels/{kernel}/channels"
        url = self.hub.url + path
        prepared = self.session.prepare_request(requests.Request("GET", url))
        request = HTTPRequest(
            url.replace("http", "ws", 1),
            headers={"Cookie": prepared.headers["Cookie"], "Origin": self.hub.url},
            request_timeout=PATIENCE,
        )
        socket = await websocket_connect(request)
        try:
            asked = uuid.uuid4().hex
            await socket.write_message(json.dumps({
                "channel": "shell", "parent_header": {}, "metadata": {}, "buffers": [],
                "header": {
                    "msg_id": asked, "msg_type": "execute_request", "session": asked,
                    "username": self.name, "version": "5.3",
                },
                "content": {"code": code, "silent": False, "allow_stdin": by_person},
            }))  # fmt: skip
            return await _printed(socket, asked)
        finally:
            socket.close()
            while await socket.read_message() is not None:
                pass  # until the other side has closed it, too

    @property
    def user(self) -> pwd.struct_passwd:
        """The system user."""
        return pwd.getpwnam(self.account)

    @property
    def folder(self) -> Path:
        """The student's home as it is seen in the room, where its disk is mounted."""
        inside = self.processes()[0].pid
        return Path(f"/proc/{inside}/root{self.user.pw_dir}")

    @property
    def home(self) -> Path:
        """The student's DOCKYARD_HOME."""
        return self.folder / "dockyard"

    def processes(self) -> list[psutil.Process]:
        """All processes of the student, those of containers included."""
        mine = {self.user.pw_uid, *_subordinate(self.account)}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.uids().real in mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process)
        return found

    def wait_for_answer(self) -> float:
        """Seconds until the student's engine has run a container."""
        began = time.monotonic()
        wait.until(
            f"the engine of {self.name}",
            lambda: "answered" in self.shell("docker run --rm busybox echo answered"),
            timeout=PATIENCE,
            interval=0.5,
            log=self.home / "logs/launch.log",
        )
        return time.monotonic() - began


async def _printed(socket, asked: str) -> str:
    said = ""
    while (text := await socket.read_message()) is not None:
        message = json.loads(text)
        if message["parent_header"].get("msg_id") != asked:
            continue
        content = message["content"]
        match message["msg_type"]:
            case "stream":
                said += content["text"]
            case "execute_result":
                said += content["data"].get("text/plain", "")
            case "error":
                said += "\n".join(content["traceback"])
            case "status" if content["execution_state"] == "idle":
                return said
    raise ConnectionError(f"the connection to the kernel ended after {said!r}")


def _accounts() -> list[pwd.struct_passwd]:
    return [user for user in pwd.getpwall() if user.pw_name.startswith(PREFIX)]


def _subordinate(account: str) -> range:
    for line in Path("/etc/subuid").read_text().splitlines():
        name, first, count = line.split(":")
        if name == account:
            return range(int(first), int(first) + int(count))
    return range(0)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def _uv(*words: str) -> None:
    subprocess.run([sys.executable, "-m", "uv", *words], check=True)

"""The engine without root: started, used, killed, stopped without a trace."""

import json
import os
import pwd
import socket
import subprocess
import sysconfig
import urllib.request
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import docker
import psutil
import pytest

from dockyard.core import paths, ports, wait
from dockyard.engine import engine_root, rootless, system_packages
from dockyard.registry import Registry
from tests.support import packages, restricted_host
from tests.support.restricted_host import needs_root

USER = "dockyard-learner"
STEP = (
    "import sys; from dockyard.engine.rootless import RootlessEngine; engine = RootlessEngine(); "
    "say = lambda text: print(text, file=sys.stderr); "
)
UNMET = STEP + "print(*[f'{need.name}: {need.found}' for need in engine.unmet()])"
START = STEP + "print(engine.start(say, mirror=sys.argv[1] or None).address)"
STOP = STEP + "engine.stop(say)"


class Learner:
    """A user without privileges, with a Python that has the course's packages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.uid = pwd.getpwnam(USER).pw_uid
        self.home = folder / "home"
        self.home.mkdir()
        os.chown(self.home, self.uid, self.uid)
        subprocess.run(["python3", "-m", "venv", "--without-pip", folder / "venv"], check=True)
        (site,) = (folder / "venv").glob("lib/python*/site-packages")
        (site / "course.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
        self._copy_engine_root()

    def _copy_engine_root(self) -> None:
        """Copy that of the course's home: a user's own programs belong to the user."""
        there = self.home / "course/engine-root" / engine_root.recipe()
        for words in (["mkdir", "-p", there.parent], ["cp", "-r", engine_root.fetch(print), there]):
            subprocess.run([*self.as_user, *words], check=True)

    @property
    def as_user(self) -> tuple[str, ...]:
        return ("setpriv", f"--reuid={USER}", f"--regid={USER}", "--init-groups", "--")

    @property
    def environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.home),
            "USER": USER,
            "LOGNAME": USER,
            "DOCKYARD_HOME": str(self.home / "course"),
        }

    def python(self, program: str, *words: str) -> str:
        """Run Python code as this user, in this mount namespace; return its output."""
        done = subprocess.run(
            [*self.as_user, self.folder / "venv/bin/python", "-c", program, *words],
            capture_output=True, text=True, cwd="/", timeout=300, check=False,
            env={
                "PATH": os.environ["PATH"], "PYTHONPATH": str(paths.CHECKOUT),
                "PYTHONDONTWRITEBYTECODE": "1", **self.environment,
            },
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def dockyard(self, *words: str, before: str = "") -> subprocess.CompletedProcess[str]:
        return restricted_host.run(
            *words, folder=self.folder, python=str(self.folder / "venv/bin/python"),
            user=self.as_user, before=before, **self.environment,
        )  # fmt: skip

    def processes(self) -> list[str]:
        """The processes of this user and of its subordinate ids."""
        mine = {self.uid, *range(FIRST_ID, FIRST_ID + rootless.IDS_NEEDED)}
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.uids().real in mine and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(process.name())
        return found


FIRST_ID = 700_000_000
"""The first subordinate id of the test's user, far from those of real users."""


@contextmanager
def opened_devices():
    """Let every user open the devices, as on most systems."""
    with ExitStack() as undo:
        for device in map(Path, ("/dev/net/tun", "/dev/fuse")):
            if device.exists():
                undo.callback(device.chmod, device.stat().st_mode & 0o777)
                device.chmod(0o666)
        yield


@pytest.fixture(scope="module")
def learner():
    packages.install(system_packages.missing({"newuidmap": "uidmap"}))
    last = FIRST_ID + rootless.IDS_NEEDED - 1
    subprocess.run(["useradd", "--no-create-home", "--shell", "/bin/sh", USER], check=False)
    ids = [f"--add-subuids={FIRST_ID}-{last}", f"--add-subgids={FIRST_ID}-{last}"]
    subprocess.run(["usermod", *ids, USER], check=True)
    try:
        with opened_devices(), restricted_host.open_folder() as folder:
            learner = Learner(folder)
            unmet = learner.python(UNMET)
            if unmet and os.environ.get("CI") != "true":
                pytest.skip(
                    f"no daemon without root here ({unmet}); see python3 -m dockyard doctor"
                )
            yield learner
    finally:
        subprocess.run(["userdel", USER], check=True, capture_output=True)


@pytest.fixture
def started(learner, mirror):
    """The address of the learner's daemon, which is stopped afterwards."""
    yield learner.python(START, mirror)
    learner.python(STOP)


pytestmark = [needs_root, pytest.mark.engine]


@pytest.fixture
def neighbour():
    """The port of a program that listens on the host's loopback."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.slow
def test_it_pulls_runs_publishes_and_leaves_nothing(learner, started, mirror, neighbour):
    address = started
    socket_file = Path(address.removeprefix("unix://"))
    assert socket_file.stat().st_mode & 0o777 == 0o600
    assert socket_file.stat().st_uid == learner.uid
    with closing(docker.DockerClient(base_url=address)) as client:
        assert "name=rootless" in client.info()["SecurityOptions"]

        image = client.images.pull("busybox", "latest")
        assert Registry(mirror).manifest("library/busybox", "latest").digest in digests(image)

        port = ports.choose()
        # root in a container is the learner outside, who therefore owns what it writes.
        shared = learner.home / "shared"
        client.containers.run(
            "busybox", ["sh", "-c", "echo hello > /data/index.html; exec httpd -f -h /data"],
            detach=True, name="web", ports={"80/tcp": ("127.0.0.1", port)},
            volumes={str(shared): {"bind": "/data"}},
        )  # fmt: skip
        assert wait.until("the page", lambda: _page(port), timeout=60) == b"hello\n"
        assert (shared / "index.html").stat().st_uid == learner.uid

        host = _host(learner)
        inside = mirror.rpartition(":")[2]
        assert _connects(client, host, inside, seconds=20)
        assert not _connects(client, host, neighbour)
        assert not _connects(client, host, neighbour, network_mode="host")
        client.containers.run("busybox", "mount -t tmpfs own /tmp", privileged=True)
        # What lesson 14 says of it: its containers are not the host's root, whatever they get.
        with pytest.raises(docker.errors.ContainerError, match="Permission denied"):
            client.containers.run(
                "busybox", "cat /host/etc/shadow", privileged=True, volumes=["/:/host"]
            )
    learner.python(STOP)
    assert learner.processes() == []
    assert not socket_file.exists()
    assert _page(port) is None
    assert str(learner.home) not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.slow
def test_the_containers_of_a_killed_daemon_are_killed_too_and_it_can_be_started_again(
    learner, started, mirror
):
    address = started
    with closing(docker.DockerClient(base_url=address)) as client:
        client.containers.run("busybox", "sleep 600", detach=True, name="sleeper")
    kit = next(each for each in psutil.process_iter() if _is_kit(each, learner.uid))
    kit.kill()
    wait.until("all processes to exit", lambda: not learner.processes(), timeout=60)
    assert learner.python(START, mirror) == address
    with closing(docker.DockerClient(base_url=address)) as client:
        assert client.containers.get("sleeper").status == "exited"
        client.containers.get("sleeper").remove()
    learner.python(STOP)
    assert learner.processes() == []


@pytest.mark.slow
def test_fuse_mounts_the_layers_if_linux_is_too_old_for_overlays_in_user_namespaces(
    learner, mirror
):
    old = "from dockyard.engine import rootless; rootless.OVERLAY_SINCE = (99, 0); "
    address = learner.python(old + START, mirror)
    try:
        with closing(docker.DockerClient(base_url=address)) as client:
            assert client.info()["Driver"] == rootless.FUSE
            client.containers.run(
                "busybox", "sh -c 'rm /bin/ls && echo mine > /etc/note'", name="cc"
            )
            changed = {(each["Path"], each["Kind"]) for each in client.containers.get("cc").diff()}
            assert {("/bin/ls", 2), ("/etc/note", 1)} <= changed
            client.containers.get("cc").remove()
    finally:
        learner.python(old + STOP)
    assert learner.processes() == []
    assert str(learner.home) not in Path("/proc/self/mountinfo").read_text()


def _connects(client, host, port, *, seconds=2, **options):
    command = ["sh", "-c", f"nc -w {seconds} {host} {port} < /dev/null"]
    container = client.containers.create("busybox", command, **options)
    container.start()
    return container.wait()["StatusCode"] == 0


def digests(image):
    return [name.partition("@")[2] for name in image.attrs["RepoDigests"]]


def _is_kit(process, uid):
    with suppress(psutil.Error):
        return process.name() == "rootlesskit" and process.uids().real == uid
    return False


def _host(learner):
    return learner.python(STEP + "print(engine.host)")


def _page(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.read()
    except OSError:
        return None


def test_embedded_is_rootless_without_root_and_says_what_to_ask_an_administrator(learner):
    done = learner.dockyard("doctor", "--json")
    assert done.stdout, done.stderr
    report = json.loads(done.stdout)
    finding = next(each for each in report["providers"] if each["provider"] == "embedded")
    assert "without root" in finding["title"]
    assert finding["works"], finding["needs"]

    learner.python(STEP + "print(engine.pool)")  # as after a first start
    assert learner.dockyard("engine", "stop").returncode == 0

    hidden = "mount --bind /dev/null /usr/bin/newuidmap"
    done = learner.dockyard("engine", "start", "--engine", "embedded", before=hidden)
    assert restricted_host.is_clear(done), done.stderr
    assert "ask an administrator to run:  sudo apt-get install uidmap" in done.stderr

    none = f"sed /{USER}/d /etc/subuid > {learner.folder}/subuid; "
    none += f"mount --bind {learner.folder}/subuid /etc/subuid"
    done = learner.dockyard("engine", "start", "--engine", "embedded", before=none)
    assert restricted_host.is_clear(done), done.stderr
    assert f"usermod --add-subuids 100000-165535 --add-subgids 100000-165535 {USER}" in done.stderr

    closed = f"mknod --mode=600 {learner.folder}/tun c 10 200; "
    closed += f"mount --bind {learner.folder}/tun /dev/net/tun"
    done = learner.dockyard("engine", "start", "--engine", "embedded", before=closed)
    assert restricted_host.is_clear(done), done.stderr
    assert "ask an administrator to run:  sudo chmod 666 /dev/net/tun" in done.stderr

"""Binder's build and launch, in a container with Binder's limits.

``binder/postBuild`` and ``binder/start`` run as user 1000 in a container of the embedded engine:
no capabilities, no new privileges, default seccomp, no device, no daemon's socket, one CPU, 2 GB.
Measures the time from the launch to the first ``docker run`` answered in JupyterLab, then runs the
whole course under nbval beside that JupyterLab. It takes an hour:
``python3 -m dockyard test -m binder tests/doors/test_binder_twin.py``. With ``--capture=no`` it
prints the measurements; with ``-k 12-services`` build, launch and one lesson take six minutes.

It differs from Binder: programs are this host's instead of those of repo2docker's base image
(Ubuntu), Python is this one instead of conda's and finds the checkout by PYTHONPATH instead of an
editable install, no proxy is between the browser and JupyterLab, the network is not filtered.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from contextlib import closing
from pathlib import Path

import docker
import pytest

from dockyard.core import paths
from dockyard.engine import system_packages
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.vm import artifacts
from tests.support import homes, packages

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.binder,
    pytest.mark.skipif(os.geteuid() != 0, reason="the outer engine needs root: sudo -E …"),
]

HOME = "/home/jovyan"
USER = 1000
MEMORY = 2 * 1024**3
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")

PROGRAMS = {
    "curl": "curl",
    "docker-registry": "docker-registry",
    "fakeroot": "fakeroot",
    "mmdebstrap": "mmdebstrap",
    "skopeo": "skopeo",
}
"""The programs of binder/apt.txt that this host needs, besides those that build the kernel."""

FIRST_RUN = r"""
import asyncio, json, sys, time, urllib.request, uuid
from tornado.websocket import websocket_connect

BASE, LIMIT = "http://127.0.0.1:8888", float(sys.argv[1])
CELL = (
    "%load_ext dockyard\n"
    "import subprocess\n"
    "print(subprocess.run(['docker', 'run', '--rm', 'busybox', 'echo', 'hello'],"
    " capture_output=True, text=True))"
)

def ask(path, **more):
    with urllib.request.urlopen(urllib.request.Request(BASE + path, **more), timeout=30) as answer:
        return answer.read()

async def run(kernel, code):
    channel = await websocket_connect(f"{BASE.replace('http', 'ws')}/api/kernels/{kernel}/channels")
    header = {"msg_id": uuid.uuid4().hex, "username": "", "session": uuid.uuid4().hex,
              "msg_type": "execute_request", "version": "5.3", "date": ""}
    content = {"code": code, "silent": False, "store_history": False, "user_expressions": {},
               "allow_stdin": False, "stop_on_error": True}
    await channel.write_message(json.dumps({"header": header, "parent_header": {}, "metadata": {},
                                            "content": content, "channel": "shell", "buffers": []}))
    said = []
    while True:
        message = json.loads(await channel.read_message())
        if message["parent_header"].get("msg_id") != header["msg_id"]:
            continue
        if message["msg_type"] == "stream":
            said.append(message["content"]["text"])
        elif message["msg_type"] == "error":
            said.append(message["content"]["evalue"])
        elif message["msg_type"] == "execute_reply":
            return "".join(said)

deadline = time.monotonic() + LIMIT
while True:
    try:
        assert b"JupyterLab" in ask("/lab")
        break
    except OSError:
        if time.monotonic() > deadline:
            raise
        time.sleep(0.2)
lab = time.time()
kernel = json.loads(ask("/api/kernels", method="POST", data=b"{}"))["id"]
while "hello" not in (said := asyncio.run(run(kernel, CELL))) and time.monotonic() < deadline:
    time.sleep(0.5)
print(json.dumps({"lab": lab, "answered": time.time(), "said": said}))
"""


@pytest.fixture(scope="module")
def jovyan(tmp_path_factory):
    """The home of Binder's user with a copy of the repository.

    It gets the kernel and the images of this home, because building them takes longest. With an
    empty home (``DOCKYARD_HOME``) everything is built, as on Binder.
    """
    made, images = artifacts.folder(), paths.home() / "registry"
    home = tmp_path_factory.mktemp("binder") / "jovyan"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=paths.CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        source, target = paths.CHECKOUT / name, home / "course" / name
        if source.exists() or source.is_symlink():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    ready = home / "course" / ".dockyard" / "machine"
    ready.mkdir(parents=True)
    for file in (artifacts.place("linux"), *made.glob(f"{artifacts.place('linux').name}.size")):
        if file.exists():
            shutil.copy2(file, ready / file.name)
    if images.exists():
        shutil.copytree(images, ready.with_name("registry"))
    (home / "first_run.py").write_text(FIRST_RUN)
    (home / "tmp").mkdir()
    subprocess.run(["chown", "-R", f"{USER}:{USER}", home], check=True)
    for folder in (home, *home.parents[:2]):
        folder.chmod(0o755)
    return home


@pytest.fixture(scope="module")
def outer(tmp_path_factory, jovyan):
    """A client of an engine with an empty image ``nothing:1``, in place of Binder's node.

    It changes the home, so the fixture jovyan must come first.
    """
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("outer")
        homes.give_engine_root(home)
        patch.setenv("DOCKYARD_HOME", str(home))
        packages.install(system_packages.missing(PROGRAMS))
        engine = EmbeddedEngine()
        address = engine.start(print).address
        with closing(docker.DockerClient(base_url=address, timeout=7200)) as client:
            packed = io.BytesIO()
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.addfile(tarfile.TarInfo("empty"))
            client.api.import_image_from_data(packed.getvalue(), repository="nothing", tag="1")
            yield client
        engine.stop(print)


class Watched:
    """The most memory a container used, as the engine counts it, and its CPU seconds."""

    def __init__(self, container) -> None:
        self.container = container
        self.most = self.most_needed = 0
        self.cpu_seconds = 0.0
        threading.Thread(target=self._follow, daemon=True).start()

    def _follow(self) -> None:
        for seen in self.container.stats(stream=True, decode=True):
            memory = seen["memory_stats"]
            if not memory.get("usage"):
                continue
            cache = memory["stats"].get("total_inactive_file", memory["stats"]["inactive_file"])
            self.most = max(self.most, memory["usage"])
            self.most_needed = max(self.most_needed, memory["usage"] - cache)
            self.cpu_seconds = seen["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9

    def __str__(self) -> str:
        return (
            f"peak memory {self.most_needed / 1e6:.0f} MB without, {self.most / 1e6:.0f} MB with "
            f"the file cache; {self.cpu_seconds:.0f} CPU seconds"
        )


def _as_binder(client, home: Path, command: list[str], **more):
    """Start a container with Binder's limits."""
    python = {sys.prefix, sys.base_prefix}
    mounts = {path: {"bind": path, "mode": "ro"} for path in {*SYSTEM, *python}}
    mounts[str(home)] = {"bind": HOME, "mode": "rw"}
    mounts[str(home / "tmp")] = {"bind": "/tmp", "mode": "rw"}
    return client.containers.run(
        "nothing:1",
        command,
        environment={
            "HOME": HOME,
            "USER": "jovyan",
            "LANG": "C.UTF-8",
            "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": f"{HOME}/course",
        },
        working_dir=f"{HOME}/course",
        volumes=mounts,
        user=str(USER),
        cap_drop=["ALL"],
        security_opt=["no-new-privileges"],
        mem_limit=MEMORY,
        memswap_limit=MEMORY,
        nano_cpus=1_000_000_000,
        detach=True,
        **more,
    )


def _run_to_end(client, home: Path, command: list[str]) -> str:
    container = _as_binder(client, home, command)
    watched = Watched(container)
    try:
        code = container.wait()["StatusCode"]
        output = container.logs().decode()
        assert code == 0, output[-4000:]
        assert not client.api.inspect_container(container.id)["State"]["OOMKilled"]
    finally:
        container.remove(force=True)
    print(f"\n{' '.join(command)}: {watched}")
    return output


@pytest.fixture(scope="module")
def built(outer, jovyan):
    """What postBuild printed."""
    return _run_to_end(outer, jovyan, ["binder/postBuild"])


@pytest.fixture(scope="module")
def launched(outer, jovyan, built):
    """The running container of a launch, and its measurements."""
    lab = ["jupyter", "lab", "--ip=127.0.0.1", "--port=8888", "--no-browser", "--allow-root"]
    lab += ["--IdentityProvider.token=", "--ServerApp.disable_check_xsrf=True"]
    container = _as_binder(outer, jovyan, ["binder/start", *lab])
    watched = Watched(container)
    yield container, watched
    print(f"\nthe launch: {watched}")
    container.remove(force=True)


def test_the_build_leaves_the_kernel_the_root_image_and_the_courses_images(built, jovyan):
    ready = jovyan / "course" / ".dockyard"
    assert [file for file in (ready / "machine").glob("*-root.ext4") if file.stat().st_size > 10**8]
    assert "The images were not fetched" not in built, built[-3000:]
    assert (ready / "registry" / "docker/registry/v2/repositories/library/busybox").exists()
    assert not (ready / "machine" / "data.ext4").exists()


def test_a_launch_answers_docker_run_in_a_notebook(launched):
    container, _ = launched
    container.reload()
    assert container.status == "running", container.logs().decode()
    code, output = container.exec_run(
        ["python3", f"{HOME}/first_run.py", "300"], workdir=f"{HOME}/course"
    )
    log = container.exec_run(["cat", ".dockyard/logs/launch.log"], workdir=f"{HOME}/course").output
    assert code == 0, f"{output.decode()}\n{log.decode()}\n{container.logs()[-2000:].decode()}"
    found = json.loads(output.splitlines()[-1])
    assert "hello" in found["said"], f"{found['said']}\n{log.decode()}"
    started = container.attrs["State"]["StartedAt"][:26].rstrip("Z")
    began = _seconds(started)
    print(
        f"\nlaunch: JupyterLab after {found['lab'] - began:.1f} s, "
        f"docker run answered after {found['answered'] - began:.1f} s"
    )
    assert found["answered"] - began < 240


def _seconds(moment: str) -> float:
    from datetime import UTC, datetime

    return datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize("notebook", sorted(paths.NOTEBOOKS.glob("*.ipynb")), ids=lambda p: p.stem)
def test_every_lesson_passes_there(launched, notebook):
    container, watched = launched
    before = watched.cpu_seconds
    code, output = container.exec_run(
        ["python3", "-m", "dockyard", "test", f"notebooks/{notebook.name}", "-q", "--tb=short"],
        workdir=f"{HOME}/course",
    )
    print(f"\n{notebook.stem}: {watched.cpu_seconds - before:.0f} CPU seconds; so far {watched}")
    killed = container.exec_run(
        ["sh", "-c", "cat /sys/fs/cgroup/memory.events /sys/fs/cgroup/memory/memory.oom_control"]
    ).output.decode()
    assert "oom_kill 0" in killed, killed
    assert code == 0, output.decode()[-20000:]

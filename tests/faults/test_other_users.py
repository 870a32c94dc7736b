"""Other people on this computer: what they can connect to, and what they can read.

JupyterLab runs as ``learn`` runs it; another user (nobody) looks around.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import urllib.request
from contextlib import ExitStack, contextmanager

import psutil
import pytest
import zmq
from jupyter_client import BlockingKernelClient

from dockyard import course
from dockyard.core import home_mark, paths, ports, wait
from dockyard.jupyter import jupyter_environment
from dockyard.learner_copy import course_folder
from tests.support.restricted_host import NOBODY, needs_root, open_folder

pytestmark = [needs_root, pytest.mark.slow]
PATIENCE = 180

LOOK_AROUND = r"""
import glob, os, socket, sys
secrets, folders = sys.argv[1].encode().split(b","), sys.argv[2].split(",")
found, seen = [], 0
for kind in ("cmdline", "environ"):
    for file in glob.glob(f"/proc/[0-9]*/{kind}"):
        try:
            content = open(file, "rb").read()
        except OSError:
            continue
        seen += 1
        if os.path.dirname(file) != f"/proc/{os.getpid()}":
            found += [file for each in secrets if each in content]
for folder in folders:
    for top, _, files in os.walk(folder):
        for name in files:
            path = os.path.join(top, name)
            try:
                content = open(path, "rb").read()
            except OSError:
                continue
            seen += 1
            found += [path for each in secrets if each in content]
print(found, seen)
"""


def as_nobody(code, *words):
    done = subprocess.run(
        [*NOBODY, "/usr/bin/python3", "-c", code, *map(str, words)],
        capture_output=True, text=True, timeout=120, check=False, cwd="/",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def jupyterlab():
    """JupyterLab of a new home in a folder that everybody can enter; its log is in the home."""
    with open_folder() as home, pytest.MonkeyPatch.context() as patched:
        patched.setenv("DOCKYARD_HOME", str(home))
        course.prepare_home()
        course_folder.update(lambda _: None)
        port = ports.choose()
        with (home / "lab.log").open("w") as log:
            server = psutil.Popen(
                [sys.executable, "-m", "jupyterlab", f"--ServerApp.port={port}", "--no-browser",
                 "--ServerApp.port_retries=0", "--allow-root"],
                env=jupyter_environment.whole(), cwd=paths.CHECKOUT, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        try:
            info = jupyter_environment.runtime() / f"jpserver-{server.pid}.json"
            wait.until("JupyterLab", info.exists, PATIENCE, log=home / "lab.log")
            (home / "lab.log").unlink()  # learn shows it in the terminal
            yield home, server, json.loads(info.read_text())
        finally:
            family = [server, *server.children(recursive=True)]
            server.terminate()
            psutil.wait_procs(family, timeout=60)


def ask(info, path, method="GET"):
    request = urllib.request.Request(
        f"{info['url']}{path}", method=method, headers={"Authorization": f"token {info['token']}"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def said_by(client):
    """What a cell printed. The kernel's own complaints about what it was sent come on stderr."""
    said = []
    client.execute_interactive("print(6 * 7)", output_hook=said.append, timeout=PATIENCE)
    streams = [message["content"] for message in said if message["msg_type"] == "stream"]
    return "".join(each["text"] for each in streams if each["name"] == "stdout")


def check_that_it_tells_nothing(address, client):
    """The pipe of ipykernel only takes, and from nobody without its secret."""
    with zmq.Context() as context, ExitStack() as sockets:
        kinds = (zmq.SUB, zmq.PULL, zmq.DEALER)
        readers = [sockets.enter_context(context.socket(kind)) for kind in kinds]
        readers[0].subscribe(b"")
        for reader in readers:
            reader.linger = 0
            reader.connect(address)
        with context.socket(zmq.PUSH) as writer:
            writer.linger = 1000
            writer.connect(address)
            writer.send_multipart([b"x" * 16, b"stream", b"forged"])
            assert said_by(client) == "42\n"
        assert [reader.poll(500) for reader in readers] == [0, 0, 0]


def is_ready(client):
    try:
        client.wait_for_ready(timeout=PATIENCE)
    except RuntimeError:
        # It also gives up on a kernel that is late for one heartbeat, a second.
        return False
    return True


def test_nobody_else_reaches_a_kernel_or_finds_a_secret():
    with jupyterlab() as (home, server, info):
        wait.until("the server", lambda: not ports.is_free(info["port"]), PATIENCE)
        kernel = ask(info, "api/kernels", "POST")["id"]
        file = jupyter_environment.runtime() / f"kernel-{kernel}.json"
        client = BlockingKernelClient()
        client.load_connection_file(str(file))
        client.start_channels()
        try:
            wait.until("the kernel", lambda: is_ready(client), PATIENCE)
            assert said_by(client) == "42\n"
            kernels = server.children(recursive=True)
            listening = [
                f"tcp://127.0.0.1:{each.laddr.port}"
                for process in kernels
                for each in process.net_connections("inet")
                if each.status == psutil.CONN_LISTEN
            ]
            assert len(listening) <= 1, "ipykernel has one, for what forked processes print"
            for address in listening:
                check_that_it_tells_nothing(address, client)
        finally:
            client.stop_channels()
        assert json.loads(file.read_text())["transport"] == "ipc"
        sockets = [each for each in file.parent.iterdir() if stat.S_ISSOCK(each.lstat().st_mode)]
        assert len(sockets) == 5
        connect = """
import socket, sys
for path in sys.argv[1:]:
    try:
        socket.socket(socket.AF_UNIX).connect(path)
        print("connected", path)
    except PermissionError:
        pass
"""
        assert as_nobody(connect, *sockets) == ""

        key = json.loads(file.read_text())["key"]
        secrets = f"{info['token']},{key},{home_mark.secret().decode()}"
        found, _, seen = as_nobody(
            LOOK_AROUND, secrets, f"{home},{paths.run_dir()},{paths.CHECKOUT / 'my-course'}"
        ).rpartition(" ")
        assert found == "[]"
        assert int(seen) > 50, "it has looked at something"

        refuse = f"""
import urllib.request, urllib.error
try:
    print(urllib.request.urlopen("{info["url"]}api/kernels", timeout=30).status)
except urllib.error.HTTPError as error:
    print(error.code)
"""
        assert as_nobody(refuse) == "403"


SECRET = (
    "*.secret",
    "*.htpasswd",
    "registry.yml",
    "registry-writer.yml",
    "*.json.key",
    "notebook_*",
)


def test_what_is_secret_is_only_its_owners():
    """In the home in which the tests run, as it is after weeks of use."""
    home_mark.secret()
    loose = [
        (str(file), oct(file.stat().st_mode))
        for pattern in SECRET
        for file in [*paths.home().glob(pattern), *paths.jupyter().glob(f"**/{pattern}")]
        if file.stat().st_mode & 0o077
    ]
    assert loose == []
    for socket in (*paths.run_dir().glob("*.sock"), paths.run_dir()):
        assert not socket.stat().st_mode & 0o077, socket


KILLED = """
import os, sys
from dockyard.commands.helper_process import HelperProcess
with HelperProcess(["http.server", "0", "--bind", "127.0.0.1"], os.environ) as helper:
    print(helper._process.pid, flush=True)
    helper.wait()
"""


def test_what_learn_started_ends_when_learn_is_killed():
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, cwd=paths.CHECKOUT
    ) as learn:
        helper = psutil.Process(int(learn.stdout.readline()))
        assert helper.is_running()
        os.kill(learn.pid, signal.SIGKILL)
        learn.wait()
    assert psutil.wait_procs([helper], timeout=30)[1] == []

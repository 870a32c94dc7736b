"""SDK calls and curl lines that send the same request as a docker command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
from contextlib import suppress

import docker as sdk
import pytest

from dockyard.core import paths
from dockyard.trace import exchange_text
from dockyard.trace.recorder import Recorder
from dockyard.trace.sdk_calls import as_sdk
from tests.support.front_door import needs_dockerd

pytestmark = needs_dockerd

ROBOT = "create --name robot busybox sleep 1000"
RUNNING = "run --detach --init --name robot busybox sleep 1000"

# The command that prepares the scene, the command under test, one of its requests as SDK code.
COMMANDS = [
    ("", "version", "client.version()"),
    ("", "info", "client.info()"),
    (
        ROBOT,
        "ps --all --filter name=robot",
        'client.containers.list(all=True, filters={"name": "robot"})',
    ),
    ("", ROBOT, 'container = client.containers.create("busybox", ["sleep", "1000"], name="robot")'),
    (
        "",
        "create --name robot --publish 127.0.0.1:8080:80 --publish 9000:90/udp"
        " --volume notes:/data --env A=b --label x=y --tty --interactive --user 1 --workdir /tmp"
        " --hostname h --memory 64m --restart on-failure:3 --network none --privileged"
        " --entrypoint sh --init busybox -c true",
        'container = client.containers.create("busybox", ["-c", "true"], name="robot",'
        ' entrypoint=["sh"],'
        ' environment=["A=b"], hostname="h", labels={"x": "y"}, tty=True, user="1",'
        ' stdin_open=True, working_dir="/tmp", init=True, mem_limit=67108864, privileged=True,'
        ' restart_policy={"Name": "on-failure", "MaximumRetryCount": 3}, volumes=["notes:/data"],'
        ' ports={"80/tcp": ("127.0.0.1", 8080), "90/udp": 9000}, network_mode="none")',
    ),
    (ROBOT, "start robot", 'client.containers.get("robot").start()'),
    (RUNNING, "stop --time 0 robot", 'client.containers.get("robot").stop(timeout=0)'),
    (RUNNING, "restart --time 0 robot", 'client.containers.get("robot").restart(timeout=0)'),
    (RUNNING, "kill --signal TERM robot", 'client.containers.get("robot").kill(signal="TERM")'),
    (RUNNING, "pause robot", 'client.containers.get("robot").pause()'),
    (RUNNING, "exec robot echo hi", 'client.containers.get("robot").exec_run(["echo", "hi"])'),
    (RUNNING, "top robot", 'client.containers.get("robot").top()'),
    (RUNNING, "logs --tail 5 robot", "container.logs(tail=5)"),
    (
        ROBOT,
        "rm --force --volumes robot",
        'client.containers.get("robot").remove(force=True, v=True)',
    ),
    (ROBOT, "inspect robot", 'container = client.containers.get("robot")'),
    (ROBOT, "commit robot copy", 'client.containers.get("robot").commit("copy", tag="latest")'),
    ("", "images", "client.images.list()"),
    ("", "image inspect busybox", 'image = client.images.get("busybox")'),
    ("tag busybox copy", "rmi copy", 'client.images.remove("copy")'),
    ("", "pull 127.0.0.1:9/none:1", 'image = client.images.pull("127.0.0.1:9/none", tag="1")'),
    ("", "network ls", "client.networks.list()"),
    ("", "network inspect none", 'network = client.networks.get("none")'),
    (
        "",
        "network create --config-only --driver macvlan --label x=y net",
        'network = client.networks.create("net", driver="macvlan", labels={"x": "y"})'
        "  # left out: ConfigOnly",
    ),
    ("", "volume ls --filter dangling=true", 'client.volumes.list(filters={"dangling": "true"})'),
    ("", "volume create notes", 'volume = client.volumes.create("notes")'),
    ("volume create notes", "volume inspect notes", 'volume = client.volumes.get("notes")'),
    ("volume create notes", "volume rm notes", 'client.volumes.get("notes").remove()'),
]


@pytest.fixture
def scene(docker, client, folder, monkeypatch):
    """Prepares the daemon for a command, and cleans up at the end."""
    monkeypatch.chdir(folder)

    def tidy():
        with suppress(sdk.errors.NotFound):
            client.api.remove_container("robot", force=True, v=True)
        with suppress(sdk.errors.NotFound):
            client.api.remove_volume("notes")
        with suppress(sdk.errors.NotFound):
            client.api.remove_image("copy")
        with suppress(sdk.errors.NotFound):
            client.api.remove_network("net")

    def put(setup):
        tidy()
        if setup:
            docker(*shlex.split(setup))

    yield put
    tidy()


# What the SDK leaves to the daemon, or has no argument for.
UNSAID = {
    (("AttachStdin",), "true"),
    (("AttachStdout",), "true"),
    (("AttachStderr",), "true"),
    (("ConfigOnly",), "true"),
    (("Driver",), '"bridge"'),
    (("Driver",), '"local"'),
    (("IPAM", "Driver"), '"default"'),
}


def leaves(value, path=()):
    """The values in a body, each with its path."""
    if isinstance(value, dict):
        return {leaf for key, item in value.items() for leaf in leaves(item, (*path, key))}
    return {(path, json.dumps(value, sort_keys=True))}


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
@pytest.mark.parametrize(
    ("setup", "command", "expected"), COMMANDS, ids=[command[:40] for _, command, _ in COMMANDS]
)
def test_sdk_code_and_curl_line_send_the_same_request(
    docker, client, scene, setup, command, expected
):
    scene(setup)
    with Recorder() as typed:
        docker.run(*shlex.split(command), text=False)
    exchanges = [each for each in typed.exchanges if each.path != "/_ping"]
    assert expected in [as_sdk(each) for each in exchanges]
    for exchange in exchanges:
        code = as_sdk(exchange)
        assert code
        scene(setup)
        with Recorder() as called:
            run(code, client)
        same = same_kind(called, exchange)
        if exchange.path.endswith("/create") and exchange.body:
            said = leaves(exchange_text.body(exchange)) - UNSAID
            assert said - leaves(exchange_text.body(same)) == set()
        if "/exec/" not in exchange.path:
            scene(setup)
            with Recorder() as called:
                type_in(exchange_text.as_curl(exchange))
            same = same_kind(called, exchange)
            assert exchange_text.query(same) == exchange_text.query(exchange)
            assert (same.status, same.sent > 0) == (exchange.status, exchange.sent > 0)


def run(code, client):
    """Run SDK code as a reader would who knows which container it is about."""
    with suppress(sdk.errors.APIError):
        known = {"client": client, "docker": sdk}
        if "{id}" in code or code.startswith("container."):
            known["container"] = client.containers.get("robot")
            code = code.replace("{id}", known["container"].id)
        exec(code, known)


def type_in(line):
    """Run a curl line as a reader would who knows which container it is about."""
    env = os.environ | {"SOCKET": str(paths.front_door())}
    line = line.replace("{id}", "robot")
    subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=60, env=env)


def same_kind(recorder, exchange):
    """The recorded exchange of the same kind as another one."""
    found = [each for each in recorder.exchanges if kind_of(each) == kind_of(exchange)]
    assert found, recorder.exchanges
    return found[-1]


def kind_of(exchange):
    """The method, and the path without the name or id in it."""
    parts = exchange.path.split("/")
    named = len(parts) > 2 and parts[2] not in ("json", "create")
    return exchange.method, [*parts[:2], *parts[3:]] if named else parts

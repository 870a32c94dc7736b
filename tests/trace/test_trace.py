"""``%%trace`` on a real daemon: what it shows is true, works when typed, and never varies."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tarfile
from contextlib import ExitStack, suppress
from html.parser import HTMLParser

import docker as sdk
import nbformat
import pytest
from nbclient import NotebookClient

from dockyard.core import docker_client as course_client
from dockyard.core import paths
from dockyard.trace import exchange_text
from dockyard.trace.recorder import Exchange, Recorder
from dockyard.trace.sdk_calls import as_sdk
from dockyard.trace.table import Table
from tests.support import homes
from tests.support.front_door import Docker, Dockerd, Door, build_busybox, short_folder

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("dockerd"), reason="starts a dockerd of its own"
    ),
]


@pytest.fixture(scope="module")
def folder():
    """A home of its own, whose front door is the one that is tested."""
    with short_folder() as made, pytest.MonkeyPatch.context() as patch:
        homes.give_plugins(made)
        patch.setenv("DOCKYARD_HOME", str(made))
        yield made


@pytest.fixture(scope="module")
def docker(folder):
    with ExitStack() as started:
        dockerd = Dockerd(folder).start()
        started.callback(dockerd.stop)
        door = Door(paths.run_dir(), f"unix://{dockerd.socket}").start()
        started.callback(door.stop)
        made = Docker(folder, door.socket)
        build_busybox(made, folder)
        yield made


@pytest.fixture
def client(docker):
    made = sdk.DockerClient(base_url=f"unix://{paths.front_door()}")
    yield made
    made.close()


ROBOT = "create --name robot busybox sleep 1000"
RUNNING = "run --detach --init --name robot busybox sleep 1000"

# What is there before, the command, and what one of its requests is in SDK code.
COMMANDS = [
    ("", "version", "client.version()"),
    ("", "info", "client.info()"),
    ("", "system df", "client.df()"),
    (
        ROBOT,
        "ps --all --filter name=robot",
        'client.containers.list(all=True, filters={"name": "robot"})',
    ),
    ("", ROBOT, 'container = client.containers.create("busybox", ["sleep", "1000"], name="robot")'),
    (
        "",
        "create --name robot --publish 127.0.0.1:8080:80 --publish 9000:90/udp"
        " --volume notes:/data"
        " --mount type=volume,source=more,target=/more,readonly --env A=b --label x=y --tty"
        " --interactive --user 1 --workdir /tmp --hostname h --memory 64m --cpus 0.5"
        " --restart on-failure:3 --network none --read-only --cap-drop ALL --cap-add CHOWN"
        " --entrypoint sh --tmpfs /t --init --pids-limit 50 busybox -c true",
        'container = client.containers.create("busybox", ["-c", "true"], name="robot",'
        ' entrypoint=["sh"],'
        ' environment=["A=b"], hostname="h", labels={"x": "y"}, stdin_open=True, tty=True,'
        ' user="1", working_dir="/tmp", cap_add=["CAP_CHOWN"], cap_drop=["ALL"],'
        " init=True, mem_limit=67108864, nano_cpus=500000000, pids_limit=50,"
        ' read_only=True, restart_policy={"Name": "on-failure", "MaximumRetryCount": 3},'
        ' tmpfs={"/t": ""}, volumes=["notes:/data"],'
        ' ports={"80/tcp": ("127.0.0.1", 8080), "90/udp": 9000},'
        ' mounts=[docker.types.Mount("/more", "more", type="volume", read_only=True)],'
        ' network_mode="none")',
    ),
    (ROBOT, "start robot", 'client.containers.get("robot").start()'),
    (RUNNING, "stop --time 0 robot", 'client.containers.get("robot").stop(timeout=0)'),
    (RUNNING, "restart --time 0 robot", 'client.containers.get("robot").restart(timeout=0)'),
    (RUNNING, "kill --signal TERM robot", 'client.containers.get("robot").kill(signal="TERM")'),
    (RUNNING, "pause robot", 'client.containers.get("robot").pause()'),
    (RUNNING, "exec robot echo hi", 'client.containers.get("robot").exec_run(["echo", "hi"])'),
    (RUNNING, "top robot", 'client.containers.get("robot").top()'),
    (RUNNING, "stats --no-stream robot", 'client.containers.get("robot").stats(stream=False)'),
    (RUNNING, "logs --tail 5 robot", "container.logs(tail=5)"),
    (RUNNING, "diff robot", 'client.containers.get("robot").diff()'),
    (ROBOT, "rename robot rob", 'client.containers.get("robot").rename("rob")'),
    (
        ROBOT,
        "rm --force --volumes robot",
        'client.containers.get("robot").remove(force=True, v=True)',
    ),
    (ROBOT, "inspect robot", 'container = client.containers.get("robot")'),
    (ROBOT, "export robot", 'client.containers.get("robot").export()'),
    (ROBOT, "commit robot copy", 'client.containers.get("robot").commit("copy", tag="latest")'),
    (
        ROBOT,
        "cp /etc/hostname robot:/tmp",
        'client.containers.get("robot").put_archive("/", open("archive.tar", "rb"))',
    ),
    (
        ROBOT,
        "cp robot:/etc/passwd -",
        'client.containers.get("robot").get_archive("/etc/passwd")',
    ),
    ("", "container prune --force", "client.containers.prune()"),
    ("", "images", "client.images.list()"),
    ("", "image inspect busybox", 'image = client.images.get("busybox")'),
    ("", "history busybox", 'client.images.get("busybox").history()'),
    ("", "tag busybox copy:2", 'client.images.get("busybox").tag("copy", tag="2")'),
    ("tag busybox copy", "rmi copy", 'client.images.remove("copy")'),
    ("", "pull 127.0.0.1:9/none:1", 'image = client.images.pull("127.0.0.1:9/none", tag="1")'),
    (
        "tag busybox 127.0.0.1:9/none:1",
        "push 127.0.0.1:9/none:1",
        'client.images.push("127.0.0.1:9/none", tag="1")',
    ),
    ("", "network ls", "client.networks.list()"),
    ("", "network inspect none", 'network = client.networks.get("none")'),
    (
        "",
        "network create --config-only --driver macvlan --subnet 10.9.0.0/24 --label x=y net",
        'network = client.networks.create("net", driver="macvlan", labels={"x": "y"},'
        " ipam=docker.types.IPAMConfig(pool_configs="
        '[docker.types.IPAMPool(subnet="10.9.0.0/24")]))',
    ),
    (
        f"{ROBOT} --network none",
        "network disconnect --force none robot",
        'client.networks.get("none").disconnect("robot", force=True)',
    ),
    ("", "volume ls --filter dangling=true", 'client.volumes.list(filters={"dangling": "true"})'),
    ("", "volume create notes", 'volume = client.volumes.create("notes")'),
    ("volume create notes", "volume inspect notes", 'volume = client.volumes.get("notes")'),
    ("volume create notes", "volume rm notes", 'client.volumes.get("notes").remove()'),
]


@pytest.fixture
def scene(docker, client, folder, monkeypatch):
    """Puts things as they were, and tidies up at the end."""
    monkeypatch.chdir(folder)
    with tarfile.open(exchange_text.ARCHIVE, "w") as archive:
        archive.add("/etc/hostname", "hostname")

    def tidy():
        for name in ("robot", "rob"):
            with suppress(sdk.errors.NotFound):
                client.api.remove_container(name, force=True, v=True)
        for name in ("notes", "more"):
            with suppress(sdk.errors.NotFound):
                client.api.remove_volume(name)
        for name in ("copy", "copy:2", "127.0.0.1:9/none:1"):
            with suppress(sdk.errors.NotFound):
                client.api.remove_image(name)
        with suppress(sdk.errors.NotFound):
            client.api.remove_network("net")

    def put(setup):
        tidy()
        if setup:
            docker(*shlex.split(setup))

    yield put
    tidy()


# What the SDK leaves to the daemon, or knows no argument for.
UNSAID = {"AttachStdin", "AttachStdout", "AttachStderr", "ConfigOnly", "Driver"}


def leaves(value, path=()):
    """The members of a body that say something, each with the way to it."""
    if isinstance(value, dict):
        return {leaf for key, item in value.items() for leaf in leaves(item, (*path, key))}
    return {(path, json.dumps(value, sort_keys=True))}


@pytest.mark.skipif(not shutil.which("curl"), reason="there is no curl")
@pytest.mark.parametrize(
    ("setup", "command", "expected"), COMMANDS, ids=[command[:40] for _, command, _ in COMMANDS]
)
def test_what_is_printed_sends_that_request(docker, client, scene, setup, command, expected):
    scene(setup)
    with Recorder() as typed:
        docker.run(*shlex.split(command), text=False)
    exchanges = [each for each in typed.exchanges if each.path != "/_ping"]
    assert expected in [as_sdk(each) for each in exchanges]
    for exchange in exchanges:
        code = as_sdk(exchange)
        # The client looks at a path before it copies; the SDK does not.
        assert code or exchange.method == "HEAD"
        if code:
            scene(setup)
            with Recorder() as called:
                run(code, client)
            same = alike(called, exchange)
            if exchange.path.endswith("/create") and exchange.body:
                said = {
                    leaf
                    for leaf in leaves(exchange_text.body(exchange))
                    if leaf[0][0] not in UNSAID
                }
                assert said - leaves(exchange_text.body(same)) == set()
        if "/exec/" not in exchange.path:
            scene(setup)
            with Recorder() as called:
                type_in(exchange_text.as_curl(exchange))
            same = alike(called, exchange)
            assert exchange_text.query(same) == exchange_text.query(exchange)
            assert (same.status, same.sent > 0) == (exchange.status, exchange.sent > 0)


def run(code, client):
    """Run SDK code as a reader would, who knows which container is meant."""
    with suppress(sdk.errors.APIError), ExitStack() as files:
        known = {"client": client, "docker": sdk}
        known["open"] = lambda *words: files.enter_context(open(*words))
        if "{id}" in code or code.startswith("container."):
            known["container"] = client.containers.get("robot")
            code = code.replace("{id}", known["container"].id)
        exec(code, known)


def type_in(line):
    """Run a curl line as a reader would, who knows which container is meant."""
    env = os.environ | {"SOCKET": str(paths.front_door())}
    line = line.replace("{id}", "robot")
    subprocess.run(["sh", "-c", line], check=True, capture_output=True, timeout=20, env=env)


def alike(recorder, exchange):
    """The recorded request that is the same as that of another exchange."""
    found = [each for each in recorder.exchanges if kind_of(each) == kind_of(exchange)]
    assert found, recorder.exchanges
    return found[-1]


def kind_of(exchange):
    """Method and path without the name in it: an object has a name and an id."""
    parts = exchange.path.split("/")
    named = len(parts) > 2 and parts[2] not in ("json", "create", "prune", "df")
    return exchange.method, [*parts[:2], *parts[3:]] if named else parts


# The notebook

CELLS = {
    "start": "%load_ext dockyard\n"
    "from dockyard.core import docker_client\nclient = docker_client.connect()",
    "command": "%%trace\n!docker run --rm busybox echo hello",
    "code": "%%trace --sdk --curl\nclient.containers.run('busybox', 'true', remove=True)",
    "value": "%%trace\n6 * 7",
    "error": "%%trace\nclient.containers.get('nobody')",
    "times": "%%trace --times\n!docker create --name robot busybox; docker rm robot",
    "killed": "%%trace\n!timeout 1 docker events; true",
    "wrong": "%%trace --what\n1",
}


@pytest.fixture(scope="module")
def notebook(docker, folder):
    """A notebook with %%trace, run once and written to a file."""
    course_client.write_config()
    made = nbformat.v4.new_notebook()
    for name, source in CELLS.items():
        made.cells.append(nbformat.v4.new_code_cell(source, id=name))
    for cell in made.cells:
        if cell.id in ("error", "wrong"):
            cell.metadata["tags"] = ["raises-exception"]
        if cell.id == "times":
            cell.metadata["tags"] = ["nbval-ignore-output"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(paths.CHECKOUT))
        NotebookClient(made, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
        nbformat.write(made, folder / "traced.ipynb")
        yield made


def outputs(notebook, name):
    (cell,) = [cell for cell in notebook.cells if cell.id == name]
    return cell.outputs


def shown(notebook, name):
    """The text and the HTML of a cell's table."""
    (data,) = [output.data for output in outputs(notebook, name) if "data" in output][-1:]
    return data["text/plain"], data["text/html"]


def test_the_table_comes_after_what_the_command_printed(notebook):
    assert outputs(notebook, "command")[0].text == "hello\n"
    text, _ = shown(notebook, "command")
    assert text == (
        "HEAD   /_ping                   → 200\n"
        "POST   /containers/create       → 201\n"
        "POST   /containers/{id}/attach  → 101 upgrade\n"
        "POST   /containers/{id}/wait    → 200 stream\n"
        "POST   /containers/{id}/start   → 204"
    )


def test_sdk_code_and_curl_lines_are_shown_on_demand(notebook):
    text, _ = shown(notebook, "code")
    assert 'client.containers.create("busybox", ["true"])' in text
    assert (
        "curl --unix-socket \"$SOCKET\" --request POST 'http://localhost/containers/{id}/start'"
        in text
    )


def test_a_cell_keeps_its_value_and_may_send_nothing(notebook):
    value, table = outputs(notebook, "value")
    assert value.data["text/plain"] == "42"
    assert table.data["text/plain"] == "No request was sent to the daemon."


def test_an_error_is_shown_once_and_its_request_too(notebook):
    table, error = outputs(notebook, "error")
    assert table.data["text/plain"] == "GET    /containers/nobody/json  → 404"
    assert (error.output_type, error.ename) == ("error", "NotFound")


def test_a_killed_client_is_in_the_table(notebook):
    text, _ = shown(notebook, "killed")
    assert text.splitlines()[1] == "GET    /events  → 200 stream"


def test_times_are_shown_on_demand_with_the_real_ids(notebook):
    text, html = shown(notebook, "times")
    assert text.count(" ms") == 4
    assert ">Time</th>" in html
    assert " ms" not in shown(notebook, "command")[1]


def test_an_unknown_option_is_refused(notebook):
    (error,) = outputs(notebook, "wrong")
    assert error.ename == "UsageError"
    assert "Known: --times, --curl, --sdk." in "\n".join(error.traceback)


class Elements(HTMLParser):
    """Counts elements, and keeps the attributes of each."""

    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def test_the_html_is_a_real_table_with_folded_details(notebook):
    elements = Elements(shown(notebook, "command")[1])
    assert len(elements.named("table")) == len(elements.named("caption")) == 1
    assert all(head["scope"] == "col" for head in elements.named("th"))
    assert len(elements.named("details")) == len(elements.named("summary")) == 5
    assert len(elements.named("tr")) == 6


# Without a daemon


def test_what_varies_by_chance_is_left_out():
    exchange = Exchange(
        1,
        "POST",
        f"/containers/{'a1' * 32}/copy",
        f"session=s3krit&until=2026-11-24T10:00:00.123Z&at={os.getcwd()}/x",
        body={
            "Container": "b2" * 32,
            "Image": f"sha256:{'c3' * 32}",
            "Zero": 0,
            "ConsoleSize": [0, 0],
            "Entrypoint": [""],
            "StopTimeout": 0,
            "Volumes": {"/data": {}},
            "Nested": {"Empty": [], "Null": None},
            "Labels": {"com.docker.compose.config-hash": "d4" * 32, "mine": "0123456789ab"},
        },
    )
    assert exchange_text.path(exchange) == "/containers/{id}/copy"
    assert exchange_text.query(exchange) == [
        ("session", "{id}"),
        ("until", "{time}"),
        ("at", "./x"),
    ]
    assert exchange_text.body(exchange) == {
        "Container": "{id}",
        "Image": "{id}",
        "Entrypoint": [""],
        "StopTimeout": 0,
        "Labels": {"mine": "{id}"},
        "Volumes": {"/data": {}},
    }
    assert exchange_text.path(exchange, exact=True) == exchange.path


def test_html_in_a_request_is_only_text():
    exchange = Exchange(1, "GET", "/<script>", "q=<b>", body={"a": "</pre><img>"}, status=404)
    html = Table([exchange]).html()
    assert "<script>" not in html
    assert "<img>" not in html
    assert "<b>" not in html


def test_an_exchange_that_goes_on_says_so():
    table = Table([Exchange(1, "GET", "/events", kind="stream", status=200)], times=True)
    assert repr(table) == "GET    /events  → 200 stream  goes on"


def test_what_nobody_can_say_otherwise_is_not_claimed():
    buildkit = Exchange(1, "POST", "/build", "remote=client-session&version=2", sent=9)
    two_tags = Exchange(2, "POST", "/build", "t=a&t=b", sent=9)
    cut = Exchange(3, "POST", "/containers/create", body='{"Image": …')
    assert [as_sdk(each) for each in (buildkit, two_tags, cut)] == ["", "", ""]
    assert exchange_text.as_curl(Exchange(4, "POST", "/grpc", kind="upgrade", status=101)) == ""
    one_tag = Exchange(5, "POST", "/build", "t=a&dockerfile=Other", sent=9)
    assert as_sdk(one_tag) == 'client.images.build(path=".", tag="a", dockerfile="Other")'
    assert "--data-binary @archive.tar" in exchange_text.as_curl(one_tag)

"""The embedded engine: started, killed, started twice, stopped without a trace."""

import json
import os
import shutil
import socketserver
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread

import docker
import psutil
import pytest

from dockyard.core import paths, ports, process, wait
from dockyard.engine import engine_root, netfilter
from dockyard.engine.base import answers
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.exceptions import DiskFull
from tests.engines.bare import OldestEngine
from tests.support import homes
from tests.support.engines import build_and_explore, host_bridges, left_by, use

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="the embedded engine needs root"),
]


@pytest.fixture
def engine(home):
    embedded = EmbeddedEngine()
    yield embedded
    embedded.stop(print)


def test_stop_leaves_nothing_behind(engine):
    engine.start(print)
    assert engine.socket.stat().st_mode & 0o777 == 0o600
    bridges = engine.bridges()
    assert left_by(engine, bridges)
    engine.stop(print)
    assert left_by(engine, bridges) == []
    assert not engine.exec.exists()


@pytest.mark.parametrize(
    "victims",
    [
        ["unshare"],
        ["tini-static"],
        ["dockerd"],
        ["docker-proxy", "containerd-shim-runc-v2", "containerd"],
    ],
    ids=" ".join,
)
def test_whatever_part_is_killed_stop_leaves_nothing(engine, busybox, victims):
    address = engine.start(print).address
    with closing(docker.DockerClient(base_url=address)) as client:
        client.images.load(busybox)
        client.networks.create("own")
        port = {"80/tcp": ("127.0.0.1", None)}
        client.containers.run("busybox", "sleep 900", detach=True, ports=port, network="own")
    bridges = engine.bridges()
    assert len(bridges) == 2
    parts = [engine.daemon.process(), *engine.daemon.process().children(recursive=True)]
    programs = {_program(each): each for each in parts}
    for victim in victims:
        programs[victim].kill()
    if len(victims) == 1:
        # The kernel ends all other processes, without stop().
        _, alive = psutil.wait_procs(parts, timeout=60)
        assert alive == []
    engine.stop(print)
    assert left_by(engine, bridges) == []


def _program(process):
    """The name of the program that a process runs, which the dynamic loader may have started."""
    words = process.cmdline()
    if "ld-linux" in words[0]:
        words = words[words.index("--argv0") + 1 :]
    return Path(words[0]).name


def test_an_engine_whose_run_folder_was_removed_is_stopped(engine):
    engine.start(print)
    bridges = engine.bridges()
    shutil.rmtree(paths.run_dir())
    engine.stop(print)
    assert left_by(engine, bridges) == []


def test_the_containerd_of_an_earlier_edition_is_stopped(engine):
    words = ["-c", "import time; time.sleep(1000)", engine.data / "containerd.toml"]
    left = subprocess.Popen(["containerd", *words], executable=sys.executable)
    other = subprocess.Popen(["editor", *words], executable=sys.executable)
    engine.stop(print)
    try:
        assert not psutil.pid_exists(left.pid)
        assert other.poll() is None
    finally:
        other.kill()
        for each in (left, other):
            each.wait()


def test_a_killed_daemon_is_replaced_by_the_next_start(engine):
    engine.start(print)
    killed = engine.daemon.process()
    killed.kill()
    psutil.wait_procs([killed], timeout=60)
    with closing(docker.DockerClient(base_url=engine.start(print).address)) as client:
        assert client.ping()
    assert engine.daemon.process().pid != killed.pid


def test_a_socket_that_answers_without_its_daemon_is_replaced_by_the_next_start(engine):
    """As that of a killed daemon does until the kernel has ended it."""

    class Ping(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.recv(65536)
            self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\nOK")

    with socketserver.UnixStreamServer(str(engine.socket), Ping) as dying:
        Thread(target=dying.serve_forever, daemon=True).start()
        assert answers(engine.socket)
        address = engine.start(print).address
        dying.shutdown()
    with closing(docker.DockerClient(base_url=address)) as client:
        assert client.info()["DockerRootDir"] == str(engine.data / "docker")


def test_an_address_range_that_somebody_has_taken_meanwhile_is_replaced(engine):
    """dockerd remembers the address of its default bridge."""
    engine.start(print)
    engine.stop(print)
    former = engine.pool
    netfilter.make_bridge("dytaken", f"{former.network_address + 1}/24")
    try:
        for _ in range(2):
            with closing(docker.DockerClient(base_url=engine.start(print).address)) as client:
                (config,) = client.networks.get("bridge").attrs["IPAM"]["Config"]
            assert config["Gateway"] == engine.bridge_gateway
            assert str(engine.pool) != str(former)
            engine.stop(print)
    finally:
        netfilter.run("ip", "link", "delete", "dytaken")


def test_stopping_a_home_with_the_same_address_range_leaves_a_running_engine_alone(
    engine, tmp_path, monkeypatch
):
    """Bridges and rules are removed by owner: another home may have the same address range."""
    with closing(docker.DockerClient(base_url=engine.start(print).address)) as client:
        made = client.networks.create("own")
        bridges = engine.bridges()
        assert f"br-{made.id[:12]}" in bridges
    rules, pool = _rules_of(bridges), engine.pool
    assert rules
    homes.give_engine_root(tmp_path / "second")
    shutil.copy(paths.home() / "embedded.json", tmp_path / "second")
    with monkeypatch.context() as there:
        there.setenv("DOCKYARD_HOME", str(tmp_path / "second"))
        second = EmbeddedEngine()
        assert second.pool == pool
        second.stop(print)
        assert bridges <= host_bridges().keys()
        assert _rules_of(bridges) == rules
        try:
            second.start(print)
            assert second.pool != pool
        finally:
            second.stop(print)
        assert left_by(second, {second.bridge}) == []
    assert bridges <= host_bridges().keys()
    assert _rules_of(bridges) == rules
    engine.stop(print)
    assert not bridges & host_bridges().keys()
    assert left_by(engine, bridges) == []


def _rules_of(bridges):
    lines = netfilter.run("iptables-save").splitlines()
    return sorted(line for line in lines if bridges & set(line.split()))


def test_a_second_start_reuses_the_running_daemon(engine):
    first = engine.start(print)
    pid = engine.daemon.process().pid
    assert engine.start(print) == first
    assert engine.daemon.process().pid == pid


def test_a_full_disk_is_reported_before_anything_starts(engine, monkeypatch):
    monkeypatch.setattr("dockyard.engine.private_daemon.ROOM_NEEDED", 2**62)
    with pytest.raises(DiskFull) as caught:
        engine.start(print)
    assert "DOCKYARD_HOME=" in str(caught.value)
    assert left_by(engine, {engine.bridge}) == []


def test_the_bridge_keeps_its_hardware_address_when_containers_start_and_stop(engine):
    """The kernel would give a bridge the lowest address of its ports; see make_bridge."""
    engine.start(print)
    before = _link(engine.bridge)["address"]
    netfilter.run("ip", "link", "add", "dyport", "address", LOWEST, "type", "veth")
    try:
        netfilter.run("ip", "link", "set", "dyport", "master", engine.bridge, "up")
        assert _link("dyport")["master"] == engine.bridge
        assert _link(engine.bridge)["address"] == before != LOWEST
    finally:
        netfilter.run("ip", "link", "delete", "dyport")
    assert _link(engine.bridge)["address"] == before


LOWEST = "02:00:00:00:00:01"


def _link(interface):
    # Not from /sys, which may show another network namespace than this process's.
    return json.loads(netfilter.run("ip", "-json", "link", "show", "dev", interface))[0]


def test_a_pid_file_with_the_id_of_another_process_is_ignored(engine):
    engine.daemon.pid_file.write_text(json.dumps([os.getpid(), 1.0]))
    assert engine.daemon.process() is None
    engine.start(print)
    assert engine.daemon.process().pid != os.getpid()


def test_two_starts_at_once_leave_one_daemon_running(engine):
    def start(_):
        with process.Lock("course", timeout=120):
            return engine.start(print)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(start, range(2)))) == 1


@pytest.fixture(params=[False, True], ids=["overlay2", "containerd"])
def started(request, mirror, home):
    """The engine with the course's registry, on each of the two image stores."""
    made = EmbeddedEngine(containerd_store=request.param)
    try:
        made.start(print, mirror=mirror)
        yield made
    finally:
        made.stop(print)


@pytest.mark.slow
def test_it_works_beside_the_courses_engine_and_leaves_nothing(started):
    address = started.endpoint().address
    assert use(address)["Version"].startswith("28.5.2")
    if not started.containerd_store:
        # The layer explorer shows something else on containerd's store.
        assert "oci-layout" in build_and_explore(address)
    with closing(docker.DockerClient(base_url=address)) as client:
        said = client.info()
        own = {False: "overlay2", True: "overlayfs"}
        assert said["Driver"] == own[started.containerd_store]
        assert said["OperatingSystem"].startswith(_system_name())
    bridges = started.bridges()
    assert len(bridges) == 2
    assert left_by(started, bridges)
    started.stop(print)
    assert left_by(started, bridges) == []


@pytest.mark.slow
def test_containers_get_the_hosts_folders_at_their_own_paths(started, tmp_path):
    (tmp_path / "note").write_text("of the host")
    with closing(docker.DockerClient(base_url=started.endpoint().address)) as client:
        client.images.pull("busybox", "latest")
        script = """
            cat /data/note /checkout/LICENSE /host/etc/debian_version
            echo of the container > /data/back
        """
        said = client.containers.run(
            "busybox", ["sh", "-ec", script],
            volumes=[f"{tmp_path}:/data", f"{paths.CHECKOUT}:/checkout:ro", "/:/host:ro"],
        )  # fmt: skip
    expected = [tmp_path / "note", paths.CHECKOUT / "LICENSE", Path("/etc/debian_version")]
    assert said.decode() == "".join(path.read_text() for path in expected)
    assert (tmp_path / "back").read_text() == "of the container\n"


@pytest.mark.slow
def test_processes_and_ports_of_a_container_are_those_that_docker_shows(started):
    port = ports.choose()
    with closing(docker.DockerClient(base_url=started.endpoint().address)) as client:
        client.images.pull("busybox", "latest")
        web = client.containers.run(
            "busybox", "httpd -f -h /etc", detach=True, ports={"80/tcp": ("127.0.0.1", port)},
        )  # fmt: skip
        web.reload()
        (process,) = web.top(ps_args="-o pid,args")["Processes"]
        assert process == [str(web.attrs["State"]["Pid"]), "httpd -f -h /etc"]
        # 'kill $(docker inspect …)' on this host must not hit another program.
        assert not Path(f"/proc/{process[0]}").exists()
        client.containers.run("busybox", "mount -t tmpfs own /tmp", privileged=True)
        fetched = subprocess.run(
            [engine_root.program("curl"), "--silent", "--retry", "5", "--retry-connrefused",
             f"http://127.0.0.1:{port}/passwd"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert fetched.stdout.startswith("root:")


@pytest.mark.slow
def test_its_own_client_builds_and_composes(started, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM busybox\nRUN echo built > /note\nCMD cat /note\n")
    (tmp_path / "compose.yaml").write_text("services: {note: {build: .}}\n")
    plugins = tmp_path / "config/cli-plugins"
    plugins.mkdir(parents=True)
    for name in ("docker-buildx", "docker-compose"):
        (plugins / name).write_text(engine_root.launcher(name))
        (plugins / name).chmod(0o755)
    environment = {
        "PATH": os.environ["PATH"],
        "DOCKER_CONFIG": str(tmp_path / "config"),
        "DOCKER_HOST": started.endpoint().address,
    }
    for words, expected in (
        (("build", "--quiet", "--tag=note", "."), "sha256:"),
        (("run", "--rm", "note"), "built\n"),
        (("compose", "up", "--abort-on-container-exit"), "built"),
        (("compose", "down"), ""),
    ):
        done = subprocess.run(
            [engine_root.program("docker"), *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout


def _system_name():
    lines = Path("/etc/os-release").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)["NAME"].strip('"')


@pytest.mark.slow
def test_it_goes_on_with_what_docker_20_left_in_the_home(mirror, busybox, home):
    first_edition = OldestEngine()
    if unmet := first_edition.unmet():
        pytest.skip(f"needs {unmet[0].name}, found {unmet[0].found}")
    engine = EmbeddedEngine()
    first_edition.data = engine.data
    try:
        with closing(_client(first_edition, mirror)) as client:
            client.images.load(busybox)
            image = client.images.get("busybox").id
            client.networks.create("own")
            kept = client.containers.run(
                "busybox", "sh -c 'echo more >> /kept/note; cat /kept/note'", name="kept",
                detach=True, network="own", volumes=["kept:/kept"], privileged=True,
            )  # fmt: skip
            kept.wait()
        first_edition.stop(print)
        with closing(_client(engine, mirror)) as client:
            assert client.version()["Version"].startswith(engine_root.VERSION)
            assert client.images.get("busybox").id == image
            kept = client.containers.get("kept")
            kept.start()
            kept.wait()
            assert kept.logs() == b"more\nmore\nmore\n"
            assert f"br-{client.networks.get('own').id[:12]}" in engine.bridges()
        bridges = engine.bridges()
        assert left_by(engine, bridges)
    finally:
        first_edition.stop(print)
        engine.stop(print)
    assert left_by(engine, bridges) == []


def _client(engine, mirror):
    return docker.DockerClient(base_url=engine.start(print, mirror=mirror).address)


def start_after(script):
    """Start the engine on a host that a script has changed; return what was printed."""
    program = "from dockyard.engine.embedded import EmbeddedEngine; EmbeddedEngine().start(print)"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-ec", script, "sh", sys.executable, "-c", program],
        cwd=paths.CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_settings_of_the_hosts_own_daemon_are_ignored(engine, tmp_path):
    (tmp_path / "etc/docker").mkdir(parents=True)
    (tmp_path / "etc/docker/daemon.json").write_text('{"no-such-setting": true}')
    script = f"""
        mount -t overlay -o ro,lowerdir={tmp_path}/etc:/etc overlay /etc
        cat /etc/docker/daemon.json
        exec "$@"
    """
    assert "no-such-setting" in start_after(script)
    assert engine.endpoint()


DOCKERS_PROGRAMS = (
    "containerd", "containerd-shim-runc-v2", "docker-init", "docker-proxy", "dockerd", "ip",
    "ip6tables", "iptables", "mount", "ps", "runc", "sed", "tini", "unshare",
)  # fmt: skip


def test_programs_of_the_same_names_on_this_host_are_not_used(engine, busybox, tmp_path):
    script = f"""
        mount -t tmpfs none /usr/local
        for folder in bin sbin libexec/docker lib/docker; do
            mkdir -p /usr/local/$folder
            for program in {" ".join(DOCKERS_PROGRAMS)}; do
                printf '#!/bin/sh\\nexit 1\\n' > /usr/local/$folder/$program
            done
        done
        chmod -R 755 /usr/local
        export PATH=/usr/local/sbin:/usr/local/bin:$PATH
        exec "$@"
    """
    start_after(script)
    with closing(docker.DockerClient(base_url=engine.endpoint().address)) as client:
        client.images.load(busybox)
        port = {"80/tcp": ("127.0.0.1", None)}
        web = client.containers.run(
            "busybox", "httpd -f -h /etc", detach=True, ports=port, init=True
        )
        web.reload()
        host_port = web.ports["80/tcp"][0]["HostPort"]
        wait.until("the page", lambda: _page(host_port), timeout=30)
        assert len(web.top()["Processes"]) == 2


def _page(port):
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/passwd") as answer:
        return answer.read()

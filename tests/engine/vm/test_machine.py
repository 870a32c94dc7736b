"""The machine engine on its own kernel and root image: what a learner without privileges relies on.

The first run builds both, which takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import docker
import psutil
import pytest
from docker.errors import APIError, ContainerError

from dockyard.core import paths, ports, wait
from dockyard.engine import engine_root
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.vm import artifacts
from dockyard.exceptions import EngineStartFailed
from dockyard.registry.image_catalog import by_reference
from tests.support import machines
from tests.support.machines import tools

pytestmark = machines.MARKS
own_home, shared = machines.own_home, machines.shared
engine, daemon = machines.engine, machines.daemon


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_the_daemon_is_that_of_the_engine_root_on_our_own_kernel(daemon):
    version = daemon.version()
    assert version["Version"].startswith(f"{engine_root.VERSION}+")
    assert daemon.info()["Driver"] == "overlayfs"
    assert version["KernelVersion"].endswith("-dockyard")


def test_docker_info_warns_of_no_open_port(daemon):
    assert not [line for line in daemon.info()["Warnings"] or [] if "API is accessible" in line]


def test_the_socket_is_for_this_user_alone(engine, daemon):
    assert stat.S_IMODE(engine.socket.stat().st_mode) == 0o600


def test_no_process_of_the_machine_has_a_capability_it_was_not_given(engine, daemon):
    ours = engine.service.process()
    for process in [ours, *ours.children(recursive=True)]:
        assert process.uids().effective == os.geteuid()


def test_a_container_runs_and_its_output_comes_back(daemon):
    assert daemon.containers.run("tools:1", "echo hello", remove=True) == b"hello\n"


def test_input_ends_at_the_container_while_its_output_goes_on(engine, daemon):
    done = subprocess.run(
        [
            *("docker", "-H", f"unix://{engine.socket}", "run", "--rm", "-i", "tools:1"),
            *("sh", "-c", "cat; sleep 1; echo after"),
        ],
        input=b"line\n",
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b"line\nafter\n"


def test_logs_follow_a_running_container(daemon):
    container = daemon.containers.run(
        "tools:1", "sh -c 'for i in 1 2 3; do echo $i; sleep 0.2; done'", detach=True
    )
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"


def test_exec_has_a_terminal(daemon):
    container = daemon.containers.run("tools:1", "sleep 60", detach=True)
    code, output = container.exec_run("tty", tty=True)
    assert (code, output.strip()) == (0, b"/dev/pts/0")


@pytest.mark.parametrize("options", [[], ["no-new-privileges"]], ids=["usual", "no-new-privileges"])
def test_exec_is_held_like_its_container(daemon, options):
    held = "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp' /proc/self/status; cat /proc/self/cgroup"
    container = daemon.containers.run(
        "tools:1", ["sh", "-c", f"{held}; sleep 60"], security_opt=options, detach=True
    )
    wait.until("the container's words", lambda: b"0::/" in container.logs(), 60)
    own = container.logs().decode()
    code, said = container.exec_run(["sh", "-c", held])
    assert (code, said.decode()) == (0, own)
    assert "Seccomp:\t2" in own


def _inside(daemon, command: str) -> str:
    """The output of a command that runs in the machine, outside of any container."""
    words = ["nsenter", "-t", "1", "-m", "-n", "/bin/sh", "-c", f"PATH=/usr/bin; {command}"]
    return daemon.containers.run(
        "tools:1", words, privileged=True, pid_mode="host", remove=True
    ).decode()


def test_the_filter_that_exec_gives_goes_with_its_container(daemon):
    container = daemon.containers.run("tools:1", "sleep 60", detach=True)
    kept = _inside(daemon, f"ls /run/exec/{container.id}")
    assert kept.split() == ["config.json", "seccomp.bpf", "status"]
    container.remove(force=True)
    assert _inside(daemon, f"ls -d /run/exec/{container.id} || echo gone") == "gone\n"


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["nosuch"], 'exec: "nosuch": executable file not found in $PATH'),
        (["/nosuch"], 'exec: "/nosuch": stat /nosuch: no such file or directory'),
        (["/bin"], 'exec: "/bin": is a directory'),
    ],
    ids=["name", "path", "folder"],
)
def test_exec_refuses_in_runcs_words(daemon, command, why):
    container = daemon.containers.run("tools:1", "sleep 60", detach=True)
    code, said = container.exec_run(command)
    assert code in (126, 127)
    assert f"exec failed: unable to start container process: {why}" in said.decode()


def test_a_published_tcp_port_comes_and_goes_with_its_container(daemon):
    port = ports.choose()
    container = daemon.containers.run(
        "tools:1", "httpd -f -p 80 -h /bin", ports={"80/tcp": ("127.0.0.1", port)}, detach=True
    )
    page = wait.until("the page", lambda: machines.page(f"http://127.0.0.1:{port}/busybox"), 20)
    assert len(page) > 100_000
    container.remove(force=True)
    wait.until("the port to close", lambda: not _listens(port), 10)


def test_a_published_udp_port_answers(daemon):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    daemon.containers.run("tools:1", "echo-udp", ports={"9000/udp": port}, detach=True)

    def echoed() -> bytes | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
            ours.settimeout(1)
            ours.sendto(b"ping", ("127.0.0.1", port))
            try:
                return ours.recv(100)
            except OSError:
                return None

    assert wait.until("the echo", echoed, 20) == b"ping"


@pytest.mark.parametrize("first", [20_000, 40_000], ids=["usual", "of those that docker chooses"])
def test_a_port_taken_on_the_host_is_refused_in_dockers_words(daemon, first):
    with socket.socket() as taken:
        port = next(port for port in range(first, first + 1000) if _take(taken, port))
        taken.listen()
        words = f"failed to bind host port 0.0.0.0:{port}/tcp: address already in use"
        with pytest.raises(APIError, match=words):
            daemon.containers.run("tools:1", "true", ports={"80/tcp": port}, remove=True)


def _take(taken: socket.socket, port: int) -> bool:
    try:
        taken.bind(("127.0.0.1", port))
    except OSError:
        return False
    return True


def test_a_port_that_docker_chooses_is_one_that_is_free_on_the_host(daemon):
    """Docker takes its own next one; the host's programs may have that, and the one after it."""
    words = {"ports": {"80/tcp": None}, "detach": True}
    first = daemon.containers.run("tools:1", "httpd -f -p 80 -h /bin", **words)
    first.reload()
    port = int(first.ports["80/tcp"][0]["HostPort"])
    with socket.socket() as one, socket.socket() as two:
        for number, taken in enumerate((one, two), start=port + 1):
            with suppress(OSError):  # another program of this host has it
                taken.bind(("127.0.0.1", number))
                taken.listen()
        second = daemon.containers.run("tools:1", "httpd -f -p 80 -h /bin", **words)
        second.reload()
        chosen = int(second.ports["80/tcp"][0]["HostPort"])
        assert chosen not in (port, port + 1, port + 2)
        address = f"http://127.0.0.1:{chosen}/busybox"
        assert len(wait.until("the page", lambda: machines.page(address), 20)) > 100_000


def test_containers_reach_neither_the_daemon_nor_the_hosts_loopback(daemon):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        for address in ("192.168.127.2 2375", "172.17.0.1 2375", f"192.168.127.1 {port}"):
            with pytest.raises(ContainerError):
                daemon.containers.run("tools:1", f"nc -w 2 {address} -e true", remove=True)
        with pytest.raises(ContainerError):
            daemon.containers.run(
                "tools:1", "nc -w 2 192.168.127.2 2375 -e true", network="host", remove=True
            )


def test_a_bind_mount_shows_the_hosts_files_with_the_hosts_owner(daemon, shared):
    (shared / "asked").write_text("from the host")
    mounts = {str(shared): {"bind": "/work", "mode": "rw"}}
    command = "sh -c 'cat /work/asked; echo made > /work/answer'"
    assert daemon.containers.run("tools:1", command, volumes=mounts, remove=True) == (
        b"from the host"
    )
    assert (shared / "answer").read_text() == "made\n"
    assert (shared / "answer").stat().st_uid == os.geteuid()


def test_a_folder_that_was_not_shared_stays_unseen(daemon):
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        (Path(folder) / "secret").write_text("x")
        mounts = {folder: {"bind": "/work", "mode": "rw"}}
        assert daemon.containers.run("tools:1", "ls /work", volumes=mounts, remove=True) == b""


def test_containers_of_a_network_find_each_other_by_name(daemon):
    network = daemon.networks.create("lesson")
    try:
        daemon.containers.run(
            "tools:1", "httpd -f -p 80 -h /bin", name="web", network="lesson", detach=True
        )
        command = "sh -c 'wget -q -O - http://web/busybox | wc -c'"
        size = daemon.containers.run("tools:1", command, network="lesson", remove=True)
        assert int(size) > 100_000
    finally:
        for container in daemon.containers.list():
            container.remove(force=True)
        network.remove()


def test_a_swarm_services_port_comes_and_goes_with_the_service(daemon):
    port = ports.choose()
    daemon.swarm.init(advertise_addr="192.168.127.2")
    try:
        service = daemon.services.create(
            "tools:1",
            ["httpd", "-f", "-p", "80", "-h", "/bin"],
            endpoint_spec=docker.types.EndpointSpec(ports={port: 80}),
        )
        address = f"http://127.0.0.1:{port}/busybox"
        page = wait.until("the service", lambda: machines.page(address), 60)
        assert len(page) > 100_000
        service.remove()
        wait.until("the port to close", lambda: not _listens(port), 30)
    finally:
        daemon.swarm.leave(force=True)


def test_limits_hold(daemon):
    with pytest.raises(ContainerError) as killed:
        daemon.containers.run("tools:1", "tail /dev/zero", mem_limit="32m", remove=True)
    assert killed.value.exit_status == 137
    fork = "sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait'"
    with pytest.raises(ContainerError):
        daemon.containers.run("tools:1", fork, pids_limit=5, remove=True)


def test_a_share_of_the_cpu_holds(daemon):
    """Next to a container without a limit, a quarter of the machine's one CPU is a third of what
    the other one gets; without the limit it would be as much.

    By the CPU time that each of them used, so that other work of the computer does not matter.
    """
    spin = ["sh", "-c", "while :; do :; done"]
    limited = daemon.containers.run("tools:1", spin, nano_cpus=250_000_000, detach=True)
    free = daemon.containers.run("tools:1", spin, detach=True)

    def used(container) -> int:
        told = container.stats(stream=False, one_shot=True)
        return told["cpu_stats"]["cpu_usage"]["total_usage"]

    before = [used(limited), used(free)]
    wait.until("four seconds of the CPU", lambda: used(free) - before[1] > 4e9, 180, interval=3)
    quarter, rest = used(limited) - before[0], used(free) - before[1]
    assert 0.2 < quarter / rest < 0.4


def test_an_engine_in_a_container_hands_limits_on_although_something_runs_in_it_meanwhile(daemon):
    """Three times a process returns to the root cgroup before the controllers can be enabled for
    its child groups, as the process of a `docker exec` does.
    """
    files = by_reference()["docker:dind"].context / "files"
    begins, end = "nested_cgroups() {\n", "\n}\n"
    entrypoint = files / "usr/local/bin/dockerd-entrypoint.sh"
    _, _, rest = entrypoint.read_text().partition(begins)
    program = f"""{begins}{rest.partition(end)[0]}{end}
        sleep 60 & late=$!
        xargs() {{
            busybox xargs "$@"
            calls=$((calls + 1))
            [ "$calls" -gt 3 ] || echo "$late" > /sys/fs/cgroup/cgroup.procs
        }}
        nested_cgroups
        grep -q pids /sys/fs/cgroup/cgroup.subtree_control
    """
    # Raises ContainerError when the last line does not find it.
    daemon.containers.run("tools:1", ["sh", "-c", program], privileged=True, cgroupns="private")


def test_stats_events_and_top_answer(daemon):
    container = daemon.containers.run("tools:1", "sleep 60", detach=True)
    assert container.stats(stream=False)["memory_stats"]["usage"] > 0
    assert any("sleep 60" in row[-1] for row in container.top()["Processes"])
    events = daemon.events(since=int(time.time()) - 60, until=int(time.time()) + 1, decode=True)
    assert "start" in {event.get("Action") for event in events}


def test_an_image_is_built_and_committed(daemon, tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM tools:1\nRUN echo built > /made\nCMD cat /made\n")
    daemon.images.build(path=str(tmp_path), tag="built:1")
    assert daemon.containers.run("built:1", remove=True) == b"built\n"
    container = daemon.containers.run("tools:1", "touch /kept", detach=True)
    container.wait()
    container.commit("kept", "1")
    assert daemon.containers.run("kept:1", "ls /kept", remove=True) == b"/kept\n"


def test_the_network_helper_rests_when_a_client_left_early(engine, daemon):
    container = daemon.containers.run("tools:1", "sh -c 'yes & sleep 60'", detach=True)
    follower = subprocess.Popen(
        ["docker", "-H", f"unix://{engine.socket}", "logs", "-f", container.id],
        stdout=subprocess.PIPE,
    )
    follower.stdout.read(100_000)
    helper = engine.service.process()
    follower.send_signal(signal.SIGSTOP)
    wait.until("the output to stall", lambda: helper.cpu_percent(interval=0.5) < 5, 60)
    follower.kill()
    follower.stdout.close()
    follower.wait()
    container.remove(force=True)
    wait.until("the helper to rest", lambda: helper.cpu_percent(interval=2) < 20, 30)


def test_an_idle_machine_takes_less_than_a_fiftieth_of_a_cpu(engine, daemon):
    # After a start: what earlier tests wrote and removed would keep the machine busy meanwhile.
    engine.stop(print)
    engine.start(print)
    daemon.containers.run("tools:1", "sync", remove=True)
    helper = engine.service.process()
    children = helper.children(recursive=True)
    for process in children:
        process.cpu_percent()  # begins a measurement
    used = helper.cpu_percent(interval=20)
    used += sum(process.cpu_percent() for process in children if process.is_running())
    assert used < 100 / 50


def _memory_on_the_host(engine) -> int:
    """Bytes that the file with the machine's memory takes."""
    for process in engine.service.process().children(recursive=True):
        with suppress(psutil.Error):
            for file in Path(f"/proc/{process.pid}/fd").iterdir():
                facts = file.stat()
                if stat.S_ISREG(facts.st_mode) and not facts.st_nlink and facts.st_size > 2**30:
                    return facts.st_blocks * 512
    raise AssertionError("no process has the machine's memory open")


def test_memory_that_held_copies_of_files_goes_back_to_the_host(engine, daemon):
    size = 400 * 2**20
    script = f"head -c {size} /dev/urandom > /data/large; md5sum /data/large; exec sleep 600"
    kept = daemon.containers.run(
        "tools:1", ["sh", "-c", script], volumes={"large": {"bind": "/data"}}, detach=True
    )
    wait.until("the file", lambda: b"/data/large" in kept.logs(), 120)
    before = _memory_on_the_host(engine)
    _inside(daemon, "/mnt/memory now")
    assert before - _memory_on_the_host(engine) > size * 0.6
    # All of it is there again, and nothing is lost.
    assert kept.exec_run("md5sum /data/large").output == kept.logs()
    total = daemon.info()["MemTotal"]
    fill = f"head -c {int(total * 0.6)} /dev/zero > /dev/shm/file; stat -c %s /dev/shm/file"
    said = daemon.containers.run("tools:1", ["sh", "-c", fill], shm_size=total, remove=True)
    assert int(said) == int(total * 0.6)
    kept.remove(force=True)
    daemon.volumes.get("large").remove()


def test_the_clock_is_the_hosts(daemon):
    before = time.time()
    seen = int(daemon.containers.run("tools:1", "date +%s", remove=True))
    assert before - 2 < seen < time.time() + 2


def test_a_clock_that_went_wrong_is_set_within_a_minute_or_so(daemon):
    """As after a sleep of the host, which stops the machine's clock."""
    _inside(daemon, "date -s @1000000000")

    def right() -> bool:
        seen = int(daemon.containers.run("tools:1", "date +%s", remove=True))
        return abs(seen - time.time()) < 5

    assert not right()
    wait.until("the right time", right, 90, interval=5)


def test_a_clean_stop_leaves_a_clean_disk_and_keeps_what_was_made(engine, daemon):
    daemon.volumes.create("kept")
    daemon.containers.run(
        "tools:1", "sh -c 'echo note > /data/note'", volumes={"kept": {"bind": "/data"}}
    )
    engine.stop(print)
    assert engine.endpoint() is None
    assert (
        subprocess.run(["e2fsck", "-fn", engine.data_disk], capture_output=True, check=False)
    ).returncode == 0
    engine.start(print)
    note = daemon.containers.run(
        "tools:1", "cat /data/note", volumes={"kept": {"bind": "/data"}}, remove=True
    )
    assert note == b"note\n"


@pytest.mark.parametrize("victim", ["helper", "kernel"])
def test_a_killed_machine_recovers_at_the_next_start(engine, daemon, victim):
    writes = "sh -c 'while :; do dd if=/dev/zero of=/f bs=1M count=9 2>&1; sync; echo done; done'"
    busy = daemon.containers.run("tools:1", writes, name="busy", detach=True)
    wait.until("the disk to be busy", lambda: busy.logs().count(b"done") > 2, 30)
    helper = engine.service.process()
    family = [helper, *helper.children(recursive=True)]
    (helper if victim == "helper" else helper.children()[0]).kill()
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not [p for p in alive if p.status() != psutil.STATUS_ZOMBIE], "processes outlived it"
    assert engine.endpoint() is None
    engine.start(print)
    assert daemon.containers.get("busy").status == "exited"
    assert daemon.containers.run("tools:1", "echo again", remove=True) == b"again\n"


def test_two_starts_at_once_make_one_machine(engine):
    engine.stop(print)
    found = []
    starts = [threading.Thread(target=lambda: found.append(_start_alone())) for _ in range(2)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert found == [0, 0]
    helpers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(engine.socket) in (process.info["cmdline"] or []) and process.ppid() == 1
    ]
    assert len(helpers) <= 1
    assert engine.endpoint() is not None


def _start_alone() -> int:
    code = "from dockyard.engine.vm.machine import MachineEngine; MachineEngine().start(print)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    return subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode


IN_A_CONTAINER = """
import json, subprocess
from dockyard.engine.vm.machine import MachineEngine
engine = MachineEngine()
engine.start(print)
docker = ["docker", "-H", f"unix://{engine.socket}"]
subprocess.run([*docker, "import", "/tools.tar", "tools:1"], check=True, capture_output=True)
said = subprocess.run(
    [*docker, "run", "--rm", "tools:1", "echo", "hello"], check=True, capture_output=True, text=True
).stdout
engine.stop(print)
print(json.dumps({"said": said}))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="the outer engine needs root")
def test_it_runs_in_a_container_like_binders(engine, tmp_path):
    """User 1000, no capabilities, no new privileges, default seccomp, one CPU, 2 GB."""
    outer = EmbeddedEngine()
    address = outer.start(print).address
    home = tmp_path / "home"
    shutil.copytree(
        artifacts.folder(), home / "machine", ignore=shutil.ignore_patterns("data.ext4")
    )
    for folder in (tmp_path, home, home / "machine"):
        folder.chmod(0o777)
    (tmp_path / "tools.tar").write_bytes(tools(tmp_path))
    scratch = tmp_path / "tmp"
    scratch.mkdir(mode=0o777)
    scratch.chmod(0o1777)
    system = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc")
    python = {sys.prefix, sys.base_prefix, str(paths.CHECKOUT)}
    mounts = {path: {"bind": path, "mode": "ro"} for path in {*system, *python}}
    mounts[str(home)] = {"bind": "/home/jovyan", "mode": "rw"}
    mounts[str(scratch)] = {"bind": "/tmp", "mode": "rw"}
    mounts[str(tmp_path / "tools.tar")] = {"bind": "/tools.tar", "mode": "ro"}
    client = docker.DockerClient(base_url=address, timeout=300)
    try:
        client.api.import_image(str(tmp_path / "tools.tar"), repository="tools", tag="1")
        output = client.containers.run(
            "tools:1",
            [sys.executable, "-c", IN_A_CONTAINER],
            environment={
                "DOCKYARD_HOME": "/home/jovyan",
                "HOME": "/home/jovyan",
                "PYTHONPATH": str(paths.CHECKOUT),
                "PATH": os.environ["PATH"],
            },
            volumes=mounts,
            user="1000",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit="2g",
            nano_cpus=1_000_000_000,
            remove=True,
        )
    finally:
        client.close()
        outer.stop(print)
    found = json.loads(output.splitlines()[-1])
    assert found["said"] == "hello\n"


def test_a_damaged_disk_ends_with_the_command_that_begins_anew(engine):
    engine.stop(print)
    aside = engine.data_disk.with_suffix(".aside")
    shutil.move(engine.data_disk, aside)
    try:
        with engine.data_disk.open("wb") as disk:
            disk.truncate(64 << 20)
        with pytest.raises(EngineStartFailed) as failure:
            engine.start(print)
        assert "damaged" in str(failure.value)
        assert f"rm {engine.data_disk}" in str(failure.value)
    finally:
        engine.stop(print)
        shutil.move(aside, engine.data_disk)

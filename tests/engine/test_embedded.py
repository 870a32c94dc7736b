"""The private daemon's life: started, killed, started twice, stopped without a trace."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import docker
import psutil
import pytest

from dockyard.core import paths, process
from dockyard.engine import netfilter
from dockyard.engine.embedded import EmbeddedEngine
from dockyard.engine.oci_runtime import NAMES, missing_capabilities
from dockyard.exceptions import DiskFull

pytestmark = [
    pytest.mark.engine,
    pytest.mark.skipif(os.geteuid() != 0, reason="the embedded engine needs root"),
]


@pytest.fixture
def engine(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    embedded = EmbeddedEngine()
    yield embedded
    embedded.stop(print)


def traces(embedded):
    """What would remain of an engine: processes, bridges, rules and mounts."""
    mark = str(paths.run_dir())
    return {
        "processes": [pid for pid in psutil.pids() if mark in _command(pid)],
        "bridges": [
            name
            for name, networks in netfilter.bridges().items()
            if any(network.subnet_of(embedded.pool) for network in networks)
        ],
        "rules": f" {str(embedded.pool.network_address).rsplit('.', 2)[0]}."
        in netfilter.run("iptables-save"),
        "mounts": str(paths.home()) in Path("/proc/self/mountinfo").read_text(),
        "socket": embedded.socket.exists(),
    }


def _command(pid):
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ""


NOTHING = {"processes": [], "bridges": [], "rules": False, "mounts": False, "socket": False}


def test_stop_leaves_nothing_behind(engine):
    engine.start(print)
    assert engine.socket.stat().st_mode & 0o777 == 0o600
    assert traces(engine) != NOTHING
    engine.stop(print)
    assert traces(engine) == NOTHING


def test_a_killed_daemon_is_replaced_and_then_leaves_nothing(engine):
    engine.start(print)
    killed = engine.dockerd.process()
    killed.kill()
    psutil.wait_procs([killed], timeout=10)
    upstream = engine.start(print)
    client = docker.DockerClient(base_url=upstream.address)
    try:
        assert client.ping()
    finally:
        client.close()
    assert engine.dockerd.process().pid != killed.pid
    engine.stop(print)
    assert traces(engine) == NOTHING


def test_stopping_a_home_that_remembers_the_same_addresses_spares_a_running_engine(
    engine, tmp_path, monkeypatch
):
    """Bridges and rules go by their owner: the address range of another home may be the same."""
    with closing(docker.DockerClient(base_url=engine.start(print).address)) as client:
        made = client.networks.create("own")
        bridges = set(engine.bridges())
        assert f"br-{made.id[:12]}" in bridges
    rules, pool = _rules_of(bridges), engine.pool
    assert rules
    (tmp_path / "second").mkdir()
    shutil.copy(paths.home() / "embedded.json", tmp_path / "second")
    with monkeypatch.context() as there:
        there.setenv("DOCKYARD_HOME", str(tmp_path / "second"))
        second = EmbeddedEngine()
        assert second.pool == pool
        second.stop(print)
        assert bridges <= netfilter.bridges().keys()
        assert _rules_of(bridges) == rules
        try:
            second.start(print)
            assert second.pool != pool
        finally:
            second.stop(print)
        assert traces(second) == NOTHING
    assert bridges <= netfilter.bridges().keys()
    assert _rules_of(bridges) == rules
    engine.stop(print)
    assert not bridges & netfilter.bridges().keys()
    assert traces(engine) == NOTHING


def _rules_of(bridges):
    lines = netfilter.run("iptables-save").splitlines()
    return sorted(line for line in lines if bridges & set(line.split()))


def test_the_bridge_keeps_its_hardware_address_when_containers_come_and_go(engine):
    """Of two ports the kernel would take the lower address, and containers would not know."""
    engine.start(print)
    before = _hardware_address(engine.bridge)
    netfilter.run("ip", "link", "add", "dyport", "address", LOWEST, "type", "veth")
    try:
        netfilter.run("ip", "link", "set", "dyport", "master", engine.bridge, "up")
        assert _hardware_address("dyport/master") == before != LOWEST
    finally:
        netfilter.run("ip", "link", "delete", "dyport")
    assert _hardware_address(engine.bridge) == before


LOWEST = "02:00:00:00:00:01"


def _hardware_address(interface):
    return Path(f"/sys/class/net/{interface}/address").read_text().strip()


def test_a_second_start_reuses_the_running_daemon(engine):
    first = engine.start(print)
    pid = engine.dockerd.process().pid
    assert engine.start(print) == first
    assert engine.dockerd.process().pid == pid


def test_a_stale_pid_file_of_another_process_is_not_believed(engine):
    engine.dockerd.pid_file.write_text(json.dumps([os.getpid(), 1.0]))
    assert engine.dockerd.process() is None
    engine.start(print)
    assert engine.dockerd.process().pid != os.getpid()


def test_a_service_is_found_again_after_the_clock_was_set(engine, tmp_path):
    # What setting the clock changes for other processes is this line of /proc/stat (proc(5)).
    moved = tmp_path / "stat"
    moved.write_text(re.sub(r"(?m)^btime \d+", "btime 1700000000", Path("/proc/stat").read_text()))
    program = "from dockyard.core.process import Service; print(Service('sleeper').process().pid)"
    sleeper = process.Service("sleeper")
    pid = sleeper.start(["sleep", "60"]).pid
    try:
        done = subprocess.run(
            [
                "unshare", "--mount", "--propagation=private",
                "sh", "-ec", f'mount --bind {moved} /proc/stat; exec "$@"', "sh",
                sys.executable, "-c", program,
            ],
            capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
        )  # fmt: skip
    finally:
        sleeper.stop()
    assert done.stdout == f"{pid}\n", done.stderr


def test_a_disk_too_full_is_said_before_anything_starts(engine, monkeypatch):
    monkeypatch.setattr("dockyard.engine.embedded.ROOM_NEEDED", 2**62)
    # Nothing is started, so the range of addresses may be that of another engine.
    before = traces(engine)
    with pytest.raises(DiskFull) as caught:
        engine.start(print)
    assert "DOCKYARD_HOME=" in str(caught.value)
    assert traces(engine) == before


def test_a_lock_is_held_by_one_process_at_a_time(engine):
    program = (
        "from dockyard.core.process import Busy, Lock; import sys\n"
        "try:\n    Lock('course', timeout=0.3).__enter__()\nexcept Busy:\n    sys.exit(7)\n"
    )
    with process.Lock("course"):
        done = subprocess.run([sys.executable, "-c", program], cwd=paths.CHECKOUT, check=False)
    assert done.returncode == 7


def test_two_starts_at_once_end_with_one_daemon(engine):
    def start(_):
        with process.Lock("course", timeout=60):
            return engine.start(print)

    with ThreadPoolExecutor(2) as pool:
        assert len(set(pool.map(start, range(2)))) == 1


def test_missing_capabilities_are_read_from_the_bounding_set(tmp_path):
    status = tmp_path / "status"
    status.write_text("CapBnd:\t000001fffeffffff\n")
    assert missing_capabilities(status) == ["SYS_RESOURCE"]
    status.write_text("CapBnd:\t000001ffffffffff\n")
    assert missing_capabilities(status) == []
    assert NAMES[24] == "SYS_RESOURCE"


def test_mounts_below_a_folder_of_any_name_are_taken_away(tmp_path):
    inside = tmp_path / "josé ß \\ 本" / "inside"
    beside = tmp_path / "jose"
    for folder in (inside, beside):
        folder.mkdir(parents=True)
        netfilter.run("mount", "-t", "tmpfs", "none", str(folder))
    try:
        netfilter.unmount_below(inside.parent)
        assert (inside.is_mount(), beside.is_mount()) == (False, True)
    finally:
        netfilter.unmount_below(tmp_path)
    assert not beside.is_mount()

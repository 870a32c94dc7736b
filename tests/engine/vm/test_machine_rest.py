"""A machine that is emulated saves its state when it stops, and the next start goes on from it."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from dockyard.core import paths, ports, wait
from dockyard.engine.vm import selection, suspended
from dockyard.engine.vm.machine import MachineEngine
from dockyard.engine.vm.qemu import EmulatedPC
from dockyard.exceptions import StateLost
from tests.support import machines

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.machine]
own_home, shared = machines.own_home, machines.shared
engine, daemon = machines.engine, machines.daemon


@pytest.fixture(scope="module", autouse=True)
def emulated():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(selection.VARIABLE, "tcg")
        yield


def _again(engine: MachineEngine) -> str:
    """Stop it and start it; what it said."""
    said: list[str] = []
    engine.stop(said.append)
    engine.start(said.append)
    return "\n".join(said)


def test_a_start_after_a_stop_goes_on_where_the_machine_was(engine, daemon, shared):
    port = ports.choose()
    page = {"ports": {"80/tcp": ("127.0.0.1", port)}, "volumes": {"kept": {"bind": "/kept"}}}
    command = ["sh", "-c", "echo note > /kept/note; exec httpd -f -p 80 -h /kept"]
    web = daemon.containers.run("tools:1", command, name="web", detach=True, **page)
    boot = _boot_id(daemon)
    assert "waking the machine" in _again(engine)
    assert _boot_id(daemon) == boot
    assert not engine.state.file.exists()

    web.reload()
    assert web.status == "exited"
    web.start()
    address = f"http://127.0.0.1:{port}/note"
    assert wait.until("the page", lambda: machines.page(address), 60) == b"note\n"
    (shared / "asked").write_text("from the host")
    mounts = {str(shared): {"bind": "/work", "mode": "rw"}}
    words = ["sh", "-c", "cat /work/asked; echo made > /work/answer"]
    assert daemon.containers.run("tools:1", words, volumes=mounts, remove=True) == b"from the host"
    assert (shared / "answer").read_text() == "made\n"
    assert (shared / "answer").stat().st_uid == os.geteuid()


def _boot_id(daemon) -> bytes:
    return daemon.containers.run("tools:1", "cat /proc/sys/kernel/random/boot_id", remove=True)


def test_its_clock_is_right_after_a_rest(engine, daemon):
    engine.stop(print)
    time.sleep(5)
    engine.start(print)
    before = time.time()
    seen = int(daemon.containers.run("tools:1", "date +%s", remove=True))
    assert before - 2 < seen < time.time() + 2


def test_its_identity_is_kept_and_its_random_numbers_are_new(engine, daemon, tmp_path):
    """One state, loaded twice: what is drawn afterwards must not be the same."""
    identity = daemon.info()["ID"]
    engine.stop(print)
    kept = [engine.state.file, engine.state.file.with_suffix(".json"), engine.data_disk]
    for file in kept:
        _copy(file, tmp_path / file.name)
    drawn = []
    for _ in range(2):
        said: list[str] = []
        engine.start(said.append)
        assert "waking the machine" in "\n".join(said)
        assert daemon.info()["ID"] == identity
        drawn.append(daemon.containers.run("tools:1", "od -N 16 -x /dev/urandom", remove=True))
        engine.service.process().kill()
        wait.until("its end", lambda: engine.service.process() is None, 10)
        for file in kept:
            _copy(tmp_path / file.name, file)
    engine.start(print)
    assert len(drawn[0].split()) > 8
    assert drawn[0] != drawn[1]


def _copy(source: Path, target: Path) -> None:
    """Copy into the same inode, holes and times kept."""
    with source.open("rb") as read, target.open("wb") as written:
        written.truncate(source.stat().st_size)
        end = 0
        with contextlib.suppress(OSError):  # there is no more data
            while True:
                begin = os.lseek(read.fileno(), end, os.SEEK_DATA)
                end = os.lseek(read.fileno(), begin, os.SEEK_HOLE)
                read.seek(begin)
                written.seek(begin)
                written.write(read.read(end - begin))
    shutil.copystat(source, target)


@pytest.mark.parametrize("policy", ["always", "unless-stopped"])
def test_a_machine_with_a_container_that_returns_is_booted(engine, daemon, policy):
    web = daemon.containers.run(
        "tools:1", "httpd -f -p 80", restart_policy={"Name": policy}, detach=True
    )
    assert "starting the machine" in _again(engine)
    wait.until("its return", lambda: web.reload() or web.status == "running", 60)


def test_a_machine_in_a_swarm_is_booted(engine, daemon):
    daemon.swarm.init(advertise_addr="192.168.127.2")
    try:
        assert "starting the machine" in _again(engine)
    finally:
        daemon.swarm.leave(force=True)


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_state_is_left_for_a_boot_and_nothing_is_lost(engine, daemon, damage):
    daemon.containers.run("tools:1", "true", name="before")
    said: list[str] = []
    engine.stop(said.append)
    state = engine.state.file
    with state.open("r+b") as file:
        if damage == "truncated":
            file.truncate(state.stat().st_size // 2)
        else:
            file.write(b"\0" * 4096)
    engine.start(said.append)
    assert "starting the machine" in "\n".join(said)
    assert ("is of no use" in "\n".join(said)) == (damage == "overwritten")
    assert daemon.containers.get("before").status == "exited"
    assert not list(state.parent.glob("suspended*"))


def test_a_state_does_not_return_after_another_way_has_used_the_disk(engine, daemon, monkeypatch):
    engine.stop(print)
    monkeypatch.setenv(selection.VARIABLE, "uml")
    engine.start(print)
    daemon.containers.run("tools:1", "true", name="between")
    engine.stop(print)
    monkeypatch.setenv(selection.VARIABLE, "tcg")
    said: list[str] = []
    engine.start(said.append)
    assert "starting the machine" in "\n".join(said)
    assert daemon.containers.get("between").status == "exited"


def test_a_disk_without_room_for_the_state_is_told_and_the_stop_is_clean(engine, daemon):
    engine.start(print)
    engine.state.half.symlink_to("/dev/full")
    said: list[str] = []
    engine.stop(said.append)
    assert not engine.state.half.is_symlink()
    assert "is not saved" in "\n".join(said)
    engine.start(said.append)
    assert "starting the machine" in "\n".join(said)


def test_a_disk_too_slow_for_the_state_is_told_and_the_machine_goes_on(
    engine, daemon, tmp_path, monkeypatch
):
    monkeypatch.setattr(suspended, "TIMEOUT", 2)
    slow = tmp_path / "slow"
    os.mkfifo(slow)
    reader = threading.Thread(target=_read_slowly, args=[slow])
    reader.start()
    with pytest.raises(StateLost, match="not done within 2 s"):
        EmulatedPC().rest(engine.run, slow)
    reader.join(60)
    assert not reader.is_alive()
    assert daemon.ping()


def _read_slowly(pipe: Path) -> None:
    with pipe.open("rb") as file:
        while file.read(2**20):
            time.sleep(0.2)


def test_nothing_of_it_is_open_to_others(engine):
    engine.stop(print)
    assert engine.state.file.stat().st_mode & 0o077 == 0
    assert paths.home() in engine.state.file.parents

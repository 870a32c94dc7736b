"""A thread pool that is interrupted ends soon, whatever its threads wait for."""

import socket
import subprocess
import sys
from concurrent.futures import CancelledError
from threading import Event

import psutil
import pytest

from dockyard.core import paths, wait
from dockyard.core.thread_pool import thread_pool

BUSY = """
import subprocess, sys, time
from contextlib import suppress
from pathlib import Path
from dockyard import cli, course
from dockyard.core import docker_client
from dockyard.core.thread_pool import thread_pool

folder = Path(sys.argv[1])

def run_a_program():
    subprocess.run(["sleep", "100000"])
    (folder / "cleaned").touch()

def ask_the_daemon():
    docker_client.connect(timeout=100000).version()

def start(*_, **__):
    with thread_pool(2) as pool:
        for task in (run_a_program, ask_the_daemon, (folder / "queued").touch):
            pool.submit(task)
        time.sleep(100000)

course.start = start
sys.exit(cli.main(["engine", "start"]))
"""


def test_tasks_that_have_not_begun_are_cancelled_when_the_block_fails():
    begun, go_on = Event(), Event()

    def first():
        begun.set()
        assert go_on.wait(60)
        return "finished"

    with pytest.raises(ZeroDivisionError), thread_pool(1) as pool:
        running, queued = pool.submit(first), pool.submit(print)
        queued.add_done_callback(lambda _: go_on.set())
        begun.wait(60)
        raise ZeroDivisionError
    assert running.result() == "finished"
    with pytest.raises(CancelledError):
        queued.result()


def test_a_block_that_succeeds_waits_for_all_tasks():
    with thread_pool(1) as pool:
        tasks = [pool.submit(pow, 2, number) for number in range(3)]
    assert [task.result() for task in tasks] == [1, 2, 4]


def test_a_command_that_is_told_to_stop_waits_for_no_program_and_no_daemon(tmp_path, monkeypatch):
    """As ``engine start`` once did while images were made."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    with socket.socket(socket.AF_UNIX) as daemon:
        daemon.bind(str(paths.front_door()))
        daemon.listen()
        command = subprocess.Popen(
            [sys.executable, "-c", BUSY, tmp_path],
            stderr=subprocess.PIPE, text=True, cwd=paths.CHECKOUT,
        )  # fmt: skip
        process = psutil.Process(command.pid)
        try:
            with daemon.accept()[0] as asked:
                assert asked.recv(1), "the daemon is asked and never answers"
                (program,) = wait.until("the program", process.children, 120)
                command.terminate()
                _, said = command.communicate(timeout=120)
        finally:
            for each in (*process.children(), process) if process.is_running() else ():
                each.kill()
    assert command.returncode == 130, said
    assert not program.is_running()
    assert (tmp_path / "cleaned").exists(), "a task can clean up after its program"
    assert not (tmp_path / "queued").exists()

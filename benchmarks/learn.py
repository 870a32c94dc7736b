"""``learn`` until JupyterLab is ready, and JupyterLab and dockerd started bare."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from benchmarks.sides import Pair, in_turn
from dockyard.core import paths, ports, wait
from dockyard.engine import system_packages
from dockyard.engine.base import answers

GOAL = 1.2
REPEAT = 7
PATIENCE = 300


def measure() -> Iterator[Pair]:
    """One pair, each side with an empty engine in a home of its own."""
    with tempfile.TemporaryDirectory(prefix="dockyard-") as folder:
        home = Path(folder) / "home"
        home.mkdir()
        # The images are in the registry, as after the first start.
        for kept in ("registry", "cli-plugins"):
            if (paths.home() / kept).exists():
                shutil.copytree(paths.home() / kept, home / kept)
        yield in_turn(
            "`learn` until JupyterLab is ready / JupyterLab and dockerd started bare, at once",
            lambda: _learn(home),
            lambda: _bare(Path(folder) / "bare"),
            REPEAT,
            GOAL,
        )


def _learn(home: Path) -> float:
    port = ports.choose()
    began = time.perf_counter()
    course = subprocess.Popen(
        [
            sys.executable, "-m", "dockyard", "learn",
            "--engine", "embedded", "--no-browser", "--port", str(port),
        ],
        env=os.environ | {"DOCKYARD_HOME": str(home)},
        cwd=paths.CHECKOUT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for_jupyterlab(port)
        return time.perf_counter() - began
    finally:
        # Ctrl-C at a terminal would reach JupyterLab, too.
        for child in _children(course.pid):
            os.kill(child, signal.SIGTERM)
        course.wait(timeout=120)
        shutil.rmtree(home / "engine", ignore_errors=True)


def _children(parent: int) -> list[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text()
    return [
        int(word)
        for word in found.split()
        if b"dockyard.commands.jupyterlab" in Path(f"/proc/{word}/cmdline").read_bytes()
    ]


def _bare(folder: Path) -> float:
    folder.mkdir()
    port = ports.choose()
    program = system_packages.which("dockerd")
    assert program, "learn has installed it"
    jupyterlab = [
        sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root",
        f"--ServerApp.port={port}", f"--ServerApp.root_dir={paths.CHECKOUT}",
    ]  # fmt: skip
    socket = folder / "docker.sock"
    dockerd = [
        # In its own network namespace it leaves no bridge and no rules behind.
        "unshare", "--net", program,
        f"--data-root={folder / 'data'}", f"--exec-root={folder / 'exec'}",
        f"--pidfile={folder / 'pid'}", f"--host=unix://{socket}",
    ]  # fmt: skip
    began = time.perf_counter()
    started = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for words in (jupyterlab, dockerd)
    ]
    try:
        wait.until("the bare dockerd", lambda: answers(socket), PATIENCE)
        _wait_for_jupyterlab(port)
        return time.perf_counter() - began
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait(timeout=120)
        _remove(folder)


def _remove(folder: Path) -> None:
    subprocess.run(["sh", "-c", f"umount {folder}/exec/netns/* 2> /dev/null"], check=False)
    shutil.rmtree(folder)


def _wait_for_jupyterlab(port: int) -> None:
    def answers() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    wait.until("JupyterLab", answers, PATIENCE, interval=0.02)

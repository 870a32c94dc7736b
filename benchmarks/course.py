"""The whole course proved by nbval, and its commands run bare, notebook by notebook in turn."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from benchmarks.sides import Pair
from dockyard import cleanup, course
from dockyard.commands import test
from dockyard.core import docker_client, paths
from dockyard.registry import image_catalog

GOAL = 1.5


def measure(chosen: Sequence[Path] = ()) -> Iterator[Pair]:
    """One pair whose parts are the notebooks; all those of the course unless some are chosen."""
    lessons = sorted(chosen or paths.NOTEBOOKS.glob("*.ipynb"))
    which = ", ".join(path.stem.partition("-")[0] for path in lessons) if chosen else "all lessons"
    pair = Pair(f"{which} under nbval / the same commands bare, in IPython", GOAL, whole=sum)
    _bring_images()
    for number, path in enumerate(lessons):
        if number % 2:
            proved, bare = _proved(path), _bare(path)
        else:
            bare, proved = _bare(path), _proved(path)
        pair.add(proved, bare)
        print(f"  {path.stem}: {proved:.1f} s / {bare:.1f} s", file=sys.stderr, flush=True)
    yield pair


def _bring_images() -> None:
    # Only the first side would pull them.
    with closing(docker_client.connect(timeout=600)) as daemon:
        for image in image_catalog.images():
            daemon.images.pull(*image.reference.split(":"))


def _proved(path: Path) -> float:
    # With a pytest of its own for each notebook, where the course needs one for all.
    began = time.perf_counter()
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--quiet", "--nbval", "--nbval-current-env",
            f"--nbval-sanitize-with={test.SANITIZE}", "-p", "no:cacheprovider",
            # Other objects on the daemon are a test, not a cost of nbval.
            "-p", "no:tests.support.canary", str(path),
        ],
        env=course.whole_environment(), cwd=paths.CHECKOUT,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    taken = time.perf_counter() - began
    if done.returncode != 0:
        print(done.stdout[-2000:], file=sys.stderr)
        raise SystemExit(f"{path.stem} does not pass, so its time means nothing.")
    return taken


def _bare(path: Path) -> float:
    environment = course.whole_environment()
    docker_client.write_config(path.stem)
    environment |= course.environment(path.stem)
    _clean(path.stem)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "benchmarks.bare", str(path)],
        env=environment, cwd=paths.CHECKOUT, stderr=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    taken = time.perf_counter() - began
    _clean(path.stem)
    return taken


def _clean(lesson: str) -> None:
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson=lesson)

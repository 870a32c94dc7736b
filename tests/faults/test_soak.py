"""A semester on one engine: nothing grows with the number of lessons.

SOAK_ROUNDS and SOAK_LESSONS choose fewer: ``SOAK_ROUNDS=3 SOAK_LESSONS='00 02 05'``.
"""

import json
import os
import shutil
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from dockyard import course
from dockyard.authoring import notebook_store
from dockyard.core import docker_client, paths, wait
from dockyard.core.process import Service
from dockyard.engine import netfilter
from dockyard.engine.embedded import EmbeddedEngine
from tests.support import homes
from tests.support.restricted_host import needs_root

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.soak, needs_root]

ROUNDS = int(os.environ.get("SOAK_ROUNDS", "10"))
LESSONS = os.environ.get("SOAK_LESSONS", "").split()

MEGABYTE = 1024**2


@dataclass(frozen=True)
class Bound:
    """How much a number may grow from the second round to the last one."""

    why: str
    factor: float = 1.0
    more: float = 0.0

    def allows(self, before: float, after: float) -> bool:
        """Whether it has not grown more."""
        return after <= before * self.factor + self.more


NOTHING = Bound("%tidy and the next %lesson remove what a lesson has made")
GO = Bound("Go lets its heap double before it collects", factor=2, more=32 * MEGABYTE)
IDLE = Bound("connections are kept open for the next request for a while", more=16)

BOUNDS = {
    "containers": NOTHING,
    "networks": NOTHING,
    "volumes": NOTHING,
    "images": Bound("images that a lesson pulls stay; all lessons have pulled theirs in round 1"),
    "mounts": Bound("a running container has mounts, and none runs between rounds"),
    "rules": Bound("rules are of networks and published ports"),
    "interfaces": Bound("interfaces are of networks and running containers"),
    "processes": Bound("a shim ends with its container"),
    "engine descriptors": IDLE,
    "front door descriptors": IDLE,
    "registry descriptors": IDLE,
    "engine memory": GO,
    "registry memory": GO,
    "front door memory": Bound("Python keeps freed memory for itself", more=16 * MEGABYTE),
    "engine disk": Bound(
        "steps of a build that lessons repeat are in the build cache, each once; databases of "
        "dockerd and containerd grow in pages",
        factor=1.1,
        more=32 * MEGABYTE,
    ),
    "logs": Bound("a round of all lessons logs less", more=4 * MEGABYTE * ROUNDS),
    "run folder": Bound("it has a socket or a lock for each kind of command, not for each command"),
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A course of its own, started by the command."""
    with homes.running(tmp_path_factory.mktemp("soak")) as folder:
        yield folder


def family(service):
    first = Service(service).process()
    assert first is not None, service
    return [first, *first.children(recursive=True)]


def disk(folder):
    """The bytes that the files of a folder take on the disk; what is mounted there does not count.

    Files go while they are counted.
    """
    device, total = folder.stat().st_dev, 0
    for place, folders, files in os.walk(folder, onerror=None):
        here = Path(place)
        folders[:] = [each for each in folders if _device(here / each) == device]
        for name in files:
            try:
                total += (here / name).lstat().st_blocks * 512
            except OSError:
                continue
    return total


def _device(path):
    try:
        return path.lstat().st_dev
    except OSError:
        return None


def measure(home):
    """The numbers of BOUNDS."""
    engine = EmbeddedEngine()
    with closing(docker_client.connect()) as daemon:
        objects = {
            "containers": len(daemon.api.containers(all=True)),
            "networks": len(daemon.api.networks()),
            "volumes": len(daemon.api.volumes()["Volumes"] or ()),
            "images": len(daemon.api.images(all=True)),
        }
    rules = netfilter.run("iptables-save") + netfilter.run("ip6tables-save")
    bridges = engine.bridges()
    links = json.loads(netfilter.run("ip", "-json", "link", "show"))
    engines = family("dockerd")
    inside = next(each for each in engines if each.name() == "dockerd").pid
    parts = {"engine": engines, "front door": family("frontdoor"), "registry": family("registry")}
    return (
        objects
        | {f"{part} descriptors": sum(each.num_fds() for each in of) for part, of in parts.items()}
        | {f"{part} memory": sum(each.memory_info().rss for each in of)
           for part, of in parts.items()}
        | {
            "mounts": len(Path(f"/proc/{inside}/mountinfo").read_text().splitlines()),
            "rules": sum(engine.bridge in line for line in rules.splitlines()),
            "interfaces": sum(
                bridges & {each["ifname"], each.get("master")} != set() for each in links
            ),
            "processes": len(engines),
            "engine disk": disk(home / "engine"),
            "logs": disk(home / "logs"),
            "run folder": len(list(paths.run_dir().iterdir())),
        }
    )  # fmt: skip


def settled(home):
    """Measure when nothing changes any more that lessons have left behind them for a moment."""
    found = measure(home)

    def is_still():
        nonlocal found
        before, found = found, measure(home)
        return all(before[name] == found[name] for name in ("processes", "mounts", "rules"))

    wait.until("the engine to rest", is_still, 120, interval=3)
    return found


def lessons():
    """The paths of the chosen lessons."""
    every = sorted(paths.NOTEBOOKS.glob("*.ipynb"))
    chosen = [each for each in every if not LESSONS or each.stem[:2] in LESSONS]
    assert chosen
    return chosen


def semester(folder):
    """Run the lessons in a copy, one after the other, as a learner does."""
    for page in lessons():
        notebook = nbformat.read(folder / page.name, as_version=4)
        notebook_store.execute(notebook, folder)
        failed = notebook_store.unexpected_failures(notebook)
        assert failed == [], (page.name, failed)


def test_lessons_again_and_again_leave_the_engine_as_it_was(home, tmp_path):
    folder = tmp_path / "notebooks"
    shutil.copytree(paths.NOTEBOOKS, folder, ignore=shutil.ignore_patterns("work", ".*"))
    rounds = []
    for _ in range(ROUNDS):
        semester(folder)
        rounds.append(settled(home))
    before, after = rounds[1], rounds[-1]
    table = "\n".join(
        f"{name:<24}" + "".join(f"{each[name]:>14}" for each in rounds) for name in sorted(after)
    )
    print(table)
    grown = [name for name, bound in BOUNDS.items() if not bound.allows(before[name], after[name])]
    assert grown == [], f"{[(name, BOUNDS[name].why) for name in grown]}\n{table}"
    assert after.keys() == BOUNDS.keys()
    assert course.missing_part() is None

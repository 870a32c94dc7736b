"""Removal hits only what this home made, whatever else wears its labels."""

import json
import os
import stat
import subprocess
import sys
from contextlib import closing
from io import BytesIO

import docker
import pytest

from dockyard import course
from dockyard.core import home_mark, labels, paths
from tests.support.fake_daemon import request
from tests.support.front_door import Docker, Door, short_folder
from tests.support.restricted_host import needs_root

pytestmark = pytest.mark.engine

LESSON = "faults-test"
REMOVE = """
import sys, docker
from dockyard import cleanup
print(cleanup.remove(docker.DockerClient(base_url=sys.argv[1]), lesson=sys.argv[2] or None))
"""


@pytest.fixture
def address():
    """The daemon's own address, past the front door."""
    state = course.State.load()
    assert state
    return state.endpoint["address"]


@pytest.fixture
def past(address):
    """A client past the front door; what it and the tests made is removed by name."""
    with closing(docker.DockerClient(base_url=address)) as client:
        yield client
        for each in client.containers.list(all=True):
            if each.name.startswith("faults-"):
                each.remove(force=True, v=True)
        for network in client.networks.list():
            if network.name.startswith("faults-"):
                network.remove()
        for volume in client.volumes.list():
            if volume.name.startswith("faults-"):
                volume.remove()
        for image in client.images.list():
            for name in image.tags:
                if name.startswith("faults-"):
                    client.images.remove(name)


class Home:
    """A home on the course's daemon with a front door of its own.

    Each sees its own folder at the same path, as the homes of two development containers do.
    """

    def __init__(self, folder, name, address):
        self.place = folder / name
        self.shared = folder / "home"
        for each in (self.place, self.shared):
            each.mkdir(exist_ok=True)
        self.address = address
        own = folder / f"{name}-door"
        own.mkdir()
        self.door = Door(own, address, env=os.environ | {"DOCKYARD_HOME": str(self.shared)})
        self.door._argv = self._inside(self.door._argv)
        self.docker = Docker(own, self.door.socket, LESSON)

    def _inside(self, words):
        script = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, "-", self.place, self.shared, *words]

    def remove(self, lesson=LESSON):
        done = subprocess.run(
            self._inside([sys.executable, "-c", REMOVE, self.address, lesson or ""]),
            capture_output=True, text=True, check=True, cwd=paths.CHECKOUT,
            env=os.environ | {"DOCKYARD_HOME": str(self.shared)},
        )  # fmt: skip
        return done.stdout.strip()


@pytest.fixture
def two_homes(address, past):
    with short_folder() as folder:
        homes = [Home(folder, name, address) for name in ("a", "b")]
        for home in homes:
            home.door.start()
        yield homes
        for home in homes:
            home.remove()
            home.door.stop()


def names(past):
    found = [each.name for each in past.containers.list(all=True)]
    found += [each.name for each in past.networks.list()]
    found += [each.name for each in past.volumes.list()]
    found += [name for image in past.images.list() for name in image.tags]
    return {name.removesuffix(":latest") for name in found if name.startswith("faults-")}


def make(home, name):
    home.docker(
        "create", "--name", f"faults-{name}-c", "--volume", f"faults-{name}-v:/d", "busybox"
    )
    home.docker("network", "create", "--config-only", f"faults-{name}-n")
    home.docker("volume", "create", f"faults-{name}-w")
    home.docker("commit", f"faults-{name}-c", f"faults-{name}-i")


@needs_root
def test_two_homes_at_the_same_path_remove_only_their_own(two_homes, past):
    one, two = two_homes
    make(one, "a")
    make(two, "b")
    both = names(past)
    assert len(both) == 10
    assert one.remove() == "Removed 1 container, 1 network, 2 volumes, 1 image."
    assert names(past) == {name for name in both if name.startswith("faults-b")}
    assert two.remove() == "Removed 1 container, 1 network, 2 volumes, 1 image."
    assert names(past) == set()


@needs_root
def test_an_image_that_buildkit_builds_has_the_mark_of_its_home(two_homes, past, tmp_path):
    """Also where two homes build the same Dockerfile, which names the lesson."""
    one, two = two_homes
    dockerfile = f"FROM scratch\nLABEL {labels.LESSON}={LESSON}\nCOPY Dockerfile /\n"
    (tmp_path / "Dockerfile").write_text(dockerfile)
    one.docker("build", "--tag", "faults-built", str(tmp_path))
    assert labels.HOME in past.images.get("faults-built").labels
    assert two.remove() == "Nothing to remove."
    assert names(past) == {"faults-built"}
    assert one.remove() == "Removed 1 image."
    assert names(past) == set()


FORGED = [
    f"{'0' * 8}.{'0' * 16}.{'0' * 16}",
    "....",
    ".",
    "1",
    "é.é.é",
    "",
]


@pytest.fixture
def mine(address, past):
    with short_folder() as folder:
        home = Home(folder, "a", address)
        home.door.start()
        yield home
        home.remove()
        home.door.stop()


@needs_root
def test_forged_marks_and_those_of_the_first_edition_are_not_this_homes(mine, past):
    token = paths.token()  # that of the home of this test run, not of `mine`
    for number, mark in enumerate([*FORGED, f"{token}.12345678"]):
        wanted = {labels.COURSE: "1", labels.LESSON: LESSON, labels.HOME: mark}
        past.containers.create("busybox", name=f"faults-{number}", labels=wanted)
        past.volumes.create(f"faults-{number}-v", labels=wanted)
        past.networks.create(f"faults-{number}-n", labels=wanted)
    before = names(past)
    assert len(before) == 3 * 7
    assert mine.remove() == "Nothing to remove."
    assert names(past) == before


@needs_root
def test_a_container_of_a_committed_image_stays_even_when_the_image_is_gone(mine, past):
    """The daemon then says no more that the mark came from the image."""
    mine.docker("create", "--name", "faults-made", "busybox", "true")
    mine.docker("commit", "faults-made", "faults-image")
    theirs = past.containers.create("faults-image", name="faults-theirs")
    assert theirs.labels[labels.HOME] == past.containers.get("faults-made").labels[labels.HOME]
    past.images.remove("faults-image", force=True)
    mine.docker("rm", "faults-made")
    mine.remove()
    assert "faults-theirs" in names(past)


@needs_root
def test_a_container_made_by_any_spelling_of_its_image_goes(mine, past):
    id = past.images.get("busybox").id
    spelled = ["busybox", "busybox:latest", "docker.io/library/busybox:latest", id]
    for number, image in enumerate(spelled):
        mine.docker("create", "--name", f"faults-{number}", image)
    # The name is another image's by now, and the container's is gone from the list.
    mine.docker("tag", "busybox", "faults-moved")
    mine.docker("create", "--name", "faults-moved", "faults-moved")
    mine.docker("rmi", "--force", "faults-moved")
    assert mine.remove().startswith("Removed 5 containers")


@needs_root
def test_anonymous_volumes_go_with_their_container(mine, past):
    before = {each.name for each in past.volumes.list()}
    mine.docker("create", "--name", "faults-c", "--volume", "/data", "busybox")
    assert len({each.name for each in past.volumes.list()} - before) == 1
    mine.remove()
    assert {each.name for each in past.volumes.list()} == before


def by_option(home, name, image):
    home.docker("create", "--name", name, "--volume", "/data", "busybox")


def by_mount(home, name, image):
    home.docker("create", "--name", name, "--mount", "type=volume,target=/data", "busybox")


def by_image(home, name, image):
    home.docker("create", "--name", name, image)


def by_compose(home, name, image):
    folder = home.place / name
    folder.mkdir()
    service = {"image": "busybox", "container_name": name, "volumes": ["/data"]}
    (folder / "compose.yaml").write_text(json.dumps({"services": {"one": service}}))
    home.docker("compose", "--project-directory", str(folder), "create")


def by_request(home, name, image):
    body = json.dumps({"Image": "busybox", "Volumes": {"/data": {}}}).encode()
    kind = "Content-Type: application/json"
    sent = request("POST", f"/containers/create?name={name}", body, kind, "Connection: close")
    assert b" 201 Created" in home.door.raw(sent)


def by_bind_without_a_source(home, name, image):
    with closing(docker.DockerClient(base_url=f"unix://{home.door.socket}")) as client:
        client.containers.create("busybox", name=name, volumes=["/data"])


@pytest.fixture
def with_volume(past):
    """An image with the line VOLUME."""
    past.images.build(
        fileobj=BytesIO(b"FROM busybox\nVOLUME /data\n"), tag="faults-volume", rm=True
    )
    return "faults-volume"


def volumes(past):
    return {each.name for each in past.volumes.list()}


@needs_root
@pytest.mark.parametrize(
    "made",
    [by_option, by_mount, by_image, by_compose, by_request, by_bind_without_a_source],
)
def test_an_anonymous_volume_whose_container_is_gone_is_removed_by_its_home_alone(
    made, two_homes, past, with_volume
):
    one, two = two_homes
    before = volumes(past)
    made(one, "faults-c", with_volume)
    assert len(volumes(past) - before) == 1
    one.docker("rm", "faults-c")
    two.remove()
    assert len(volumes(past) - before) == 1
    lesson = LESSON
    if made in (by_request, by_bind_without_a_source):
        # They name no lesson: only `reset --all` finds what they have made.
        one.remove()
        assert len(volumes(past) - before) == 1
        lesson = None
    one.remove(lesson)
    assert volumes(past) == before


@needs_root
def test_anonymous_volumes_of_others_stay_even_when_our_container_uses_them(mine, past):
    before = volumes(past)
    theirs = past.containers.create("busybox", name="faults-theirs", volumes=["/data"])
    (volume,) = volumes(past) - before
    mine.docker("create", "--name", "faults-a", "--volumes-from", "faults-theirs", "busybox")
    mine.docker("create", "--name", "faults-b", "--volume", f"{volume}:/data", "busybox")
    mount = f"type=volume,source={volume},target=/data"
    mine.docker("create", "--name", "faults-c", "--mount", mount, "busybox")
    theirs.remove()
    mine.docker("rm", "faults-a", "faults-b", "faults-c")
    assert mine.remove() == "Nothing to remove."
    assert volumes(past) - before == {volume}
    past.volumes.get(volume).remove()


@needs_root
def test_an_anonymous_volume_that_somebody_uses_stays_until_he_does_not(mine, past):
    before = volumes(past)
    mine.docker("create", "--name", "faults-c", "--volume", "/data", "busybox")
    (volume,) = volumes(past) - before
    mount = {volume: {"bind": "/data"}}
    theirs = past.containers.create("busybox", name="faults-theirs", volumes=mount)
    mine.docker("rm", "faults-c")
    assert mine.remove() == "Nothing to remove."
    theirs.remove()
    assert mine.remove() == "Removed 1 volume without a name."
    assert volumes(past) == before


@needs_root
def test_a_label_that_the_client_gives_does_not_replace_the_mark(mine, past):
    """Whatever label a client gives itself, the front door's own counts."""
    given = f"{labels.HOME}={'0' * 8}.{'0' * 16}.{'0' * 16}"
    mine.docker("create", "--name", "faults-c", "--label", given, "busybox")
    assert mine.remove() == "Removed 1 container."


def test_the_secret_is_made_once_by_all_who_need_it_first(tmp_path):
    code = "import sys; from dockyard.core import home_mark; print(home_mark.secret().decode())"
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=paths.CHECKOUT,
            env=os.environ | {"DOCKYARD_HOME": str(tmp_path)},
        )
        for _ in range(5)
    ]  # fmt: skip
    found = {each.communicate(timeout=60)[0].strip() for each in made}
    assert len(found) == 1
    assert len(found.pop()) == 64
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_an_empty_secret_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    home_mark.secret_file().touch()
    assert len(home_mark.secret()) == 64


def test_marks_of_the_first_edition_count_on_a_private_engine_only(tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    old = f"{paths.token()}.0a1b2c3d"
    for mirror, private in (("http://127.0.0.1:5000", True), ("", False)):
        (tmp_path / "course.json").write_text(json.dumps({"engine": "x", "mirror": mirror}))
        assert home_mark.engine_is_private() is private
        assert home_mark.is_ours(old, old=home_mark.engine_is_private()) is private
        assert not home_mark.is_ours(f"{'f' * 8}.0a1b2c3d", old=private)
    (tmp_path / "course.json").unlink()
    assert not home_mark.engine_is_private()

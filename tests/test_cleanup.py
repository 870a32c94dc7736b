"""Removal by label, and objects that stay although they have the label."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BytesIO

import pytest
from docker.types import Mount

from dockyard import cleanup
from dockyard.core import docker_client, paths, volume_notes
from dockyard.registry import server
from tests.support import canary

pytestmark = pytest.mark.engine


def remove(lesson):
    with closing(docker_client.connect()) as daemon:
        return cleanup.remove(daemon, lesson=lesson)


def test_concurrent_removals_succeed_and_count_each_container_once(scene):
    for number in range(6):
        scene.run(f"crowd-{number}")
    with ThreadPoolExecutor(3) as pool:
        removed = list(pool.map(remove, [scene.lesson] * 3))
    assert sum(each.containers for each in removed) == 6


def test_a_container_that_only_inherited_the_label_from_its_image_stays(scene):
    scene.run("made")
    scene.docker("commit", "made", "made-of:1")
    scene.docker("run", "--detach", "--name", "within", "made-of:1", "sleep", "1000")
    with closing(canary.daemon()) as past:
        theirs = past.containers.create("made-of:1", name="theirs")
        try:
            assert theirs.labels["dockyard.lesson"] == scene.lesson
            removed = remove(scene.lesson)
            assert (removed.containers, removed.images) == (2, 0), "its image is in use"
            past.containers.get("theirs")
        finally:
            theirs.remove()
    assert remove(scene.lesson).images == 1


def test_the_nameless_images_between_the_steps_of_classic_builds_are_removed_with_them(scene):
    recipe = f"FROM busybox\nLABEL dockyard.lesson={scene.lesson}\nRUN true > /1\n"
    with closing(docker_client.connect()) as daemon:
        for last in ("RUN true > /2\n", "RUN true > /3\n"):
            daemon.images.build(fileobj=BytesIO((recipe + last).encode()), tag="steps:1")
        assert remove(scene.lesson).images == 2, "the first has lost its name to the second"
        left = daemon.api.images(all=True, filters={"label": f"dockyard.lesson={scene.lesson}"})
        assert left == []


def test_what_was_pulled_by_its_digest_goes_with_what_the_course_brought(scene):
    registry = server.find()
    digest = registry.manifest("library/hello-world", "latest").digest
    names = ["hello-world", f"{registry.address}/library/hello-world@{digest}"]
    for name in names:
        scene.docker("pull", "--quiet", name)
    with closing(docker_client.connect()) as daemon:
        cleanup.remove(daemon, lesson="none", brought=["hello-world:latest"])
        assert not [
            name
            for image in daemon.api.images()
            for name in image["RepoTags"] or ()
            if "hello-world" in name
        ]


def test_what_was_made_without_a_lesson_is_found_by_its_drawn_name(scene, monkeypatch):
    with monkeypatch.context() as outside:
        outside.setenv("DOCKER_CONFIG", str(paths.docker_config()))
        connected = docker_client.connect()
    with closing(connected) as daemon:
        daemon.networks.create("sea-drawn")
        daemon.networks.create("sea-other")
        daemon.volumes.create("pad-drawn-1")
        daemon.containers.create("busybox", name="box-drawn")
        scene.run("box-drawn-too")
        try:
            removed = cleanup.remove_named(daemon, ["sea-drawn", "pad-drawn", "box-drawn", "80"])
            assert (removed.containers, removed.networks, removed.volumes) == (1, 1, 1)
            assert daemon.containers.get("box-drawn-too"), "it has a lesson"
            assert daemon.networks.list(names=["sea-other"])
        finally:
            cleanup.remove_named(daemon, ["sea-", "pad-drawn", "box-drawn"])


def test_volumes_without_a_name_go_with_the_lesson_that_brought_them_about(scene):
    with closing(docker_client.connect()) as daemon:
        before = {each.name for each in daemon.volumes.list()}
        scene.docker("run", "--name", "left", "--volume", "/data", "busybox", "true")
        scene.docker("run", "--name", "used", "--volume", "/data", "busybox", "true")
        scene.docker("run", "--rm", "--volume", "/data", "busybox", "true")
        scene.docker("rm", "left")
        assert len({each.name for each in daemon.volumes.list()} - before) == 2
        assert str(remove("another-lesson")) == "Nothing to remove."
        removed = remove(scene.lesson)
        assert (removed.containers, removed.nameless) == (1, 1), "one goes with its container"
        assert str(removed) == "Removed 1 container."
        assert {each.name for each in daemon.volumes.list()} == before


def test_a_volume_made_without_a_name_and_a_lesson_is_found_by_its_containers_name(
    scene, monkeypatch
):
    with monkeypatch.context() as outside:
        outside.setenv("DOCKER_CONFIG", str(paths.docker_config()))
        connected = docker_client.connect()
    with closing(connected) as daemon:
        before = {each.name for each in daemon.volumes.list()}
        for name in ("box-drawn", "box-other"):
            daemon.containers.create("busybox", name=name, volumes=["/data"]).remove()
        removed = cleanup.remove_named(daemon, ["box-drawn", "80"])
        assert str(removed) == "Removed 1 volume without a name."
        assert len({each.name for each in daemon.volumes.list()} - before) == 1
        assert cleanup.remove_named(daemon, ["box-other"]).nameless == 1
        assert {each.name for each in daemon.volumes.list()} == before


def test_a_check_leaves_no_note_on_the_volumes_of_its_containers(scene):
    before = set(volume_notes.taken())
    with closing(docker_client.connect()) as daemon:
        mounts = [Mount("/data", None)]
        with cleanup.helper(daemon, "busybox", ["true"], mounts=mounts) as container:
            (mount,) = container.attrs["Mounts"]
            assert volume_notes.is_anonymous(mount["Name"])
        assert set(volume_notes.taken()) == before
        assert mount["Name"] not in {each.name for each in daemon.volumes.list()}


def test_a_note_on_a_volume_that_is_not_there_is_forgotten_after_a_month(scene, monkeypatch):
    note = volume_notes.Note("0" * 64, "another-lesson", "box")
    volume_notes.take(note)
    remove("another-lesson")
    assert note in volume_notes.taken()
    monkeypatch.setattr(volume_notes, "KEPT", -1)
    remove(scene.lesson)
    assert note not in volume_notes.taken()

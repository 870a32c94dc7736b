"""The layer explorer, on real images and containers."""

from collections import OrderedDict

import pytest

from dockyard import views
from dockyard.views import layer_archive, layer_stacks
from tests.support.scene import LESSON

pytestmark = pytest.mark.engine


@pytest.fixture
def build(scene, tmp_path):
    """Builds an image of the test lesson from instructions."""

    def made(tag, *instructions):
        lines = ["FROM busybox", f"LABEL dockyard.lesson={LESSON}", *instructions]
        (tmp_path / "Dockerfile").write_text("\n".join(lines) + "\n")
        scene.docker("build", "--quiet", "--tag", tag, str(tmp_path))

    return made


@pytest.fixture
def nothing_read(monkeypatch):
    """Clear the cache of layers."""
    monkeypatch.setattr(layer_stacks, "_contents", OrderedDict())


def stack(*names):
    """The first stack of a view, and its stored outputs."""
    view = views.layers(*names)
    try:
        data, _ = view._repr_mimebundle_()
        return view.stacks[0], data["text/plain"], data["image/svg+xml"]
    finally:
        view.close()


def run(scene, name, *command):
    """Start a container without ``--init``, which adds a file to the container."""
    scene.docker("run", "--detach", "--name", name, "busybox", *command)


def entries(layer):
    return {f"{entry['sign']} {entry['path']}" for entry in layer["entries"]}


def test_a_layer_says_what_it_adds_changes_and_removes_and_what_images_share(build):
    build("layers-test:1", "RUN echo new > /word && echo '#' >> /etc/passwd && rm /bin/vi")
    found, *said = stack("layers-test:1", "busybox")
    top, base = found["layers"]
    assert entries(top) == {"+ /word", "~ /etc/passwd", "− /bin/vi"}
    assert top["counts"] == "1 added, 1 changed, 1 removed"
    assert (base["base"], base["shared"]) == (True, ["busybox"])
    assert found["settings"] == [f"LABEL dockyard.lesson={LESSON}"]
    for text in said:
        assert "layers-test:1" in text
        assert "1 added, 1 changed, 1 removed" in text
        assert "the same layer as in busybox" in text


def test_the_base_is_the_image_that_it_was_built_from_and_no_other_one_with_these_layers(
    build, scene
):
    build("layers-test:4", "ENV FIRST=1", "CMD echo first")
    build("layers-test:5", "ENV SECOND=1", "RUN echo 5 > /five", "CMD echo second")
    found, *_ = stack("layers-test:5")
    assert found["layers"][-1]["label"] == "base busybox:latest"
    assert "ENV SECOND=1" in found["settings"]


def test_a_recreated_folder_hides_its_old_content(build):
    build(
        "layers-test:2",
        "RUN mkdir /d && echo a > /d/a && echo b > /d/b",
        "RUN rm -r /d && mkdir /d && echo c > /d/c",
        "RUN echo again > /d/a && echo more >> /d/c",
    )
    found, *_ = stack("layers-test:2")
    third, second, first, _ = found["layers"]
    assert entries(first) == {"+ /d/a", "+ /d/b"}
    # Image stores record it in two ways: as a folder made anew, or file by file.
    assert entries(second) == {"+ /d/c", "− /d/a", "− /d/b"}
    assert second["counts"] == "1 added, 2 removed"
    # /d/a is new again, because the second layer has hidden the first one's.
    assert entries(third) == {"+ /d/a", "~ /d/c"}


def test_files_written_by_docker_exec_appear_in_the_top_layer(scene):
    run(scene, "pen", "sleep", "1000")
    run(scene, "other", "sleep", "1000")
    view = views.layers("pen")
    try:
        view._repr_mimebundle_()
        top = view.stacks[0]["layers"][0]
        assert (top["writable"], top["counts"]) == (True, "")
        scene.docker("exec", "other", "touch", "/elsewhere")
        scene.docker("exec", "pen", "sh", "-c", "echo . > /note; echo . >> /etc/passwd; rm /bin/vi")
        counts = "1 added, 1 changed, 1 removed"
        scene.until("the news", lambda: view.stacks[0]["layers"][0]["counts"] == counts)
        top = view.stacks[0]["layers"][0]
        assert entries(top) == {"+ /note", "~ /etc/passwd", "− /bin/vi"}
        scene.until("its words", lambda: view.announcements)
        assert view.announcements == [f"pen has written on top: {counts}."]
        assert f"the container's own layer: {counts}" in view.words()
    finally:
        view.close()


def test_files_written_by_the_containers_program_appear_after_look_again(scene):
    run(scene, "pen", "sh", "-c", "trap 'echo . > /own' USR1; while :; do sleep 0.1; done")
    view = views.layers("pen")
    try:
        view._repr_mimebundle_()
        scene.docker("kill", "--signal", "USR1", "pen")
        scene.until("the file", lambda: scene.docker("diff", "pen") == "A /own")
        view.on_message({"again": True})
        scene.until("its line", lambda: entries(view.stacks[0]["layers"][0]) == {"+ /own"})
    finally:
        view.close()


def test_an_image_that_is_too_large_is_shown_with_the_reason(nothing_read, monkeypatch):
    monkeypatch.setattr(layer_stacks, "LARGEST", 1000)
    found, *said = stack("busybox")
    (only,) = found["layers"]
    assert only["problem"].startswith("too large to look into (")
    assert only["size"] > 1000
    assert only["entries"] == []
    for text in said:
        assert "too large to look into (" in text


def test_a_layer_of_too_many_files_is_counted_but_not_compared(build, nothing_read, monkeypatch):
    monkeypatch.setattr(layer_archive, "COMPARED", 20)
    build("layers-test:3", "RUN echo . > /one && rm /bin/vi")
    found, *_ = stack("layers-test:3")
    top, base = found["layers"]
    assert base["count"] > 20
    assert "too many to compare" in base["counts"]
    # What stands on it cannot be compared either; what it removes is known all the same.
    assert "too many to compare" in top["counts"]
    assert entries(top) == {"− /bin/vi"}


def test_an_unknown_name_is_shown_with_the_reason(scene):
    found, text, picture = stack("nobody-has-this")
    assert found["problem"] == "no image and no container of this name"
    assert found["problem"] in text
    assert found["problem"] in picture

"""The layer explorer and the progress of pulls and builds, on real images."""

import pytest

from dockyard import views
from dockyard.views.layers import Layers
from tests.scene import LESSON

pytestmark = pytest.mark.engine


def test_a_layer_says_what_it_adds_and_what_images_share(scene, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nLABEL dockyard.lesson={LESSON}\nRUN echo new > /word && rm /bin/vi\n"
    )
    scene.docker("build", "--quiet", "--tag", "layers-test:1", str(tmp_path))
    shown = views.layers("layers-test:1", "busybox")
    assert isinstance(shown, Layers)
    data, _ = shown._repr_mimebundle_()
    for text in (data["text/plain"], data["image/svg+xml"]):
        assert "layers-test:1" in text
        assert "busybox" in text
    assert "word" in str(shown.stacks)
    assert "bin/vi" in str(shown.stacks)


def test_a_pull_ends_with_the_picture_of_what_is_there(scene):
    data, _ = views.pull("hello-world")._repr_mimebundle_()
    assert "hello-world" in data["text/plain"]
    assert "<title>" in data["image/svg+xml"]


def test_a_build_names_its_steps_and_its_failure(scene, tmp_path):
    (tmp_path / "Dockerfile").write_text(
        f"FROM busybox\nLABEL dockyard.lesson={LESSON}\nRUN echo one\nRUN false\n"
    )
    data, _ = views.build(str(tmp_path), "build-test:1")._repr_mimebundle_()
    assert "RUN echo one" in data["text/plain"]
    assert "RUN false" in data["text/plain"]

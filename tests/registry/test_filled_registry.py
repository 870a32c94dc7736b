"""The course registry, as it was filled."""

import json
import subprocess
import sys

import pytest

from dockyard import cleanup, course, registry
from dockyard.core import paths
from dockyard.registry.image_catalog import ORIGIN, RECIPE, by_reference, images
from dockyard.registry.verify import is_built_on
from tests.registry.samples import read

pytestmark = pytest.mark.engine


def test_filling_prints_as_data_what_is_there(engine):
    listed, filled = (
        subprocess.run(
            [sys.executable, "-m", "dockyard", "registry", action, "--json"],
            capture_output=True, text=True, cwd=paths.CHECKOUT, check=False,
        )
        for action in ("list", "fill")
    )  # fmt: skip
    assert filled.returncode == 0, filled.stderr
    assert json.loads(filled.stdout) == json.loads(listed.stdout)


def test_every_image_says_how_it_was_made(filled):
    if any(finding.origin == "copied from Docker Hub" for finding in registry.list_images(filled)):
        pytest.skip("images from Docker Hub are untouched")
    for image in images():
        manifest = filled.manifest(image.repository, image.tags[0])
        found = json.loads(read(filled, image, manifest.document["config"]))["config"]["Labels"]
        assert found[cleanup.COURSE] == "1"
        assert found[ORIGIN] == image.origin
        assert found[RECIPE] == image.recipe
        assert found["org.opencontainers.image.title"] == image.name


def test_the_filled_registry_is_whole(filled):
    assert {finding.fault for finding in registry.verify(filled)} == {""}


def test_images_share_the_layers_of_their_base(filled):
    if any(finding.origin == "copied from Docker Hub" for finding in registry.list_images(filled)):
        pytest.skip("Docker Hub has its own bases")
    on_others = [image for image in images() if image.has_base]
    assert all(is_built_on(filled, image, by_reference()[image.base]) for image in on_others)
    assert not is_built_on(filled, by_reference()["nginx:latest"], by_reference()["busybox:latest"])


def test_filling_again_does_nothing_on_the_engine(engine, filled):
    before = {image.id for image in engine.images.list(all=True)}
    said = []
    registry.fill(filled, engine, said.append)
    assert said == []
    assert {image.id for image in engine.images.list(all=True)} == before


def test_a_plain_pull_comes_from_the_course_registry(engine, filled):
    state = course.State.load()
    if not state.mirror:
        pytest.skip("this engine has no mirror")
    assert state.mirror == filled.url
    pulled = engine.images.pull("busybox")
    digest = filled.manifest("library/busybox", "latest").digest
    assert f"busybox@{digest}" in pulled.attrs["RepoDigests"]

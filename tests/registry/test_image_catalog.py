"""The catalog of images."""

import re
from collections import Counter
from pathlib import Path

import pytest

from dockyard import registry
from dockyard.core import paths
from dockyard.engine import engine_root
from dockyard.exceptions import InvalidDataFile
from dockyard.registry import image_catalog
from dockyard.registry.image_catalog import by_reference, images, platforms


def test_the_catalog_has_platforms_as_docker_writes_them():
    assert platforms() == ("linux/amd64", "linux/arm64")


def test_each_image_says_once_what_it_is_and_how_it_is_made():
    counted = Counter(reference for image in images() for reference in image.references)
    assert set(counted.values()) == {1}
    for image in images():
        assert image.purpose
        assert bool(image.suite) != image.has_base
        if image.has_base:
            assert images().index(by_reference()[image.base]) < images().index(image)


def test_what_a_beginner_needs_comes_first():
    first = [image.reference for image in images()[:4]]
    assert first == ["busybox:latest", "hello-world:latest", "debian:trixie-slim", "nginx:latest"]


def test_the_course_names_an_image_by_its_first_tag():
    """A learner's own engine has no other one without Docker Hub."""
    others = [reference for image in images() for reference in image.references[1:]]
    files = [
        *(paths.CHECKOUT / "dockyard").glob("*/catalog/*.toml"),
        *(paths.CHECKOUT / "dockyard" / "labs" / "files").rglob("*.*"),
        *paths.CHECKOUT.glob("[nls]*/*.ipynb"),
    ]
    named = {
        (file.name, reference)
        for file in files
        for reference in others
        if re.search(rf"(?<![\w/.-]){re.escape(reference)}(?![\w.-])", file.read_text("utf-8"))
    }
    assert len(files) > 60
    assert named == set()


def test_docker_in_images_is_the_engines_own():
    dind = by_reference()["docker:dind"]
    assert {word.partition("=")[0] for word in engine_root.PACKAGES} >= {
        *dind.engine,
        *dind.chain[1].engine,
    }


@pytest.mark.parametrize(
    ("before", "after", "where"),
    [
        ("megabytes = 30", 'megabytes = "30"', "in images[2].megabytes"),
        ("megabytes = 30", "size = 30", "in images[2].size"),
        ('name = "debian"', "", "in images[2]"),
        ('tags = ["latest", "1"]', 'tags = "latest"', "in images[0].tags"),
        ('platforms = ["linux/amd64", "linux/arm64"]', "", "Line 1: "),
    ],
)
def test_a_wrong_key_is_named_with_its_file_and_line(monkeypatch, tmp_path, before, after, where):
    file = tmp_path / "images.toml"
    text = image_catalog.FILE.read_text()
    file.write_text(text.replace(before, after, 1))
    monkeypatch.setattr(image_catalog, "FILE", file)
    with pytest.raises(InvalidDataFile) as caught:
        image_catalog._load.__wrapped__()
    assert str(file) in caught.value.what
    assert where in caught.value.why
    if after:
        line = text[: text.index(before)].count("\n") + 1
        assert caught.value.why.startswith(f"Line {line}, ")


def test_every_file_for_building_belongs_to_an_image():
    folders = {image.context for image in images()}
    assert folders >= set((Path(registry.__file__).parent / "offline" / "images").iterdir())


def test_the_recipe_of_an_image_changes_with_that_of_its_base():
    recipes = {image.reference: image.recipe for image in images()}
    assert len(set(recipes.values())) == len(recipes)
    assert all(len(recipe) == 12 for recipe in recipes.values())

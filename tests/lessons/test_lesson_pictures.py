"""The pictures with which lessons open."""

import nbformat
import pytest

from dockyard.authoring import lesson_pictures
from dockyard.core import paths


@pytest.mark.parametrize("name", sorted(lesson_pictures.PICTURES))
def test_a_picture_is_as_it_is_drawn(name):
    drawn = f"{lesson_pictures.PICTURES[name]()}\n"
    assert (lesson_pictures.FOLDER / name).read_text(encoding="utf-8") == drawn


def test_every_picture_is_on_a_page_and_described():
    pages = [nbformat.read(path, as_version=4) for path in paths.NOTEBOOKS.glob("*.ipynb")]
    texts = "\n".join(cell.source for page in pages for cell in page.cells)
    files = {file.name for file in lesson_pictures.FOLDER.iterdir()}
    assert files == set(lesson_pictures.PICTURES)
    for name in files:
        described, found, _ = texts.partition(f"](pictures/{name})")
        assert found, name
        assert len(described[described.rindex("![") + 2 :]) > 20

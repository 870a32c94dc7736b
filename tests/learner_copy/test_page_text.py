"""What a notebook looks like in the learner's copy."""

import json
from pathlib import PurePosixPath

import nbformat
import pytest

from dockyard.learner_copy import course_folder, page_text

LESSON = PurePosixPath("notebooks/08-registries.ipynb")
LAB = PurePosixPath("labs/08-registries.ipynb")
SOLUTION = PurePosixPath("solutions/08-registries.ipynb")
PAGES = {LESSON, LAB, SOLUTION}


def notebook(*cells):
    return nbformat.writes(nbformat.v4.new_notebook(cells=list(cells)))


def code(source, *tags, outputs=(), count=None):
    return nbformat.v4.new_code_cell(
        source, outputs=list(outputs), execution_count=count, metadata={"tags": list(tags)}
    )


def text(source):
    return nbformat.v4.new_markdown_cell(source)


def made(*cells, page=LESSON, pages=PAGES):
    return nbformat.reads(page_text.make(notebook(*cells), page, pages), as_version=4).cells


def test_outputs_and_counts_are_gone_and_the_command_is_kept():
    said = nbformat.v4.new_output("stream", text="CONTAINER ID")
    (cell,) = made(code("!docker ps", outputs=[said], count=3), pages=set())
    assert (cell.source, cell.outputs, cell.execution_count) == ("!docker ps", [], None)


def test_a_cell_for_the_learners_own_turn_is_empty():
    solution, other = made(code("!docker ps --all", "your-turn"), code("!docker ps"), pages=set())
    assert (solution.source, other.source) == ("", "!docker ps")


@pytest.mark.parametrize(
    ("page", "link"),
    [
        (LESSON, "](../labs/08-registries.ipynb)"),
        (LAB, "](../notebooks/08-registries.ipynb)"),
        (SOLUTION, "](../notebooks/08-registries.ipynb)"),
    ],
)
def test_lesson_and_lab_lead_to_each_other_from_the_title(page, link):
    title, last = made(text("# Registries"), text("The end."), page=page)
    assert title.source.startswith("# Registries\n\n")
    assert link in title.source
    assert last.source == "The end."


def test_a_title_that_has_the_link_already_gets_no_second_one():
    (title,) = made(text("# Registries [lab](../labs/08-registries.ipynb)"))
    assert title.source.count("ipynb") == 1


def test_a_page_without_a_partner_has_no_link():
    (title,) = made(text("# Clinic"), page=PurePosixPath("labs/16-clinic.ipynb"))
    assert title.source == "# Clinic"


def test_a_page_that_a_text_names_can_be_clicked():
    _, cell = made(
        text("# A lab"),
        text("See `solutions/08-registries.ipynb`, not `solutions/99-nothing.ipynb`."),
        page=LAB,
    )
    assert "[`solutions/08-registries.ipynb`](../solutions/08-registries.ipynb)" in cell.source
    assert "not `solutions/99-nothing.ipynb`." in cell.source


def test_metadata_that_jupyterlab_writes_by_itself_is_no_change_of_the_learners():
    source = notebook(text("# Registries"), code("!docker ps"))
    opened = json.loads(source)
    opened["metadata"]["language_info"] = {"name": "python", "version": "3.11.2"}
    opened["cells"][1]["source"] = ["!docker ps"]
    opened["cells"][1]["metadata"] = {"trusted": True}
    before, after = (
        page_text.fingerprint(each.encode(), LESSON) for each in (source, json.dumps(opened))
    )
    assert before == after


@pytest.mark.parametrize(
    "change",
    [
        {"source": "!docker ps --all"},
        {"outputs": [{"output_type": "stream", "name": "stdout", "text": "hello"}]},
        {"execution_count": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_the_learner_types_and_runs_is_a_change(change):
    source = notebook(code("!docker ps"))
    changed = json.loads(source)
    changed["cells"][0] |= change
    before, after = (
        page_text.fingerprint(each.encode(), LESSON) for each in (source, json.dumps(changed))
    )
    assert before != after


@pytest.mark.parametrize("page", course_folder.pages(), ids=str)
def test_every_page_of_the_course_can_be_copied(page):
    source = (course_folder.paths.CHECKOUT / page).read_text()
    copy = page_text.make(source, page, set(course_folder.pages()))
    nbformat.validate(nbformat.reads(copy, as_version=4))
    assert page_text.fingerprint(copy.encode(), page) == page_text.fingerprint(
        nbformat.writes(nbformat.reads(copy, as_version=4)).encode(), page
    )

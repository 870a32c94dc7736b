"""Recording notebooks, with real kernels: what is written, and what the author is told."""

import subprocess

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from dockyard.authoring import notebook_store
from dockyard.authoring.notebook_form import canonical, write

pytestmark = pytest.mark.slow

ID = "import secrets; print(secrets.token_hex(32))"
RANDOM = "import secrets; print('drawn', secrets.token_hex(2))"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "99-sample.ipynb"


def page(**sources):
    return new_notebook(cells=[new_code_cell(text, id=name) for name, text in sources.items()])


def outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    return {cell.id: cell.outputs[0]["text"].strip() for cell in cells if cell.outputs}


def git(folder, *words):
    who = ("-c", "user.name=author", "-c", "user.email=author@example.org")
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_recording_again_changes_only_what_changed(path):
    said = []
    notebook_store.record(page(drawn=ID, word="print('one')"), path, said.append)
    first = outputs(path)
    said.clear()
    notebook_store.record(page(drawn=ID, word="print('two')"), path, said.append)
    assert outputs(path) == {"drawn": first["drawn"], "word": "two"}
    assert said == [
        "running 99-sample.ipynb", "  word: stored anew", "    - one", "    + two",
    ]  # fmt: skip
    assert path.read_text() == canonical(nbformat.read(path, as_version=4))


def test_recording_without_a_change_leaves_the_file_as_it_was(path):
    notebook_store.record(page(drawn=ID), path, print)
    before = path.read_bytes()
    notebook_store.record(nbformat.read(path, as_version=4), path, print)
    assert path.read_bytes() == before


def test_everything_is_stored_anew_when_that_is_asked_for(path):
    notebook_store.record(page(drawn=ID), path, print)
    first = outputs(path)
    notebook_store.record(page(drawn=ID), path, print, renew=True)
    assert outputs(path) != first


def test_outputs_are_compared_with_the_commit_and_not_with_what_jupyterlab_saved(path):
    notebook_store.record(page(drawn=ID), path, print)
    committed = path.read_bytes()
    git(path.parent, "init")
    git(path.parent, "add", path.name)
    git(path.parent, "commit", "--message", "A lesson")
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].outputs[0]["text"] = "0" * 64 + "\n"
    write(notebook, path)
    notebook_store.record(notebook, path, print)
    assert path.read_bytes() == committed


def test_running_twice_names_the_lines_that_no_rule_covers(path):
    said = []
    _, varying = notebook_store.record(
        page(drawn=ID, chance=RANDOM, word="print('one')"), path, said.append, twice=True
    )
    assert varying == 1
    at = said.index("  chance: differs between two runs, and no rule in sanitize.cfg covers it")
    assert [line[:11] for line in said[at + 1 :]] == ["    - drawn", "    + drawn"]


def test_a_failure_without_its_tag_is_reported_and_stored(path):
    notebook, _ = notebook_store.record(page(fails="1 / 0", works="print(1)"), path, print)
    assert [cell.id for cell in notebook_store.unexpected_failures(notebook)] == ["fails"]
    assert "ZeroDivisionError" in path.read_text()
    assert nbformat.read(path, as_version=4).cells[1].outputs[0]["text"] == "1\n"

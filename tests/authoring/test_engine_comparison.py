"""``test --engine all``: outcomes of a real nbval run, the table, the reasons."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from dockyard.authoring import engine_comparison
from dockyard.authoring.engine_comparison import DIFFERS, LEFT_OUT, SAME, Reason, Run
from dockyard.authoring.notebook_form import canonical
from dockyard.core import paths
from dockyard.engine import providers
from dockyard.labs import lab_catalog


def cell(id, source, text, **metadata):
    made = new_code_cell(source, id=id, metadata=metadata, execution_count=1)
    if text:
        made.outputs = [new_output("stream", name="stdout", text=text)]
    return made


@pytest.mark.slow
def test_a_cell_differs_when_its_output_does_when_it_fails_and_when_it_takes_too_long(
    tmp_path, monkeypatch
):
    notebook = new_notebook(
        cells=[
            cell("agrees", "print('a')", "a\n"),
            cell("other", "print('b')", "c\n"),
            cell("fails", "1 / 0", ""),
            cell("skipped", "print('d')", "d\n", tags=["nbval-skip"]),
            cell("ignored", "print('e')", "f\n", tags=["nbval-ignore-output"]),
            cell("slow", "import time; time.sleep(60)", ""),
            cell("after", "print('g')", "g\n"),
        ]
    )
    path = tmp_path / "99-sample.ipynb"
    path.write_text(canonical(notebook))
    monkeypatch.setattr(engine_comparison, "CELL_TIMEOUT", 3)
    found = engine_comparison.prove_notebook(path, tmp_path / "log" / "99-sample.txt", timeout=60)
    assert found == {
        "agrees": SAME,
        "other": DIFFERS,
        "fails": DIFFERS,
        "skipped": LEFT_OUT,
        "ignored": SAME,
        "slow": DIFFERS,
        "after": SAME,
    }
    assert "ZeroDivisionError" in (tmp_path / "log" / "99-sample.txt").read_text()


@pytest.mark.slow
def test_a_notebook_that_takes_too_long_is_cut_off_and_its_results_count(tmp_path):
    notebook = new_notebook(
        cells=[
            cell("agrees", "print('a')", "a\n"),
            cell("slow", "import time; time.sleep(600)", ""),
        ]
    )
    path = tmp_path / "99-sample.ipynb"
    path.write_text(canonical(notebook))
    for timeout in (15, 60, 240):  # on a busy computer it takes longer until the slow cell runs
        found = engine_comparison.prove_notebook(path, tmp_path / "log.txt", timeout)
        if found["agrees"] == SAME:
            break
    assert found == {"agrees": SAME, "slow": DIFFERS}


@pytest.fixture
def page(tmp_path):
    page = tmp_path / "engine-differences.md"
    page.write_text(f"Before.\n\n{engine_comparison.BEGIN}old\n{engine_comparison.END}\nAfter.\n")
    return page


RUN = Run("podman", "4.3.1", {"07-sample": {"one": SAME, "two": DIFFERS, "three": DIFFERS}})


def test_a_difference_without_a_reason_fails_and_is_named(page):
    said = []
    known = [Reason("podman", "07-sample", ("two",), "Podman says it otherwise.")]
    assert engine_comparison.report([RUN], known, page, said.append) == 1
    assert any("podman 07-sample three" in line for line in said)
    text = page.read_text()
    assert text.startswith("Before.\n") and text.endswith("\nAfter.\n") and "old" not in text
    assert "| `podman` | 4.3.1 | 1 | 1 | 2 |" in text
    assert "| `podman` | 07-sample | `two` | Podman says it otherwise. |" in text
    assert "| `podman` | 07-sample | `three` | **no reason known yet** |" in text


def test_a_reason_covers_one_engine_and_notebook_and_outdated_ones_are_reported(page):
    said = []
    known = [
        Reason("podman", "07-sample", ("two", "three", "one"), "Podman says it otherwise."),
        Reason("bare", "07-sample", ("*",), "Another engine."),
    ]
    assert engine_comparison.report([RUN], known, page, said.append) == 0
    assert any("no longer differs on podman, 07-sample: one" in line for line in said)


@pytest.fixture
def tests_engines(monkeypatch):
    monkeypatch.setenv(providers.VARIABLE, "tests.engines")


def test_the_engines_of_learners_that_are_compared_are_the_embedded_one_only(tests_engines):
    assert engine_comparison.engines() == ["embedded", "old-store", "docker-20", "bare", "podman"]


def test_only_the_embedded_engine_is_known_without_the_tests(monkeypatch):
    monkeypatch.delenv(providers.VARIABLE, raising=False)
    assert engine_comparison.engines() == ["embedded"]


def test_a_smoke_test_names_an_engine_and_notebooks_that_exist(tests_engines):
    for engine, notebooks in engine_comparison.smoke_tests().items():
        assert engine in engine_comparison.engines()
        assert notebooks
        for notebook in notebooks:
            assert (paths.NOTEBOOKS / f"{notebook}.ipynb").exists()


class Ran:
    """Stands for a comparison's steps: notes which engine would run which notebook."""

    def __init__(self, monkeypatch, tmp_path):
        self.done = []
        self.engine = ""
        page = tmp_path / "page.md"
        page.write_text(engine_comparison.BEGIN + engine_comparison.END)
        monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(engine_comparison, "PAGE", page)
        monkeypatch.setattr(engine_comparison, "set_up", self.set_up)
        monkeypatch.setattr(engine_comparison, "prove_notebook", self.prove)
        monkeypatch.setattr(engine_comparison, "_version", lambda: "1")
        monkeypatch.setattr(engine_comparison, "_clean", lambda: None)
        monkeypatch.setattr(engine_comparison, "_can_run", lambda engine, say: engine != "bare")
        monkeypatch.setattr(engine_comparison.course, "stop", lambda say: None)

    def set_up(self, engine, say, *, source):
        self.engine = engine

    def prove(self, path, log, timeout):
        self.done.append((self.engine, path.stem))
        return {"one": SAME}


def test_all_engines_that_can_run_do_and_a_smoke_test_takes_few_notebooks(
    tests_engines, monkeypatch, tmp_path
):
    ran = Ran(monkeypatch, tmp_path)
    assert engine_comparison.run([], print) == 0
    every = sorted(path.stem for path in paths.NOTEBOOKS.glob("*.ipynb"))
    for engine in ("embedded", "old-store", "docker-20"):
        assert [name for where, name in ran.done if where == engine] == every
    assert [name for where, name in ran.done if where == "podman"] == (
        engine_comparison.smoke_tests()["podman"]
    )
    assert not [name for where, name in ran.done if where == "bare"]


def test_one_engine_can_be_run_alone_and_named_notebooks_are_run_on_any(
    tests_engines, monkeypatch, tmp_path
):
    ran = Ran(monkeypatch, tmp_path)
    assert engine_comparison.run(["bare", "podman", "00", "03"], print) == 0
    assert [where for where, _ in ran.done] == ["bare", "bare", "podman", "podman"]
    assert {name[:2] for _, name in ran.done} == {"00", "03"}


def test_every_reason_names_an_engine_a_notebook_and_cells_that_exist(tests_engines):
    for reason in engine_comparison.reasons():
        assert reason.engine in engine_comparison.engines()
        place, _, name = reason.notebook.rpartition("/")
        if place == "labs":
            ids = {task.name for task in lab_catalog.load(name).exercises} | {"*"}
        else:
            file = paths.CHECKOUT / (place or "notebooks") / f"{name}.ipynb"
            ids = {cell.id for cell in nbformat.read(file, as_version=4).cells} | {"*"}
        assert set(reason.cells) <= ids, reason
        assert len(reason.why) > 15


def test_the_page_has_a_place_for_the_table():
    text = engine_comparison.PAGE.read_text()
    assert text.count(engine_comparison.BEGIN) == text.count(engine_comparison.END) == 1

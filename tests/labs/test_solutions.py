"""Each solution passes under nbval. Three run at once, because most of the time they wait."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dockyard import course
from dockyard.authoring import engine_comparison, lab_notebooks
from dockyard.core import paths
from dockyard.labs import attempt, lab_catalog

SOLUTIONS = [
    lab_notebooks.path(lab_catalog.load(name), solved=True) for name in lab_catalog.names()
]
AT_ONCE = 3
SECONDS = 900
"""For one solution; on an idle computer the longest takes half a minute."""


@pytest.fixture(scope="module")
def proofs(request, tmp_path_factory):
    """For each chosen solution: nbval's log, and the future outcomes by cell."""
    folder = tmp_path_factory.mktemp("solutions")
    with ThreadPoolExecutor(AT_ONCE) as pool:

        def begin(path):
            log = folder / f"{path.stem}.txt"
            return log, pool.submit(engine_comparison.prove_notebook, path, log, SECONDS)

        chosen = [
            item.callspec.params["path"]
            for item in request.session.items
            if "proofs" in getattr(item, "fixturenames", ())
        ]
        # The last ones take longest, so they begin first.
        yield {path: begin(path) for path in reversed(chosen)}
        pool.shutdown(cancel_futures=True)


@pytest.mark.engine
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_cell_of_a_solution_has_its_stored_output(path, proofs):
    log, proof = proofs[path]
    outcomes = proof.result()
    assert outcomes
    assert unexplained(f"solutions/{path.stem}", outcomes) == [], log.read_text()


def unexplained(notebook, outcomes):
    """The cells that differ on the present engine without a reason in engines.toml."""
    engine = course.State.load().engine
    known = engine_comparison.reasons()
    return [
        cell
        for cell, outcome in outcomes.items()
        if outcome != engine_comparison.SAME
        and not engine_comparison.why(known, engine, notebook, cell)
    ]


def test_no_two_solutions_share_a_name_or_port():
    labs = [lab_catalog.load(name) for name in lab_catalog.names()]
    drawn = [value for lab in labs for value in attempt.draw(lab, "solution").values()]
    assert len(set(drawn)) == len(drawn)


def test_every_stored_solution_is_tested():
    assert sorted((paths.CHECKOUT / "solutions").glob("*.ipynb")) == sorted(SOLUTIONS)

"""Each worked lab passes under nbval, cell by cell; three at once, as most of one is waiting."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from dockyard.authoring import engine_comparison
from dockyard.core import paths
from dockyard.labs import attempt, lab_catalog, pages

SOLUTIONS = [pages.path(lab_catalog.load(name), solved=True) for name in lab_catalog.names()]
AT_ONCE = 3
SECONDS = 900
"""For one solution; on an idle computer the longest takes half a minute."""


@pytest.fixture(scope="module")
def proofs(request, tmp_path_factory):
    """What is to come of each solution that was chosen: nbval's log, and the outcomes by cell."""
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
        # The longest, which are the last, come first.
        yield {path: begin(path) for path in reversed(chosen)}
        pool.shutdown(cancel_futures=True)


@pytest.mark.engine
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_every_cell_of_a_solution_says_what_is_stored(path, proofs):
    log, proof = proofs[path]
    outcomes = proof.result()
    assert outcomes and set(outcomes.values()) == {engine_comparison.SAME}, log.read_text()


def test_no_two_solutions_share_a_name_or_port():
    labs = [lab_catalog.load(name) for name in lab_catalog.names()]
    drawn = [value for lab in labs for value in attempt.draw(lab, "solution").values()]
    assert len(set(drawn)) == len(drawn)


def test_every_stored_solution_is_proved():
    assert sorted((paths.CHECKOUT / "solutions").glob("*.ipynb")) == sorted(SOLUTIONS)

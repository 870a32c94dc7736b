"""The table of the progress."""

import nbformat

from dockyard.core import paths
from dockyard.quiz import overview


def test_the_first_page_stores_the_progress_of_a_new_learner(tmp_path, monkeypatch):
    """nbval cannot compare this output, which depends on the learner."""
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path))
    page = nbformat.read(paths.NOTEBOOKS / "00-start-here.ipynb", as_version=4)
    (cell,) = [each for each in page.cells if each.source == "%progress"]
    (output,) = cell.outputs
    table = overview.Overview()
    assert output.data == {"text/plain": repr(table), "text/html": table._repr_html_()}

"""The table of faults tells what the tests have found."""

import subprocess
import sys

from dockyard.core import paths

FAULTS = '''"""Power cuts: work is kept. More text."""
import pytest

@pytest.mark.parametrize("when", ["early", "late"])
def test_a_cut_is_survived(when):
    assert when == "early", "the note of yesterday"

def test_a_short_cut_is_survived():
    pass

@pytest.mark.skip
def test_a_cut_that_cannot_be_tried_here():
    pass

@pytest.fixture
def broken():
    raise OSError("no power")

def test_nothing_is_counted_as_survived_that_could_not_begin(broken):
    pass
'''


def test_it_counts_and_says_what_was_lost(tmp_path):
    (tmp_path / "faults").mkdir()
    (tmp_path / "faults" / "test_power.py").write_text(FAULTS)
    (tmp_path / "test_other.py").write_text("def test_other():\n    pass\n")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", tmp_path, "-p", "tests.support.fault_table",
         "-p", "no:cacheprovider", tmp_path],
        capture_output=True, text=True, check=False, cwd=paths.CHECKOUT,
    )  # fmt: skip
    _, _, shown = done.stdout.partition(" faults ===")
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "Power cuts: work is kept. More text" in lines
    assert any(line.startswith("2 1 AssertionError: the note of yesterday") for line in lines)
    assert any(line.endswith("a cut is survived") for line in lines)
    assert "1 1 nothing a short cut is survived" in lines
    assert any(line.startswith("1 0 OSError: no power nothing is counted") for line in lines)
    assert "4 2 faults in all" in lines
    assert "cannot be tried" not in shown
    assert "other" not in shown

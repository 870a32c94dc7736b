"""``test`` runs parts of a whole run side by side, and ends them when it is interrupted."""

import os
import signal
import subprocess
import sys

import pytest

from dockyard.commands.test import _Part, _together
from dockyard.core import paths, wait

TOGETHER = """
import os, sys
from dockyard.commands.test import _Part, _together
part = lambda name: _Part(name, [sys.executable, "-c", *sys.argv[1:], name], dict(os.environ))
_together(part("main"), [part("other"), part("later")])
"""
PART = """
import pathlib, sys, time
pathlib.Path(sys.argv[1], sys.argv[2]).touch()
try:
    time.sleep(600)
finally:
    time.sleep(1)  # a second signal would be felt here
    print(sys.argv[2], "cleaned up")
"""


@pytest.mark.parametrize("group", [True, False], ids=["Ctrl-C", "kill"])
def test_an_interruption_lets_every_part_clean_up(group, tmp_path):
    running = subprocess.Popen(
        ["env", "--default-signal=INT", sys.executable, "-c", TOGETHER, PART, tmp_path],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=paths.CHECKOUT,
        start_new_session=True,
    )
    try:
        wait.until("the parts", lambda: all((tmp_path / n).exists() for n in ("main", "other")), 60)
        (os.killpg if group else os.kill)(running.pid, signal.SIGINT)
        said, _ = running.communicate(timeout=60)
    finally:
        running.kill()
    assert "main cleaned up" in said
    assert "other cleaned up" in said.partition("other, which ran meanwhile:")[2]
    assert not (tmp_path / "later").exists()


@pytest.mark.parametrize("failing", [None, "main", "first", "second"])
def test_a_chain_goes_on_and_one_part_that_fails_fails_the_run(failing, tmp_path, capfd):
    def part(name):
        program = f"open({str(tmp_path / 'order')!r}, 'a').write('{name} '); print('{name} ran')"
        ends = f"{program}; raise SystemExit({3 if name == failing else 0})"
        return _Part(name, [sys.executable, "-c", ends], dict(os.environ))

    assert _together(part("main"), [part("first"), part("second")]) == (3 if failing else 0)
    order = (tmp_path / "order").read_text().split()
    assert [name for name in order if name != "main"] == ["first", "second"]
    printed, said = capfd.readouterr()
    assert all(f"{name} ran" in printed for name in ("main", "first", "second"))
    assert "main" not in said and "second, which ran meanwhile:" in said

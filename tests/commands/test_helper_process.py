"""The processes that ``learn`` runs end with it."""

import os

import psutil
import pytest

from dockyard.commands.helper_process import HelperProcess


def test_a_helper_runs_in_its_environment_and_its_exit_code_is_known(capfd):
    with HelperProcess(["platform"], os.environ) as helper:
        assert helper.wait(60) == 0
    assert "Linux" in capfd.readouterr().out or "Darwin" in capfd.readouterr().out


def test_a_helper_ends_with_the_block_that_an_error_leaves():
    others = set(psutil.Process().children())
    with pytest.raises(KeyboardInterrupt), HelperProcess(["http.server", "0"], os.environ):
        (child,) = set(psutil.Process().children()) - others
        raise KeyboardInterrupt
    assert not child.is_running()

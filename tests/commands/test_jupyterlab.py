"""JupyterLab is imported while the engine starts, and serves only when it runs."""

import os

import pytest

from dockyard.commands import learn
from dockyard.commands.jupyterlab import JupyterLab
from dockyard.exceptions import EngineNotRunning


def test_jupyterlab_gets_the_environment_of_the_course_that_runs(capfd, tmp_path):
    lab = JupyterLab()
    lab.prepare(["path"])
    assert lab.serve(os.environ | {"JUPYTERLAB_DIR": str(tmp_path)}) == 0
    assert str(tmp_path) in capfd.readouterr().out


def test_jupyterlab_exits_when_the_course_does_not_start(capfd, monkeypatch):
    labs = []

    class Watched(JupyterLab):
        def prepare(self, arguments):
            labs.append(self)
            super().prepare(["path"])

    def fail(*words, **options):
        raise EngineNotRunning()

    monkeypatch.setattr(learn, "JupyterLab", Watched)
    monkeypatch.setattr(learn, "set_up", fail)
    with pytest.raises(EngineNotRunning):
        learn._jupyterlab("auto", False, [])
    assert labs[0]._process.returncode == 1
    said = capfd.readouterr()
    assert "Application directory" not in said.out
    assert "Traceback" not in said.err

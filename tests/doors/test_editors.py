"""The course's kernel as VS Code, PyCharm or another JupyterLab starts it.

The editors themselves are not here. The tests send what they send and read what they get.
"""

import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

from dockyard import course
from dockyard.commands.editors import NAME
from dockyard.core import docker_client, paths
from dockyard.quiz import bank

WIDGET = "application/vnd.jupyter.widget-view+json"
LESSON = "03-containers"
TIMEOUT = 60


@pytest.fixture
def jupyter(tmp_path, monkeypatch):
    """Empty Jupyter folders of a user, who is not in the course's environment."""
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path / "JUPYTER_DATA_DIR"


def dockyard(*words, **environment):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *words],
        capture_output=True, text=True, cwd=paths.CHECKOUT, check=False, **environment,
    )  # fmt: skip


class Editor:
    """A front end with a running kernel."""

    def __init__(self, client):
        self.client = client

    def run(self, cell):
        """Run a cell as editors do: they can ask for input. Returns the messages."""
        request = self.client.execute(cell, allow_stdin=True)
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=TIMEOUT)
            if message["parent_header"].get("msg_id") == request:
                messages.append(message)
                if message["content"].get("execution_state") == "idle":
                    return messages


@contextmanager
def editor(folder):
    """An editor that has opened a notebook in a folder with the course's kernel."""
    manager, client = start_new_kernel(kernel_name=NAME, cwd=str(folder))
    try:
        yield Editor(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def text(messages):
    """What a cell printed, its error included."""
    parts = []
    for message in messages:
        content = message["content"]
        parts += [content.get("text", ""), "\n".join(content.get("traceback", []))]
    return "".join(parts)


def shown(messages):
    """The data of the outputs that are not printed text, in order."""
    kinds = ("display_data", "execute_result")
    return [each["content"]["data"] for each in messages if each["msg_type"] in kinds]


def states(messages):
    """The states of the widgets that a cell made, by comm."""
    found = {}
    for message in messages:
        if message["msg_type"] in ("comm_open", "comm_msg"):
            content = message["content"]
            found.setdefault(content["comm_id"], {}).update(content["data"].get("state", {}))
    return found


def assert_complete(messages):
    """A widget is there whose script came from the kernel and loads nothing."""
    (output,) = [data for data in shown(messages) if WIDGET in data]
    opened = [each for each in messages if each["msg_type"] == "comm_open"]
    assert {each["content"]["target_name"] for each in opened} == {"jupyter.widget"}
    state = states(messages)[output[WIDGET]["model_id"]]
    assert (state["_model_module"], state["_view_module"]) == ("anywidget", "anywidget")
    assert "export default" in state["_esm"]
    for name in ("_esm", "_css"):
        assert "import " not in state[name].replace("!important", "")
        assert "http://" not in state[name].replace("http://www.w3.org/", "")
        assert "https://" not in state[name]
    return output


def test_the_kernel_is_installed_for_this_user_and_taken_away_again(jupyter):
    done = dockyard("editors")
    assert done.returncode == 0, done.stderr
    file = jupyter / "kernels" / NAME / "kernel.json"
    assert str(file.parent) in done.stdout
    assert json.loads(file.read_text())["argv"][0] == sys.executable
    assert dockyard("editors").returncode == 0  # once more does no harm
    done = dockyard("editors", "--remove")
    assert done.returncode == 0, done.stderr
    assert not file.parent.exists()
    done = dockyard("editors", "--remove")
    assert done.returncode == 2
    assert "python3 -m dockyard editors" in done.stderr


def test_the_kernel_belongs_to_the_home_for_which_it_was_installed(jupyter, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    assert dockyard("editors").returncode == 0
    monkeypatch.delenv("DOCKYARD_HOME")
    with editor(tmp_path) as opened:
        said = text(opened.run("import os\nprint(os.environ['DOCKYARD_HOME'])"))
    assert said.strip() == str(tmp_path / "home")


def test_without_an_engine_the_first_cell_names_the_command(jupyter, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    assert dockyard("editors").returncode == 0
    # The learner's own settings, which would lead docker elsewhere.
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    with editor(tmp_path) as opened:
        said = text(opened.run(f"%load_ext dockyard\n%lesson {LESSON}"))
        assert "Start it:  python3 -m dockyard engine start" in said
        assert "Traceback" not in said
        refused = text(opened.run("!touch made-by-a-cell"))
    assert "nothing was run" in refused
    assert not (tmp_path / "made-by-a-cell").exists()


def test_docker_leads_to_the_course_even_without_the_extension(jupyter, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", "tcp://192.0.2.1:2375")
    assert dockyard("editors").returncode == 0
    with editor(tmp_path) as opened:
        said = text(opened.run("import os\nprint(os.environ['DOCKER_CONFIG'])"))
        assert said.strip() == str(tmp_path / "home" / "docker" / "course")
        hosts = text(opened.run(f"print([os.environ.get(n) for n in {docker_client.UNSET}])"))
    assert hosts.strip() == str([""] * len(docker_client.UNSET))


def test_the_code_that_runs_a_widget_is_in_the_courses_environment():
    """VS Code looks into the kernel's share/jupyter/nbextensions before it asks for a download
    (LocalWidgetScriptSourceProvider in vscode-jupyter)."""
    assert Path(sys.prefix, "share/jupyter/nbextensions/anywidget/index.js").is_file()


def test_a_quiz_works_with_widgets_and_without(jupyter, tmp_path, monkeypatch):
    monkeypatch.setenv("DOCKYARD_HOME", str(tmp_path / "home"))
    assert dockyard("editors").returncode == 0
    with editor(tmp_path) as opened:
        opened.run("%load_ext dockyard")
        output = assert_complete(opened.run(f"%quiz {LESSON}"))
    for kind in ("text/plain", "text/html"):
        assert "This editor shows no widgets" in output[kind]
        assert "python3 -m dockyard learn" in output[kind]
    asked = bank.load(LESSON).questions[0].options[0].text
    assert asked in output["text/plain"]


@pytest.mark.engine
def test_views_and_predictions_work_with_widgets_and_without(jupyter, tmp_path):
    assert dockyard("editors").returncode == 0
    name = bank.load(LESSON).predictions[0].name
    with editor(tmp_path) as opened:
        said = text(opened.run(f"%load_ext dockyard\n%lesson {LESSON}"))
        assert said.startswith("Ready.")
        assert paths.front_door().name in text(opened.run("!docker context inspect"))
        output = assert_complete(
            opened.run("from dockyard import views\n\nview = views.panel()\nview")
        )
        assert output["image/svg+xml"].startswith("<svg")
        opened.run("view.close()")
        predicted = opened.run(f"%%predict {name}\n!echo what the cell prints")
        output = assert_complete(predicted)
        assert "delete the first line of the cell" in output["text/plain"]
        assert text(predicted) == ""  # nothing is given away
        opened.run("%tidy")
    assert course.answers()

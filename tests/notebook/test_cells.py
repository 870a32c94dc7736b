"""Cells in a real kernel, as a learner types them."""

from __future__ import annotations

import secrets
import subprocess
from contextlib import closing

import docker
import pytest

from dockyard import cleanup
from dockyard.core import docker_client, wait
from tests.support.kernels import PATIENCE, Kernel

LESSON = "99-cells"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("notebook")


@pytest.fixture(scope="module")
def kernel(folder):
    with Kernel(folder) as running:
        yield running


@pytest.fixture(scope="module")
def lesson(folder):
    """A kernel in a lesson, on the course's engine."""
    with Kernel(folder) as running:
        assert "Ready." in running.run(f"%lesson {LESSON}").text
        # The image is pulled here, so that no test sees the pull.
        running.run("!docker pull --quiet busybox")
        yield running
        with closing(docker_client.connect()) as daemon:
            cleanup.remove(daemon, lesson=LESSON)


@pytest.fixture
def name():
    return f"cells-{secrets.token_hex(3)}"


@pytest.fixture
def daemon():
    with closing(docker_client.connect()) as connected:
        yield connected


def exists(daemon, name):
    try:
        return daemon.containers.get(name)
    except docker.errors.NotFound:
        return None


class TestVariables:
    def test_python_variables_stand_beside_the_shells(self, kernel):
        kernel.run("name, port = 'box1', 8080")
        shown = kernel.run(
            "!shell=sh; echo $name {port + 1} ${shell} $shell '{{.Names}}' $(echo sub)"
        )
        assert shown.text == "box1 8081 sh sh {{.Names}} sub\n"

    @pytest.mark.parametrize("form", ["x = !{}", "x = %sx {}", "x = %system {}"])
    def test_captured_output_is_of_the_command_as_typed(self, kernel, form):
        kernel.run("name = 'box1'")
        shown = kernel.run(form.format("echo '{{.Names}}' $name {name.upper()}") + "\nprint(x)")
        assert shown.text == "['{{.Names}} box1 BOX1']\n"

    def test_a_cell_of_commands_can_be_captured(self, kernel):
        shown = kernel.run("%%sx --out lines\necho '{{.ID}}'\necho two")
        assert shown.text == ""
        assert kernel.run("lines").text == "['{{.ID}}', 'two']"
        assert kernel.run("%%system\necho one").text == "['one']"

    @pytest.mark.parametrize("form", ["x = !{}", "x = %sx {}", "!!{}"])
    def test_a_captured_command_that_fails_shows_its_error_and_its_exit_code(self, kernel, form):
        shown = kernel.run(form.format("echo kept; echo why >&2; exit 3"))
        assert shown.text.startswith("why\n[exit code 3]\n")
        assert kernel.run("_exit_code").text == "3"

    def test_variables_of_a_function_are_seen(self, kernel):
        kernel.run(
            "where = 'outside'\n"
            "def f(where):\n    !echo $where {where.upper()}\n    it = !echo $where\n    return it"
        )
        assert kernel.run("f('inside')").text == "inside INSIDE\n['inside']"

    def test_names_that_ipython_brings_are_the_shells(self, kernel):
        shown = kernel.run("!exit=5 true; echo {exit} {quit} {In} {get_ipython} $_oh$In.")
        assert shown.text == "{exit} {quit} {In} {get_ipython} .\n"

    def test_a_script_is_the_shells_alone(self, kernel):
        kernel.run("name = 'box1'")
        assert kernel.run("%%bash\nname=other; echo $name {name} '{{.Names}}'").text == (
            "other {name} {{.Names}}\n"
        )

    def test_a_remark_says_why_an_expression_was_left(self, kernel):
        kernel.run("cid = []")
        shown = kernel.run("!echo {cid[0]}")
        assert shown.text == (
            "→ {cid[0]} is left as typed. IndexError: list index out of range\n{cid[0]}\n"
        )

    @pytest.mark.engine
    def test_the_id_of_a_container_is_kept_and_used(self, lesson, daemon, name):
        lesson.run("!docker rmi --force busybox")
        # The messages of the pull go to standard error.
        lesson.run(f"cid = !docker run -d --name {name} busybox sleep 300")
        assert exists(daemon, name)
        assert "→" not in lesson.run("!docker rm -f {cid[0]}").text
        assert not exists(daemon, name)


class TestInterrupts:
    def test_the_cell_ends_with_its_command(self, kernel):
        cell = kernel.send("!echo started; sleep 600\nprint('not reached')")
        kernel.collect(cell, until="started")
        kernel.interrupt()
        shown = kernel.collect(cell)
        assert shown.text == "[exit code 130]\n"
        assert shown.error == "Interrupted."

    @pytest.mark.parametrize("form", ["x = !{}", "%sx {}", "%%bash\n{}", "%%sh\n{}"])
    def test_other_forms_end_as_well(self, kernel, form):
        cell = kernel.send(form.format("echo started >&2; sleep 600"))
        kernel.collect(cell, until="started")
        kernel.interrupt()
        assert kernel.collect(cell).error == "Interrupted."
        assert kernel.run("1 + 1").text == "2"

    @pytest.mark.engine
    def test_a_container_that_ignores_the_interrupt_runs_on_and_the_cell_says_so(
        self, lesson, daemon, name
    ):
        cell = lesson.send(
            f"!docker run --name {name} busybox sh -c 'echo started; exec sleep 600'"
        )
        lesson.collect(cell, until="started")
        lesson.interrupt()
        shown = lesson.collect(cell)
        assert shown.text == "[exit code 130]\n"
        assert f"The container {name} runs on." in shown.error
        assert "--init" in shown.error
        assert shown.error.endswith(f"Stop it:  docker kill {name}")
        assert exists(daemon, name).status == "running"
        lesson.run(f"!docker kill {name}")
        assert exists(daemon, name).status == "exited"

    @pytest.mark.engine
    def test_a_container_with_init_ends_with_the_cell(self, lesson, daemon, name):
        cell = lesson.send(
            f"!docker run --init --name {name} busybox sh -c 'echo started; exec sleep 600'"
        )
        lesson.collect(cell, until="started")
        lesson.interrupt()
        shown = lesson.collect(cell)
        assert shown.text == "[exit code 130]\n"
        assert shown.error == "Interrupted."
        assert exists(daemon, name).status == "exited"

    @pytest.mark.engine
    def test_what_docker_exec_started_runs_on(self, lesson, daemon, name):
        lesson.run(f"!docker run -d --name {name} busybox sleep 600")
        cell = lesson.send(f"!docker exec {name} sh -c 'echo started; sleep 500'")
        lesson.collect(cell, until="started")
        lesson.interrupt()
        shown = lesson.collect(cell)
        assert "sleep 500" in str(exists(daemon, name).top())
        assert shown.error.endswith(f"Stop it with the container:  docker restart {name}")
        exists(daemon, name).remove(force=True)

    @pytest.mark.engine
    def test_following_a_log_leaves_the_container_unmentioned(self, lesson, daemon, name):
        lesson.run(f"!docker run -d --init --name {name} busybox sh -c 'echo started; sleep 600'")
        cell = lesson.send(f"!docker logs --follow {name}")
        hint = "→ This runs until its container ends, or you interrupt the cell"
        assert hint in lesson.collect(cell, "started").text
        lesson.interrupt()
        shown = lesson.collect(cell)
        assert shown.text == "[exit code 130]\n"
        exists(daemon, name).remove(force=True)


class TestBackground:
    def test_the_cell_is_free_and_the_output_arrives_in_it(self, kernel, tmp_path):
        gate = tmp_path / "gate"
        cell = kernel.send(f"!(until test -e {gate}; do sleep 0.1; done; echo later) & echo now")
        shown = kernel.collect(cell)
        assert shown.text.startswith("now\n→ It runs in the background. To stop it:  !kill -- -")
        # Another cell runs meanwhile, and does not get the output.
        assert kernel.run("!echo other").text == "other\n"
        gate.touch()
        assert kernel.collect(cell, until="later").text == "later\n"

    @pytest.mark.engine
    @pytest.mark.parametrize(
        "form", ["!{} &", "%%bash\n{} &", "%%bash --bg\n{}", "x = !{} &", "%%sh --bg\n{}"]
    )
    def test_a_container_in_the_background_is_the_lessons(self, lesson, daemon, name, form):
        began = lesson.run(form.format(f"docker run --name {name} busybox sleep 600"))
        assert not began.error
        wait.until("the container", lambda: exists(daemon, name), PATIENCE)
        assert exists(daemon, name).labels["dockyard.lesson"] == LESSON
        exists(daemon, name).remove(force=True)


class TestHints:
    @pytest.mark.engine
    @pytest.mark.parametrize(
        ("command", "words"),
        [
            ("docker run -it busybox sh", "Leave out -t"),
            ("docker run --rm busybox -d sleep 10", "-d was taken for the program"),
            ("docker imags", "docker images?"),
            ("dokcer ps", "docker?"),
            ("docker run -v $pwd:$pwd --rm busybox true", "There is a $PWD."),
            ("docker rm -f {cdi[0]}", "no variable cdi"),
            ("cd work", "%cd"),
            ("docker login", "%terminal"),
        ],
    )
    def test_a_mistake_is_named_in_one_line_after_dockers_words(self, lesson, command, words):
        lesson.run("!mkdir -p work")
        *_, last = lesson.run(f"!{command}").text.splitlines()
        assert last.startswith("→ ")
        assert words in last

    @pytest.mark.engine
    def test_a_name_and_a_port_in_use_are_named(self, lesson, daemon, name):
        lesson.run(f"!docker run -d --init --name {name} -p 127.0.0.1::80 busybox sleep 600")
        again = lesson.run(f"!docker run --name {name} busybox true")
        assert f"→ There is a container {name} already." in again.text
        port = exists(daemon, name).ports["80/tcp"][0]["HostPort"]
        taken = lesson.run(f"!docker run --rm -p 127.0.0.1:{port}:80 busybox true")
        assert f"→ Another container has port {port}" in taken.text
        exists(daemon, name).remove(force=True)

    def test_no_hint_is_shown_where_nobody_types(self, folder):
        with Kernel(folder, interactive=False) as running:
            assert running.run("!cd .").text == ""
            assert running.run("!sleep 60 &").text == ""

    def test_a_removed_folder_is_said_plainly(self, kernel, folder):
        kernel.run("import os; os.makedirs('gone'); os.chdir('gone'); os.rmdir('../gone')")
        shown = kernel.run("!docker build .")
        assert shown.error.splitlines() == [
            "The folder in which this notebook works has been removed, so no command can run.",
            f"Go to another one:  %cd {folder}",
        ]
        assert kernel.run("%terminal").error == shown.error
        assert kernel.run(shown.error.rpartition("  ")[2]).error == ""
        assert kernel.run("!echo works").text == "works\n"


class TestTerminal:
    def test_elsewhere_than_in_jupyterlab_a_command_opens_it(self, kernel, folder):
        shown = kernel.run("os.environ['MINE'] = 'kept'\n%terminal")
        command = shown.text.splitlines()[-1]
        done = subprocess.run(
            ["sh", "-c", f"{command} -i"], input="echo $MINE $PWD; exit\n", cwd="/",
            capture_output=True, text=True, check=True, timeout=PATIENCE,
        )  # fmt: skip
        assert done.stdout == f"kept {folder}\n"

    @pytest.mark.engine
    def test_a_folder_that_cannot_be_made_is_named(self, lesson, folder, tmp_path):
        (tmp_path / "work").touch()
        lesson.run(f"import os; os.chdir({str(tmp_path)!r})")
        shown = lesson.run("%terminal")
        lesson.run(f"os.chdir({str(folder)!r})")
        assert shown.error.startswith(f"The folder {tmp_path}/work")
        assert "cannot be written." in shown.error


class TestRedrawnOutput:
    @pytest.mark.engine
    def test_statistics_are_one_table(self, lesson, daemon, name):
        lesson.run(f"!docker run -d --init --name {name} busybox sleep 600")
        cell = lesson.send(f"!docker stats {name}")
        lesson.collect(cell, until="CPU %")
        lesson.interrupt()
        shown = lesson.collect(cell)
        assert "[exit code 130]" in shown.text
        assert shown.text.count("CPU %") <= 1
        exists(daemon, name).remove(force=True)

    def test_a_progress_bar_is_one_output(self, kernel):
        command = (
            "for n in 1 2 3 4 5 6 7 8 9; do printf '\\r%s0%%' $n; sleep 0.2; done; echo; echo end"
        )
        shown = kernel.run(f"!{command}")
        assert [each["text"] for each in shown.outputs] == ["90%", "end\n"]
        assert [each["type"] for each in shown.outputs] == ["display", "stream"]

"""``check`` and ``reset`` for labs, as a learner at a terminal uses them."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest

from dockyard.core import docker_client, paths, progress_file, wait
from dockyard.labs import attempt as attempts
from dockyard.labs import judge, watch
from dockyard.labs.lab_magic import Checker
from dockyard.labs.probe import Probe
from tests.support.lab_attempts import LAB, proof, start_web

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_progress")]


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.CHECKOUT,
        timeout=120,
    )


def test_check_in_a_terminal_prints_what_a_cell_shows():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    done = run("check", "03")
    assert done.returncode == 1
    assert done.stdout.strip() == str(Checker(attempt)())
    assert "1 of 4 done." in done.stdout


def test_a_task_may_come_after_an_option():
    start_web(attempts.begin(LAB))
    assert run("check", "--json", "03", "web").returncode == 0
    hint = run("check", "03", "--hint", "page")
    assert (hint.returncode, hint.stderr) == (0, "")
    assert "page" in hint.stdout
    assert run("check", "03", "--json", "--wacth").returncode == 2


def test_check_of_one_task_that_is_done_exits_with_0_and_is_saved():
    start_web(attempts.begin(LAB))
    assert run("check", "03", "web").returncode == 0
    document = json.loads(run("progress", "--json").stdout)
    (lab,) = [each for each in document["labs"] if each["lab"] == LAB.name]
    assert lab["done"] == ["web"]


def test_check_as_json_prints_one_document_and_nothing_else():
    attempts.begin(LAB)
    document = json.loads(run("check", "03", "--json").stdout)
    assert [task["state"] for task in document["tasks"]] == ["not yet"] * 4


def test_new_draws_other_values_and_removes_what_the_old_attempt_made():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    done = run("check", "03", "web", "--new")
    assert done.returncode == 1
    assert attempts.current(LAB).values != attempt.values
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


@pytest.fixture
def failing_check(checks_log):
    """An attempt at LAB in which the check of the task web raises, as its port is no number."""
    attempts.begin(LAB)
    with progress_file.change() as data:
        data["labs"][LAB.name]["values"]["PORT"] = "no-number"
    return attempts.current(LAB)


def test_a_check_that_fails_itself_is_reported_as_text_and_as_json(failing_check, checks_log):
    done = run("check", "03", "web")
    assert done.returncode == 1
    line, counted = done.stdout.splitlines()
    assert line.startswith("✘ web: check failed.")
    assert "a mistake in the course, not yours" in line
    assert str(checks_log) in line
    assert counted == "0 of 1 done."
    assert "Traceback" not in done.stdout + done.stderr
    assert "ValueError" in checks_log.read_text()
    (task,) = json.loads(run("check", "03", "web", "--json").stdout)["tasks"]
    assert task["state"] == "check failed"
    assert str(checks_log) in task["saw"]


def test_watching_reports_a_check_that_fails_itself_once(failing_check, tmp_path):
    with watching("web", "frozen", log=tmp_path / "watch.log") as (watcher, log):
        wait.until("the report", lambda: "web: check failed." in log.read_text(), 60, log=log)
        assert failing_check.run(BUILT).returncode == 0
        wait.until("the tick", lambda: "✔ frozen: done." in log.read_text(), 60, log=log)
        watcher.send_signal(signal.SIGINT)
        assert watcher.wait(60) == 1
    assert log.read_text().count("web: check failed.") == 1


def test_engine_env_exports_the_values_of_the_attempt():
    attempt = attempts.begin(LAB)
    done = run("engine", "env", "--lab", "03")
    assert f"export WEB={attempt.values['WEB']}\n" in done.stdout
    assert f"export DOCKER_CONFIG={paths.docker_config(attempt.lesson)}\n" in done.stdout


# Some daemons send no event for a build.
BUILT = "printf 'FROM busybox\\nRUN echo %s > /note\\n' $TOKEN | docker build --tag $BOX:1 -"


@contextmanager
def watching(*tasks, log):
    """``check 03 TASKS --watch`` after its first line, with the file that it writes to."""
    with log.open("w") as output:
        watcher = subprocess.Popen(
            [sys.executable, "-m", "dockyard", "check", "03", *tasks, "--watch"],
            stdout=output,
            stderr=output,
            cwd=paths.CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        wait.until("the watch", lambda: "Watching" in log.read_text(), 60, log=log)
        yield watcher, log
    finally:
        watcher.kill()
        watcher.wait()


@pytest.mark.parametrize(
    ("task", "way"), [("web", LAB.exercise("web").right[0]), ("frozen", BUILT)]
)
def test_watching_prints_a_task_when_it_is_done(task, way, tmp_path):
    attempt = attempts.begin(LAB)
    with watching(task, log=tmp_path / "watch.log") as (watcher, log):
        assert "done" not in log.read_text()
        assert attempt.run(way).returncode == 0
        assert watcher.wait(60) == 0
    assert f"✔ {task}: done." in log.read_text()


def test_watching_ignores_the_events_of_its_own_checks():
    with proof("04-images") as images, closing(docker_client.connect()) as daemon:
        for name in ("page", "secret"):
            assert images.run(images.lab.exercise(name).right[0]).returncode == 0
        begin = time.time()
        verdicts = judge.judge(images, ["page", "secret"])
        span = {"since": f"{begin:.9f}", "until": f"{time.time():.9f}"}
        events = list(daemon.events(decode=True, **span))
    assert all(verdict.done for verdict in verdicts)
    assert {"connect", "die"} <= {event["Action"] for event in events}
    assert not list(watch.foreign(events, set()))


def test_watching_sees_what_a_learner_does_inside_and_says_what_is_still_wrong(tmp_path):
    attempt = attempts.begin(LAB)
    start_web(attempt)
    with watching("page", log=tmp_path / "watch.log") as (watcher, log):
        wait.until("the verdict", lambda: "✘ page: not yet." in log.read_text(), 60, log=log)
        assert attempt.run(LAB.exercise("page").right[-1]).returncode == 0
        assert watcher.wait(60) == 0
    assert log.read_text().count("✘ page: not yet.") == 1


def test_a_watch_ignores_what_checks_of_another_process_do(tmp_path):
    attempt = attempts.begin(LAB)
    start_web(attempt)
    with closing(docker_client.connect()) as daemon:
        begin = time.time()
        assert run("check", "03", "web").returncode == 0
        # Its check runs no program inside; this one does.
        probe = "from tests.commands.test_check import look; look()"
        subprocess.run([sys.executable, "-c", probe], cwd=paths.CHECKOUT, check=True, timeout=120)
        span = {"since": f"{begin:.9f}", "until": f"{time.time():.9f}"}
        events = list(daemon.events(decode=True, **span))
    assert any(event["Action"].startswith("exec_start") for event in events)
    assert not list(watch.foreign(events, set()))


def look():
    """Look into the web server of the learner's attempt, as a check does."""
    with closing(docker_client.connect()) as daemon:
        probe = Probe(daemon, attempts.current(LAB))
        assert probe.listening(probe.running(probe["WEB"])) >= {80}


def test_a_watch_looks_again_when_a_change_has_settled():
    """An image that is being built has its name a moment before it is complete."""
    watched = watch.Watch(attempts.begin(LAB))
    with closing(docker_client.connect()) as daemon:
        assert watched.changed(daemon), "at first"
        wait.until("the second look", lambda: watched.changed(daemon), 60)
        assert not watched.changed(daemon)


def test_a_watch_ignores_health_checks(scene, monkeypatch):
    monkeypatch.setattr(watch, "SETTLING", 600)
    attempt = attempts.begin(LAB)
    scene.run("well", "--health-cmd", "true", "--health-interval", "1s")
    with closing(docker_client.connect()) as daemon:
        container = daemon.containers.get("well")

        def looked_at():
            container.reload()
            return container.attrs["State"]["Health"]["Log"]

        watched = watch.Watch(attempt)
        assert watched.changed(daemon), "at first"
        before = len(looked_at())
        wait.until("a health check", lambda: len(looked_at()) > before + 1, 60)
        begin = time.time()
        wait.until("the first of them", lambda: time.time() - begin > 2, 10)
        assert watched.changed(daemon), "it has become healthy"
        again = looked_at()[-1]
        wait.until("another one", lambda: looked_at()[-1] != again, 60)
        assert not watched.changed(daemon)


def test_reset_of_a_lab_removes_its_objects_and_keeps_the_learners_notebook():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    page = paths.learner_copy() / "labs" / f"{LAB.name}.ipynb"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text("mine")
    done = run("reset", f"labs/{LAB.name}")
    assert done.returncode == 0, done.stderr
    (kept,) = page.parent.glob(f"{LAB.name}.2*.ipynb")
    assert kept.read_text() == "mine"
    kept.unlink()
    assert json.loads(page.read_bytes())["cells"]
    assert attempts.current(LAB) is None
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


def test_an_unknown_lab_or_task_is_a_usage_error():
    for arguments, said in (
        (("check", "99"), "There is no lab called '99'."),
        (("check", "03", "nothing"), "03-containers has no task 'nothing'."),
        (("check", "03", "--hint"), "Say which task you want a hint for."),
        (("check", "03", "--watch", "--json"), "--json does not go with"),
        (("check", "03", "web", "--hint", "--json"), "--json does not go with"),
    ):
        done = run(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert len(done.stderr.splitlines()) <= 3

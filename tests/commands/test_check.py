"""``check`` and ``reset`` for labs, as a learner at a terminal uses them."""

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from dockyard.commands import check
from dockyard.core import docker_client, paths, progress_file, wait
from dockyard.exceptions import SceneFailed
from dockyard.labs import attempt as attempts
from dockyard.labs import hints, judge, lab_catalog
from dockyard.labs.checks import capstone
from dockyard.labs.look import Look
from dockyard.labs.verdict import Broken

pytestmark = pytest.mark.engine
LAB = lab_catalog.load("07-containers")


@pytest.fixture(autouse=True)
def own_progress(tmp_path, monkeypatch):
    """An attempt of the test's own: the learner's file and objects are not looked at."""
    monkeypatch.setenv("DOCKYARD_PROGRESS", str(tmp_path / "progress.json"))
    work = attempts.Attempt(LAB, {}).work
    kept = work.with_name(f"{work.name}.kept-by-test")
    if work.exists():
        work.rename(kept)
    yield
    if attempt := attempts.last(LAB):
        attempts.tidy(attempt)
    for made in work.parent.glob(f"{work.name}*"):
        if made != kept:
            subprocess.run(["rm", "-rf", made], check=True)
    if kept.exists():
        kept.rename(work)


@contextmanager
def proof(name):
    """An attempt at another lab, for the length of a ``with``."""
    attempt = attempts.begin(lab_catalog.load(name), "proof", "1")
    try:
        yield attempt
    finally:
        attempts.tidy(attempt)


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "dockyard", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=paths.CHECKOUT,
        timeout=120,
    )


def start_web(attempt):
    done = attempt.run(LAB.task("web").right[0])
    assert done.returncode == 0, done.stdout


def test_check_in_a_terminal_says_what_check_in_a_cell_says():
    from dockyard.labs.lab_magic import Checker

    attempt = attempts.begin(LAB)
    start_web(attempt)
    done = run("check", "07")
    assert done.returncode == 1
    assert done.stdout.strip() == str(Checker(attempt)())
    assert "1 of 4 done." in done.stdout


def test_check_of_one_task_that_is_done_exits_with_0_and_is_kept():
    start_web(attempts.begin(LAB))
    assert run("check", "07", "web").returncode == 0
    document = json.loads(run("progress", "--json").stdout)
    (lab,) = [each for each in document["labs"] if each["lab"] == LAB.name]
    assert lab["done"] == ["web"]


def test_check_as_json_prints_one_document_and_nothing_else():
    attempts.begin(LAB)
    document = json.loads(run("check", "07", "--json").stdout)
    assert [task["state"] for task in document["tasks"]] == ["not yet"] * 4


def test_a_lab_resumed_keeps_its_values_and_what_was_made():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    again = attempts.resume(LAB)
    assert again == attempt
    assert run("check", "07", "web").returncode == 0


def test_a_new_attempt_draws_new_values_and_removes_what_the_old_one_made():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    done = run("check", "07", "web", "--new")
    assert done.returncode == 1
    assert attempts.current(LAB).values != attempt.values
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


TIDIED = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
for line in ("%load_ext dockyard", "%lab 07-containers", "%tidy"):
    assert shell.run_cell(line).success
"""


def test_a_lab_that_was_tidied_begins_anew_and_what_was_done_stays_done():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    judge.judge(attempt)
    done = subprocess.run(
        [sys.executable, "-c", TIDIED], capture_output=True, text=True, check=False, timeout=120
    )
    assert "Removed 1 container." in done.stdout, done.stdout + done.stderr
    assert attempts.current(LAB) is None
    assert attempts.resume(LAB).values != attempt.values
    assert "done" in progress_file.read()["labs"][LAB.name]["tasks"]["web"]


def test_tidying_an_earlier_attempt_leaves_the_present_one_alone():
    earlier = attempts.begin(LAB)
    present = attempts.begin(LAB)
    attempts.finish(earlier)
    assert attempts.current(LAB) == present


def reset_without_an_engine():
    attempts.forget(LAB)


def draw_other_values():
    with progress_file.change() as data:
        data["labs"][LAB.name]["values"].pop("JOB")


@pytest.mark.parametrize("change", [reset_without_an_engine, draw_other_values])
def test_what_an_attempt_made_is_removed_by_the_next_however_it_ended(change):
    attempt = attempts.begin(LAB)
    start_web(attempt)
    change()
    assert attempts.resume(LAB).id != attempt.id
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


def test_what_a_scene_made_that_failed_is_removed_by_the_next_attempt():
    scene = "docker create --name $BOX busybox\nfalse"
    with pytest.raises(SceneFailed):
        attempts.begin(replace(LAB, scene=f"{LAB.scene}{scene}"))
    assert attempts.current(LAB) is None
    box = attempts.last(LAB).values["BOX"]
    with closing(docker_client.connect()) as daemon:
        assert daemon.containers.list(all=True, filters={"name": box})
        attempts.resume(LAB)
        assert not daemon.containers.list(all=True, filters={"name": box})


def test_a_port_in_use_changes_no_other_value_of_a_solution():
    clinic = lab_catalog.load("15-clinic")
    usual = attempts.draw(clinic, "solution")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", int(usual["SHOP_PORT"])))
        taken.listen()
        other = attempts.draw(clinic, "solution")
    assert {name for name in usual if usual[name] != other[name]} == {"SHOP_PORT"}


def test_what_another_lab_has_drawn_is_not_drawn_again():
    clinic = lab_catalog.load("15-clinic")
    names = [f"shop-{word}" for word in attempts.WORDS]
    assert clinic.values["SHOP"] == "name:shop"
    left = names.pop()
    assert attempts.draw(clinic, "lab", taken=names)["SHOP"] == left


def test_the_terminal_gets_the_values_of_the_attempt():
    attempt = attempts.begin(LAB)
    done = run("engine", "env", "--lab", "07")
    assert f"export WEB={attempt.values['WEB']}\n" in done.stdout
    assert f"export DOCKER_CONFIG={paths.docker_config(attempt.lesson)}\n" in done.stdout


def test_hints_come_one_after_the_other_and_end_with_the_solution():
    attempt = attempts.begin(LAB)
    said = [hints.hint(attempt, "web") for _ in range(5)]
    assert attempt.values["WEB"] in said[0]
    assert said[1].startswith("Hint 2 of 4.")
    assert "____" in said[2]
    assert attempt.fill(LAB.task("web").right[0].code) in said[3]
    assert said[4] == said[3]
    assert progress_file.read()["labs"][LAB.name]["tasks"]["web"]["hints"] == 4


def test_a_warm_up_has_two_hints_and_counts_them_so():
    attempt = attempts.begin(LAB)
    said = [hints.hint(attempt, "stays") for _ in range(3)]
    assert [each.partition(".")[0] for each in said] == ["Hint 1 of 2", *["Hint 2 of 2"] * 2]
    assert attempt.fill(LAB.task("stays").right[0].code) in said[1]


# A build is no event for some daemons.
BUILT = "printf 'FROM busybox\\nRUN echo %s > /note\\n' $TOKEN | docker build --tag $BOX:1 -"


@pytest.mark.parametrize(("task", "way"), [("web", LAB.task("web").right[0]), ("frozen", BUILT)])
def test_watching_ticks_a_task_off_when_it_comes_true(task, way, tmp_path):
    attempt = attempts.begin(LAB)
    log = tmp_path / "watch.log"
    with log.open("w") as output:
        watcher = subprocess.Popen(
            [sys.executable, "-m", "dockyard", "check", "07", task, "--watch"],
            stdout=output,
            stderr=output,
            cwd=paths.CHECKOUT,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    try:
        wait.until("the watch", lambda: "Watching" in log.read_text(), 60, log=log)
        assert "done" not in log.read_text()
        assert attempt.run(way).returncode == 0
        assert watcher.wait(60) == 0
    finally:
        watcher.kill()
        watcher.wait()
    assert f"✔ {task}: done." in log.read_text()


def test_watching_is_not_woken_by_what_its_own_checks_do():
    with proof("06-images") as images, closing(docker_client.connect()) as daemon:
        for name in ("page", "secret"):
            assert images.run(images.lab.task(name).right[0]).returncode == 0
        begin = time.time()
        verdicts = judge.judge(images, ["page", "secret"])
        span = {"since": f"{begin:.9f}", "until": f"{time.time():.9f}"}
        events = list(daemon.events(decode=True, **span))
    assert all(verdict.done for verdict in verdicts)
    assert {"connect", "die"} <= {event["Action"] for event in events}
    assert not list(check.foreign(events, set()))


ODD = {
    "05-registries/listed": """
docker rm --force $SHELF
docker run --name $SHELF --detach --publish 127.0.0.1:$SHELFPORT:5000 busybox sleep 1000
touch repositories.txt
""",
    "09-basic-commands/last-line": """
docker rm $TALKER
docker run --name $TALKER busybox true
touch last.txt
""",
}


@pytest.mark.parametrize("task", ODD)
def test_what_nobody_expected_has_a_verdict_of_its_own(task):
    lab, _, name = task.partition("/")
    with proof(lab) as attempt:
        assert attempt.run(ODD[task]).returncode == 0
        (verdict,) = judge.judge(attempt, [name])
    assert not verdict.done
    assert "not understood" not in verdict.saw


def test_a_registry_on_this_computer_is_asked_without_a_proxy(monkeypatch):
    with proof("05-registries") as attempt, closing(docker_client.connect()) as daemon:
        assert attempt.run("docker pull --quiet 127.0.0.1:$SHELFPORT/$NEWS:1").returncode == 0
        values = {"PORT": attempt.values["SHELFPORT"], "SHOP": attempt.values["NEWS"]}
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        said = capstone.pushed(Look(daemon, replace(attempt, values=values)))
    assert said == f"The registry has {values['SHOP']}:1, the image that is here."


def test_a_check_that_fails_itself_says_so_and_does_not_end_the_others():
    odd = replace(LAB.task("page"), name="nobody-checks-this")
    attempt = attempts.begin(replace(LAB, tasks=(odd, *LAB.tasks)))
    failed, web = judge.judge(attempt, [odd.name, "web"])
    assert (failed.state, "AttributeError" in failed.saw) == ("broken", True)
    assert web.state == "not yet"


def test_a_program_that_does_not_end_is_not_waited_for_without_end():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    with closing(docker_client.connect(timeout=1)) as daemon:
        look = Look(daemon, attempt)
        with pytest.raises(Broken, match=r"sleep in .* had not ended after 1 s"):
            look.execute(look.running(look["WEB"]), "sleep", "100")


def test_a_warning_beside_a_programs_answer_is_no_part_of_it():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    program = "echo WARNING >&2; echo '{}'"
    with closing(docker_client.connect()) as daemon:
        look = Look(daemon, attempt)
        web = look.running(look["WEB"])
        assert look.document(web, "sh", "-c", program) == {}
        assert look.document(web, "sh", "-c", "exit 1") is None
        with pytest.raises(Broken, match=r"In .*, sh says 'no'"):
            look.document(web, "sh", "-c", "echo no")


def test_reset_of_a_lab_removes_its_objects_and_keeps_the_learners_page():
    attempt = attempts.begin(LAB)
    start_web(attempt)
    page = paths.CHECKOUT / "labs" / "07-containers.ipynb"
    pristine = page.read_bytes()
    page.write_bytes(pristine + b"\n")
    try:
        done = run("reset", "labs/07-containers")
        assert done.returncode == 0, done.stderr
        (kept,) = page.parent.glob("07-containers.2*.ipynb")
        assert kept.read_bytes() == pristine + b"\n"
        kept.unlink()
        assert page.read_bytes() == pristine
    finally:
        page.write_bytes(pristine)
    assert attempts.current(LAB) is None
    with closing(docker_client.connect()) as daemon:
        assert not daemon.containers.list(all=True, filters={"name": attempt.values["WEB"]})


def test_an_unknown_lab_or_task_is_a_wrong_usage():
    for arguments, said in (
        (("check", "99"), "There is no lab called '99'."),
        (("check", "07", "nothing"), "07-containers has no task 'nothing'."),
        (("check", "07", "--hint"), "Say which task you want a hint for."),
        (("check", "07", "--watch", "--json"), "--json does not go with"),
        (("check", "07", "web", "--hint", "--json"), "--json does not go with"),
    ):
        done = run(*arguments)
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        assert len(done.stderr.splitlines()) <= 3

"""Judging an attempt: who is at fault when a check does not answer, and what is saved."""

import sys
from types import ModuleType

import pytest
import requests
from docker.errors import APIError, NullResource

from dockyard.core import progress_file
from dockyard.exceptions import EngineNotRunning
from dockyard.labs import judge, lab_catalog
from dockyard.labs.attempt import Attempt
from dockyard.labs.lab_catalog import Lab, Rep, Task, Way
from dockyard.labs.lab_magic import Checker
from dockyard.labs.verdict import Broken, NotYet

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_progress", "checks_log")]


def refusal(status):
    answer = requests.Response()
    answer.status_code = status
    return APIError(f"refused with {status}", response=answer)


@pytest.fixture
def lab(monkeypatch):
    """A lab whose task says what the test gives it: a sentence, or an exception to raise."""
    checks = ModuleType("dockyard.labs.checks.sample")
    monkeypatch.setitem(sys.modules, checks.__name__, checks)

    def make(**says):
        for name, outcome in says.items():

            def check(probe, outcome=outcome):
                if isinstance(outcome, Exception):
                    raise outcome.with_traceback(None)
                return outcome

            setattr(checks, name, check)
        tasks = [
            Task(
                name=name, title=name, goal=f"Do {name}.", where="-", shape="-",
                right=(Way(shell="true"),),
            )
            for name in says
        ]  # fmt: skip
        rep = Rep(name="practice", goal="Practise.", right=(Way(shell="true"),))
        return Lab(
            name="99-sample", title="Sample", minutes=1, opening="", reps=(rep,), tasks=tuple(tasks)
        )

    return make


def judged(lab, *tasks):
    return judge.judge(Attempt(lab, {}, id="0"), tasks)


def saved(lab):
    return progress_file.read()["labs"][lab.name]["tasks"]


def test_the_tasks_are_judged_in_their_order_and_the_reps_only_when_named(lab):
    verdicts = judged(lab(one="Done.", two=NotYet("Nothing is there."), three=Broken("It fails.")))
    assert [(each.task, each.state, each.saw) for each in verdicts] == [
        ("one", "done", "Done."),
        ("two", "not yet", "Nothing is there."),
        ("three", "broken", "It fails."),
    ]
    assert verdicts[1].expected == "Do two."


def test_what_is_done_and_the_mistakes_that_were_met_are_saved(lab):
    sample = lab(one="Done.", two=NotYet("It is gone.", mistake="removed-itself"))
    _, verdict = judged(sample)
    assert verdict.mistake == lab_catalog.mistakes()["removed-itself"]
    assert saved(sample)["one"]["edition"] == sample.exercise("one").edition
    assert saved(sample)["two"]["mistakes"] == ["removed-itself"]


@pytest.mark.parametrize(
    "error", [KeyError("WEB"), AssertionError(), NullResource("no id"), refusal(400)], ids=repr
)
def test_a_check_that_raises_is_a_mistake_in_the_course(lab, error, checks_log):
    sample = lab(faulty=error, sound="Done.")
    failed, sound = judged(sample)
    assert failed.state == "check failed"
    assert "This is a mistake in the course, not yours." in failed.saw
    assert str(checks_log) in failed.saw and "report" in failed.saw
    assert len(str(failed).splitlines()) == 1
    assert sound.done
    log = checks_log.read_text()
    assert "99-sample/faulty" in log
    assert "Traceback (most recent call last):" in log
    assert type(error).__name__ in log
    assert "faulty" not in saved(sample)


def test_a_task_without_a_check_is_a_mistake_in_the_course(lab, checks_log):
    (verdict,) = judged(lab(one="Done."), "practice")
    assert verdict.check_failed
    assert "AttributeError" in checks_log.read_text()


def test_the_same_fault_is_logged_once(lab, checks_log):
    sample = lab(faulty=KeyError("WEB"))
    judged(sample)
    first = checks_log.read_text()
    judged(sample)
    assert checks_log.read_text() == first


def test_a_log_that_cannot_be_written_does_not_hide_the_verdict(lab, checks_log):
    checks_log.mkdir(parents=True)
    try:
        (verdict,) = judged(lab(faulty=KeyError("WEB")))
    finally:
        checks_log.rmdir()
    assert verdict.check_failed
    assert "could not be written (Is a directory)" in verdict.saw


@pytest.mark.parametrize(
    "error", [refusal(404), refusal(409), refusal(500), requests.ReadTimeout("too late")], ids=repr
)
def test_a_daemon_that_refuses_is_quoted_and_not_logged(lab, error, checks_log):
    (verdict,) = judged(lab(asks=error))
    assert verdict.state == "broken"
    assert verdict.saw.startswith("The daemon would not say: ")
    assert not checks_log.exists()


def test_a_daemon_that_stops_answering_ends_the_judging(lab):
    with pytest.raises(EngineNotRunning, match="engine is not running"):
        judged(lab(asks=requests.ConnectionError()))


def test_a_cell_shows_that_the_check_failed_and_offers_no_hint(lab, checks_log):
    check = Checker(Attempt(lab(faulty=KeyError("WEB"), not_yet=NotYet("No.")), {}, id="0"))
    assert repr(check("faulty")).startswith("✘ faulty: check failed. The check itself failed.")
    assert "hint(" not in repr(check("faulty"))
    assert repr(check("not_yet")).endswith('hint("not_yet")')
    assert repr(check()).endswith("0 of 2 done.")

"""Attempts at labs for tests, apart from the learner's own."""

import shutil
import time
from contextlib import contextmanager

import pytest

from dockyard.labs import attempt as attempts
from dockyard.labs import judge, lab_catalog

LAB = lab_catalog.load("03-containers")


@contextmanager
def set_aside(path):
    """Keep a file or folder of the learner's under another name; remove what is made meanwhile."""
    kept = path.with_name(f"{path.name}.kept-by-test")
    if path.exists():
        path.rename(kept)
    try:
        yield
    finally:
        for made in path.parent.glob(f"{path.name}*"):
            if made == kept:
                continue
            if made.is_dir():
                shutil.rmtree(made)
            else:
                made.unlink()
        if kept.exists():
            kept.rename(path)


@contextmanager
def progress_in(folder):
    """A progress file in a folder. Sets the learner's work folder aside, tidies at the end."""
    with pytest.MonkeyPatch.context() as patch, set_aside(attempts.Attempt(LAB, {}).work):
        patch.setenv("DOCKYARD_PROGRESS", str(folder / "progress.json"))
        yield
        if attempt := attempts.last(LAB):
            attempts.tidy(attempt)


@pytest.fixture
def own_progress(tmp_path):
    """A progress file for one test. Sets the learner's work folder aside, tidies at the end."""
    with progress_in(tmp_path):
        yield


@pytest.fixture
def checks_log():
    """The log of checks that fail themselves, empty; the home's own one is put back."""
    log = judge.log_file()
    kept = log.with_name(f"{log.name}.kept-by-test")
    if log.exists():
        log.rename(kept)
    yield log
    log.unlink(missing_ok=True)
    if kept.exists():
        kept.rename(log)


def verdict_on(attempt, task, expected):
    """The verdict on a task, asked for again until it is as expected, for half a minute.

    On a busy computer, what a way has started may not work yet when the check looks.
    """
    deadline = time.monotonic() + 30
    while True:
        (verdict,) = judge.judge(attempt, [task.name])
        if expected(verdict) or time.monotonic() > deadline:
            return verdict
        time.sleep(0.5)


def is_mistake(name):
    """Whether a verdict names this mistake, or accepts what was done."""
    return lambda verdict: verdict.done or (verdict.mistake and verdict.mistake.name == name)


@contextmanager
def proof(name):
    """An attempt at a lab that does not touch the progress, tidied when the ``with`` ends."""
    attempt = attempts.begin(lab_catalog.load(name), "proof", "1")
    try:
        yield attempt
    finally:
        attempts.tidy(attempt)


def start_web(attempt):
    """Do the first task of LAB."""
    done = attempt.run(LAB.exercise("web").right[0])
    assert done.returncode == 0, done.stdout

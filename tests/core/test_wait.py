"""Waiting with a deadline."""

import os
import time

import pytest

from dockyard.core import wait
from dockyard.exceptions import RegistryError


def test_until_returns_the_first_true_answer():
    answers = iter([None, "", "ready", "later"])
    assert wait.until("it", lambda: next(answers), 60, interval=0) == "ready"


def test_until_raises_with_what_it_waited_for_and_the_end_of_the_log(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"line {number}\n" for number in range(30)))
    with pytest.raises(RegistryError) as caught:
        wait.until("the registry", lambda: None, 0, log=log, error=RegistryError, next="Try again.")
    first, *rest, last = str(caught.value).splitlines()
    assert first == "Gave up after 0 s waiting for the registry."
    assert rest == [f"line {number}" for number in range(10, 30)]
    assert last == "Try again."


def test_an_exception_from_the_probe_ends_the_wait():
    with pytest.raises(ZeroDivisionError):
        wait.until("it", lambda: 1 / 0, 600)


def test_within_returns_the_last_answer_when_time_is_up():
    assert wait.within(0, lambda: "") == ""


def test_a_slow_probe_is_called_half_of_the_time():
    """It may start a process, which takes a processor from what is waited for."""
    calls = []

    def probe():
        calls.append(time.sleep(0.2))

    wait.within(1, probe, interval=0)
    assert len(calls) <= 4


@pytest.mark.parametrize(
    ("usual", "load", "now"), [(3, 0, 3), (3, 4, 12), (3, 50, 30), (60, 9, 60)]
)
def test_patience_grows_with_the_load_up_to_its_longest(usual, load, now, monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (load * os.cpu_count(), 0.0, 0.0))
    assert wait.patience_now(usual, 30) == now

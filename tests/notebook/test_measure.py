"""Measurements are real, show their range, and fail with a reason."""

import time

import pytest

from dockyard.exceptions import MeasurementFailed
from dockyard.notebook import measure


def test_a_command_is_timed_as_often_as_asked():
    began = time.perf_counter()
    (sample,) = measure.timed({"nap": "sleep 0.1"}, repeat=3)
    assert len(sample.values) == 3
    assert min(sample.values) >= 0.1
    assert sum(sample.values) <= time.perf_counter() - began
    assert sample.unit == "s"


def test_commands_run_in_turn(tmp_path):
    order = tmp_path / "order"
    measure.timed({"a": f"echo a >> {order}", "b": f"echo b >> {order}"}, repeat=2)
    assert order.read_text().split() == ["a", "b", "a", "b"]


def test_the_number_that_a_command_prints_is_measured():
    (sample,) = measure.measured({"answer": "echo 42.5"}, "MB", repeat=2)
    assert sample == measure.Sample("answer", (42.5, 42.5), "MB")


def test_a_sample_shows_its_median_and_range():
    sample = measure.Sample("start", (0.5, 0.25, 4.0), "s")
    assert str(sample) == "start: measured 0.5 s (0.25 to 4)"
    assert str(measure.Sample("disk", (1234.4,), "MB")) == "disk: measured 1234 MB (1234 to 1234)"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (lambda: measure.timed({"x": "echo broken >&2; exit 3"}), "broken"),
        (lambda: measure.measured({"x": "echo many words"}, "s"), "many words"),
        (lambda: measure.measured({"x": "true"}, "s"), '""'),
    ],
    ids=["a failure", "words instead of a number", "silence"],
)
def test_a_command_that_cannot_be_measured_is_quoted(run, why):
    with pytest.raises(MeasurementFailed) as caught:
        run()
    assert why in caught.value.why
    assert caught.value.command in caught.value.next


def test_a_comparison_is_text_and_a_picture(capsys):
    samples = [measure.Sample("container", (1, 2), "s"), measure.Sample("machine", (3, 4), "s")]
    picture = measure.compare("Time to start", samples)
    assert capsys.readouterr().out == (
        "container: measured 1.5 s (1 to 2)\nmachine: measured 3.5 s (3 to 4)\n"
    )
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == "Plot: Time to start. One row each for: container, machine."


def test_growth_is_text_and_a_picture(capsys):
    picture = measure.growth(
        "Memory", {"containers": [0, 9], "machines": [0, 99]}, "MB", "how many"
    )
    assert capsys.readouterr().out == (
        "containers: measured 0 → 9 MB\nmachines: measured 0 → 99 MB\n"
    )
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == "Plot: Memory. One line each for: containers, machines."


@pytest.mark.parametrize(("values", "words"), [((1, 3, 9), "less"), ((8, 9, 90), "more")])
def test_a_verdict_goes_by_the_medians(values, words):
    found = measure.verdict(
        measure.Sample("container", values, "s"), measure.Sample("plain", (1, 2, 2), "s"), limit=4
    )
    assert found == f"{words} than 4 times as long"


def test_overhead_is_shown_in_multiples_of_the_first(capsys):
    plain = measure.Sample("plain", (1.0, 2.0, 4.0), "s")
    container = measure.Sample("container", (3.0, 4.0, 5.0), "s")
    picture = measure.overhead("Times", {"start": [plain, container]})
    assert capsys.readouterr().out == (
        "start, plain: measured 1 × (0.5 to 2)\nstart, container: measured 2 × (1.5 to 2.5)\n"
    )
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == "Plot: Times. One row each for: start, plain, start, container."

"""Measurements are real, show their range, and fail with a reason."""

import time

import pytest

from dockyard.exceptions import MeasurementFailed
from dockyard.notebook import measure, palette


def test_a_command_is_timed_as_often_as_asked():
    began = time.perf_counter()
    (sample,) = measure.timed({"nap": "sleep 0.1"}, repeat=3)
    assert len(sample.values) == 3
    assert min(sample.values) >= 0.1
    assert sum(sample.values) <= time.perf_counter() - began
    assert sample.unit == "s"


def test_commands_run_in_turn_and_each_is_first_every_other_time(tmp_path):
    order = tmp_path / "order"
    measure.timed({"a": f"echo a >> {order}", "b": f"echo b >> {order}"}, repeat=3)
    assert order.read_text().split() == ["a", "b", "b", "a", "a", "b"]


def test_the_number_that_a_command_prints_is_measured():
    (sample,) = measure.measured({"answer": "echo 42.5"}, "MB", repeat=2)
    assert sample == measure.Sample("answer", (42.5, 42.5), "MB")


def test_several_quantities_are_measured_in_the_same_rounds():
    calls = []

    def measures(name, start):
        def once():
            calls.append(name)
            return {"start": start, "memory": len(calls)}

        return once

    first = measure.rounds({"a": measures("a", 1.0), "b": measures("b", 2.0)}, repeat=2)
    assert calls == ["a", "b", "b", "a"]
    assert first == {
        "start": {"a": [1.0, 1.0], "b": [2.0, 2.0]}, "memory": {"a": [1, 4], "b": [2, 3]}
    }  # fmt: skip
    calls.clear()
    more = measure.rounds(
        {"a": measures("a", 3.0), "b": measures("b", 2.0)}, repeat=1, before=dict(first)
    )
    more = measure.rounds({"a": measures("a", 3.0), "b": measures("b", 2.0)}, 1, more)
    assert calls == ["a", "b", "b", "a"]
    assert measure.samples(more, "start", "s")[0] == measure.Sample("a", (1, 1, 3, 3), "s")


def test_a_sample_shows_its_median_and_range():
    sample = measure.Sample("start", (0.5, 0.25, 4.0), "s")
    assert str(sample) == "start: measured 0.5 s (0.25 to 4)"
    assert str(measure.Sample("disk", (1234.4,), "MB")) == "disk: measured 1234 MB (1234 to 1234)"


@pytest.mark.parametrize(
    ("run", "why"),
    [
        (lambda: measure.timed({"x": "echo broken >&2; exit 3"}), "broken"),
        (lambda: measure.measured({"x": "echo many words"}, "s"), "many words"),
        (lambda: measure.measured({"x": "true"}, "s"), "0 numbers"),
    ],
    ids=["a failure", "words instead of a number", "silence"],
)
def test_a_command_that_cannot_be_measured_is_quoted(run, why):
    with pytest.raises(MeasurementFailed) as caught:
        run()
    assert why in caught.value.why
    assert caught.value.command in caught.value.next


def test_a_comparison_is_text_and_a_picture(capsys):
    samples = [measure.Sample("container", (1, 2), "s"), measure.Sample("machine", (4, 8), "s")]
    picture = measure.compare("Time to start", samples)
    assert capsys.readouterr().out == (
        "container: measured 1.5 s (1 to 2)\nmachine: measured 6 s (4 to 8)\n"
        "machine: measured 4 times as long as container (95 % interval 4 to 4, n = 2)\n"
    )
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == (
        "Plot: Time to start, in seconds (n = 2; bars: medians). "
        "One row each for: container, machine."
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((2.0, 2.2, 2.1), "layer: measured 2.1 times as long as volume (95 % interval "),
        ((0.2, 0.22, 0.21), "layer: only measured 0.21 times as long as volume (95 % interval "),
        ((0.5, 1.0, 2.0), "layer: no difference from volume found, measured 1 times (95 % "),
    ],
)
def test_a_conclusion_says_which_is_longer_only_if_the_interval_does(values, words):
    volume = measure.Sample("volume", (1.0, 1.0, 1.0), "s")
    found = measure.conclusion(measure.Sample("layer", values, "s"), volume, "as long as")
    assert found.startswith(words)
    assert found.endswith(", n = 3)")


def test_overhead_is_shown_in_multiples_of_the_first(capsys):
    plain = measure.Sample("plain", (1.0, 2.0), "ms")
    container = measure.Sample("container", (3.0, 6.0), "ms")
    picture = measure.overhead("Times", {"start": [plain, container]})
    assert capsys.readouterr().out == (
        "start, plain: measured 1.5 ms (1 to 2)\nstart, container: measured 4.5 ms (3 to 6)\n\n"
        "start, container: measured 3 times as long as plain (95 % interval 3 to 3, n = 2)\n"
    )
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert repr(picture) == (
        "Plot: Times (n = 2; bars: mean ratio, 95 % interval). One row each for: start, container."
    )


def test_small_numbers_have_no_exponent():
    assert str(measure.Sample("x", (0.0000213,), "s")).startswith("x: measured 0.0000213 s (")


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    dark, light = sorted([luminance(one), luminance(other)])
    return (light + 0.05) / (dark + 0.05)


def test_plots_are_readable_on_a_light_and_on_a_dark_page():
    assert contrast(palette.PLOT_INK, palette.PLOT_PAPER) >= 4.5
    assert all(contrast(colour, palette.PLOT_PAPER) >= 3 for colour in palette.COLOURS)

"""Text is shown as it comes, and what is redrawn is shown once."""

import pytest

from dockyard.notebook.cell_output import CellOutput


class Regions:
    """Records the states of the regions of a cell."""

    def __init__(self):
        self.shown = []

    def __call__(self):
        states = []
        self.shown.append(states)
        return states.append


@pytest.fixture
def at_once(monkeypatch):
    monkeypatch.setattr(CellOutput, "PATIENCE", 0)
    monkeypatch.setattr(CellOutput, "INTERVAL", 0)


def show(*chunks, regions=None):
    output = CellOutput(regions)
    for chunk in chunks:
        output.write(chunk)
        output.paint()
    output.close()
    return output


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        (["HTTP/1.1 200 OK\r\n", "Server: x\r", "\n\r\n"], "HTTP/1.1 200 OK\r\nServer: x\r\n\r\n"),
        (["\x1b[01;31m\x1b[Kmatch\x1b[m\x1b[K\n"], "match\n"),
        (["\x1b]0;title\x07text\x1b(B\n"], "text\n"),
        (["a\x1b", "[", "1mb\n"], "ab\n"),
        (["no end"], "no end"),
        (["cut \x1b["], "cut "),
    ],
    ids=["CR LF", "erased to the end", "a title", "a cut escape", "no newline", "a lone escape"],
)
def test_text_passes(chunks, shown, capsys):
    show(*chunks)
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        (["start\n", "\r 1%", "\r 2%", "\r99%\n", "end\n"], "start\n99%\nend\n"),
        (["long line\rshort\n"], "shortline\n"),
        (["long line\r\x1b[Kshort\n"], "short\n"),
        (["wrong\b\b\b\bight\n"], "wight\n"),
        (["a 1%\ra 2%\nb 1%\rb 2%\n"], "a 2%\nb 2%\n"),
        (["a: 1\nb: 1\n\x1b[2A", "\x1b[2Ka: 2\n\x1b[2Kb: 2\n"], "a: 1\nb: 1\na: 2\nb: 2\n"),
        (["\x1b[H\x1b[Jtop\nold\n", "\x1b[H\x1b[Jtop\nnew\n"], "top\nnew\n"),
    ],
)  # fmt: skip
def test_without_regions_only_the_last_state_is_written(chunks, shown, capsys):
    show(*chunks)
    assert capsys.readouterr().out == shown


def test_a_redrawn_screen_is_one_region_that_changes(at_once, capsys):
    regions = Regions()
    frames = [f"\x1b[2J\x1b[HNAME  CPU %\nweb   {n}%\n" for n in range(50)]
    output = show("before\n", *frames, regions=regions)
    assert capsys.readouterr().out == "before\n"
    assert len(regions.shown) == 1
    assert regions.shown[0][-1] == "NAME  CPU %\nweb   49%"
    assert all(len(state) < 30 for state in regions.shown[0])
    assert output.tail() == "before\nNAME  CPU %\nweb   49%\n"


def test_states_that_follow_quickly_are_left_out(monkeypatch, capsys):
    monkeypatch.setattr(CellOutput, "INTERVAL", 600)
    regions = Regions()
    output = CellOutput(regions)
    for n in range(1000):
        output.write(f"\x1b[H{n}")
        due = output.paint()
        assert due is not None and 0 < due <= 600
    output.close()
    assert capsys.readouterr().out == "999\n"
    assert regions.shown == []


def test_a_slow_progress_bar_is_a_region_and_the_text_after_it_is_text(at_once, capsys):
    regions = Regions()
    show("\r 1%", "\r50%", "\r99%\n", "done\n", regions=regions)
    assert regions.shown == [[" 1%", "50%", "99%"]]
    assert capsys.readouterr().out == "done\n"


def test_lines_that_have_left_a_redrawn_screen_are_kept(capsys):
    show("\x1b[H", *(f"line {n}\n" for n in range(500)))
    assert capsys.readouterr().out.splitlines() == [f"line {n}" for n in range(500)]


def test_hours_of_redrawn_output_stay_small(at_once, capsys):
    regions = Regions()
    output = show("\x1b[H", *(f"{n}\n" for n in range(3000)), regions=regions)
    assert len(regions.shown[0][-1].splitlines()) <= 2060
    assert len(output.tail()) <= CellOutput.TAIL


def test_the_tail_is_the_end_of_the_text(capsys):
    output = show(*(f"line {n}\n" for n in range(5000)))
    assert len(output.tail()) == CellOutput.TAIL
    assert output.tail().endswith("line 4999\n")

"""The screen of ``check --watch`` fits any terminal, and no word on it is broken."""

import io

import pytest
from rich.console import Console, Group

from dockyard.labs import lab_catalog
from dockyard.labs.task_board import ShownTask
from dockyard.panels.screen_layout import TOO_SMALL, ScreenContent, lay_out

SIZES = [(80, 24), (60, 20), (40, 24), (45, 14), (132, 50)]
SAID = "There is a container called `front-moss`, and it is not running: its program has ended."


def view(name, at=0, *, done=0, hints=(), scroll=0, message=""):
    """A screen of a lab; the first tasks are done, and the task at hand has these hints."""
    lab = lab_catalog.load(name)
    tasks = tuple(
        ShownTask(
            task.name, task.title, task.goal, number < done, SAID, hints if number == at else ()
        )
        for number, task in enumerate(lab.tasks)
    )
    return ScreenContent(f"Lab: {lab.title}", tasks, at, scroll, False, message)


def rendered(layout, width, height):
    """The lines as rich prints them."""
    console = Console(width=width, height=height, record=True, file=io.StringIO())
    console.print(Group(*layout.lines))
    return console.export_text().splitlines()


def whole(shown, width, height):
    """All lines of all pages of the task at hand."""
    lines, scroll = [], 0
    while True:
        layout = lay_out(ScreenContent(**vars(shown) | {"scroll": scroll}), width, height)
        assert rendered(layout, width, height) == [line.plain for line in layout.lines]
        lines += [line.plain for line in layout.lines]
        if layout.scroll < scroll:
            return lines
        scroll = layout.scroll + layout.page


@pytest.mark.parametrize(("width", "height"), SIZES, ids=str)
@pytest.mark.parametrize("name", lab_catalog.names())
def test_every_task_fits_and_no_word_is_broken(name, width, height):
    for at, task in enumerate(lab_catalog.load(name).tasks):
        hint = f"Hint 4 of 4. A solution:\n\n{task.right[0].code}"
        lines = whole(view(name, at, hints=(task.where, hint)), width, height)
        assert max(map(len, lines)) <= width
        words = {word for line in lines for word in line.split()}
        asked = " ".join((task.title, task.goal, task.where)).replace("`", "").replace("**", "")
        missing = {word for word in asked.split() if len(word) <= width} - words
        assert missing == set()


@pytest.mark.parametrize(("width", "height"), SIZES, ids=str)
def test_a_screen_has_as_many_lines_as_the_terminal(width, height):
    layout = lay_out(view("16-clinic", 36, message="Done: one. 1 of 37."), width, height)
    lines = rendered(layout, width, height)
    assert len(lines) == height
    said = " ".join(lines)
    for words in ("0 of 37 tasks done", "37 of 37.", "h hint", "Done: one."):
        assert words in said
    assert sum(line.startswith("› ○ ") for line in lines) == 1


def test_the_bar_shows_the_share_that_is_done():
    shares = [lay_out(view("03-containers", done=done), 80, 24).lines[1] for done in (0, 1, 4)]
    assert [share.plain.count("━") for share in shares] == [0, 20, 80]


def test_a_title_that_is_too_long_is_shortened_behind_a_word():
    titles = [task.title.replace("`", "") for task in lab_catalog.load("16-clinic").tasks]
    assert max(map(len, titles)) > 40
    lines = lay_out(view("16-clinic"), 40, 60).lines[2:22]
    shortened = [line.plain for line in lines if line.plain.endswith(" …")]
    assert shortened
    for line in shortened:
        assert any(f"{title} ".startswith(line[4:-1]) for title in titles), line


def test_the_newest_hint_is_in_sight_and_the_rest_can_be_paged_to():
    hints = ("First.\n\n" + "one\n" * 30, "Second.\n\n" + "two\n" * 30)
    newest = lay_out(view("03-containers", hints=hints, scroll=None), 80, 24)
    plain = [line.plain for line in newest.lines]
    assert "Second." in plain and "First." not in plain
    rule = next(line for line in plain if "back: b" in line)
    assert rule.endswith(" more: space ")
    assert "1 of 4. A web server that comes back" not in plain
    top = lay_out(view("03-containers", hints=hints), 80, 24)
    assert "1 of 4. A web server that comes back" in [line.plain for line in top.lines]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (19, 24), (80, 4), (30, 5)], ids=str)
def test_a_terminal_that_is_too_small_says_so_within_its_size(width, height):
    layout = lay_out(view("03-containers"), width, height)
    assert layout.page == 0
    lines = rendered(layout, width, height)
    assert len(lines) <= height and max(map(len, lines)) <= width
    assert TOO_SMALL.startswith("".join(line for line in lines)[:3])

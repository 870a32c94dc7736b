"""Questions and predictions in JupyterLab: answered by keyboard, read out, kept."""

import json
import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from dockyard.quiz import bank
from tests.browser.jupyterlab_page import ENLARGED

pytestmark = [pytest.mark.browser, pytest.mark.engine, pytest.mark.slow]

LESSON = bank.load("03-containers")
ASKED = LESSON.prediction("restart-run")
QUESTION = LESSON.questions[0]
KERNEL = "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
COVER = "The output is covered until you have decided."
LATER = 20_000


def wrong(asked):
    return next(option for option in asked.options if not option.right)


@pytest.fixture
def home(tmp_path):
    """Where these pages keep their progress; daemon and all else are the running course's."""
    return tmp_path


@pytest.fixture
def asked(lab, page_of, home):
    """Opens a page with a prediction and questions, all its cells run."""

    def show(**context):
        path = str(home / "progress.json")
        begin = [
            f"%load_ext dockyard\n%lesson {LESSON.name}",
            f"import pathlib\nfrom dockyard.core import progress_file\n"
            f"progress_file.path = lambda: pathlib.Path({path!r})",
        ]
        predict = f"%%predict {ASKED.name}\n!docker run --rm busybox echo from a container"
        name = lab.write(f"{home.name}.ipynb", [*begin, predict, "%quiz", "%tidy"])
        screen = page_of(name, **context)
        screen.page.wait_for_function(f"{KERNEL}?.connectionStatus === 'connected'")
        screen.run_all(120)
        expect(screen.page.locator(".dockyard-form")).to_have_count(2)
        return screen

    return show


def kept(home):
    return json.loads((home / "progress.json").read_text())


def choose(form, letter):
    """Go to an option with the arrow keys and press Enter, as one does without a mouse."""
    keyboard = form.page.keyboard
    form.locator("input").first.focus()
    keyboard.press("Space")
    while form.locator("input:checked").get_attribute("value") != letter:
        keyboard.press("ArrowDown")
    keyboard.press("Enter")


def printed(page):
    """The output of the predicted cell; its source has the same words."""
    return page.locator(".jp-OutputArea-output pre", has_text="from a container")


def test_a_wrong_guess_uncovers_the_output_with_the_note_for_that_idea(asked, home):
    page = asked().page
    form = page.locator(".dockyard-form").first.locator("form")
    output = page.locator(".jp-CodeCell").nth(2).locator(".jp-OutputArea")
    # The cell has run, with all others, and its output is not to be seen.
    expect(output).to_contain_text(COVER)
    expect(output).not_to_contain_text("from a container")

    guess = wrong(ASKED)
    choose(form, guess.letter)
    said = form.get_by_role("status")
    note = guess.note.replace("`", "")
    expect(said).to_contain_text(f"You said {guess.letter}. {note}", timeout=LATER)
    expect(output).to_contain_text("from a container")
    expect(output).not_to_contain_text(COVER)
    # The reader is where the answer is, not at the top of the page.
    expect(said).to_be_focused()
    entry = kept(home)["guesses"][LESSON.name][ASKED.name]
    assert (entry["chosen"], entry["right"]) == (guess.letter, False)


def test_a_right_guess_is_said_to_be_right(asked, home):
    page = asked().page
    choose(page.locator(".dockyard-form").first.locator("form"), ASKED.right.letter)
    expect(page.get_by_text("As you said:")).to_be_visible(timeout=LATER)
    expect(printed(page)).to_be_visible()
    assert kept(home)["guesses"][LESSON.name][ASKED.name]["right"] is True


def test_skipping_shows_the_output_and_keeps_nothing(asked, home):
    page = asked().page
    skip = page.get_by_role("button", name="Skip")
    skip.focus()
    page.keyboard.press("Enter")
    expect(page.locator("pre").get_by_text("from a container", exact=True)).to_be_visible(
        timeout=LATER
    )
    assert not (home / "progress.json").exists()


LOSE_THE_OUTCOME = """(most) => {
    const socket = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel._ws;
    const hear = socket.onmessage;
    window.lost = 0;
    socket.onmessage = (event) => {
        const { data } = event;
        const text = typeof data === "string" ? data : new TextDecoder().decode(data);
        if (window.lost < most && text.includes('"outcome"')) window.lost += 1;
        else hear.call(socket, event);
    };
}"""


def test_an_outcome_that_was_lost_is_asked_for_again(asked, home):
    """As when the connection to the kernel is made anew at that moment."""
    page = asked().page
    page.evaluate(LOSE_THE_OUTCOME, 1)
    choose(page.locator(".dockyard-form").first.locator("form"), ASKED.right.letter)
    expect(page.get_by_text("As you said:")).to_be_visible(timeout=LATER)
    assert page.evaluate("window.lost") == 1
    expect(printed(page)).to_be_visible()


def test_a_form_that_hears_no_outcome_does_not_wait_for_ever(asked, home):
    """As when JupyterLab has made another model for it, which hears the outcome in its place."""
    page = asked().page
    page.evaluate(LOSE_THE_OUTCOME, 1000)
    choose(page.locator(".dockyard-form").first.locator("form"), ASKED.right.letter)
    expect(page.get_by_text("Noted. The output is below.")).to_be_visible(timeout=LATER)
    expect(printed(page)).to_be_visible()
    assert kept(home)["guesses"][LESSON.name][ASKED.name]["right"] is True


def test_a_question_is_answered_by_keyboard_wrong_then_right(asked, home):
    page = asked().page
    form = page.locator(f'form[data-question="{QUESTION.name}"]')
    said = form.get_by_role("status")
    assert said.get_attribute("aria-live") == "polite"

    guess = wrong(QUESTION)
    choose(form, guess.letter)
    expect(said).to_contain_text(guess.note.replace("`", ""), timeout=LATER)
    expect(said.locator("pre")).to_have_text(QUESTION.settle)
    assert kept(home)["answers"][LESSON.name][QUESTION.name]["right"] is False

    # What was said of the first answer does not stay beside another one.
    choose(form, QUESTION.right.letter)
    expect(said).to_contain_text("Right. " + QUESTION.right.note.replace("`", ""), timeout=LATER)
    entry = kept(home)["answers"][LESSON.name][QUESTION.name]
    assert (entry["chosen"], entry["right"], entry["tries"]) == (QUESTION.right.letter, True, 2)


@pytest.mark.parametrize(
    ("theme", "context"),
    [("light", {}), ("dark", ENLARGED)],
    ids=["light", "dark at 200 percent"],
)
def test_the_forms_are_accessible_and_fit(asked, theme, context, home):
    screen = asked(**context)
    screen.theme(theme)
    page = screen.page
    for form, each in (
        (page.locator(".dockyard-form").first.locator("form"), ASKED),
        (page.locator(f'form[data-question="{QUESTION.name}"]'), QUESTION),
    ):
        choose(form, wrong(each).letter)
        expect(form.get_by_role("status")).to_contain_text(re.compile("✗"), timeout=LATER)
    faults = [
        (each["id"], [node["html"][:200] for node in each["nodes"]])
        for each in Axe().run(page, context=".dockyard-form").response["violations"]
    ]
    assert faults == []
    for width, room in page.eval_on_selector_all(
        ".dockyard-form", "forms => forms.map((form) => [form.scrollWidth, form.clientWidth])"
    ):
        assert width <= room

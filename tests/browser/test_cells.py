"""Shell colours in cells, and the terminal beside the notebook."""

import pytest
from playwright.sync_api import expect

from dockyard.core import wait
from tests.browser.jupyterlab_page import PATIENCE, THEMES, faults

pytestmark = pytest.mark.browser

CELLS = [
    "!docker exec web ls --format 'a b' $HOME 127.0.0.1:80 # is",
    "%%bash\nfor name in red is; do\n  docker exec $name ls --all\ndone",
    "import os\nx = !docker ps --all | grep is\nfor is_it in x:\n    exec('is')",
    "%%trace --times\n!docker run --rm busybox \\\n  echo is",
    "# !docker is\nprint('!docker is')",
]


@pytest.fixture(scope="module")
def notebook(lab):
    return lab.write("cells.ipynb", CELLS)


def colours(shown, cell):
    """The words of a cell, each with its colour and weight."""
    return (
        shown.page.locator(".jp-CodeCell .cm-content")
        .nth(cell)
        .evaluate(
            """content => {
            const found = [];
            for (const line of content.querySelectorAll(".cm-line")) {
                const walker = document.createTreeWalker(line, NodeFilter.SHOW_TEXT);
                let word = "", styles = new Set();
                const end = () => {
                    if (word) found.push([word, [...styles].join(" or ")]);
                    word = "", styles = new Set();
                };
                // A word can be divided among elements.
                for (let node = walker.nextNode(); node; node = walker.nextNode()) {
                    const { color, fontWeight } = getComputedStyle(node.parentElement);
                    for (const character of node.data) {
                        if (/\\s/.test(character)) end();
                        else word += character, styles.add(`${color} ${fontWeight}`);
                    }
                }
                end();
            }
            return found;
        }"""
        )
    )


def colour(shown, part):
    """The colour that the theme has for a part of code."""
    return shown.page.evaluate(
        """name => {
            const probe = document.createElement("span");
            probe.style.color = `var(--jp-mirror-editor-${name}-color)`;
            document.body.append(probe);
            const { color } = getComputedStyle(probe);
            probe.remove();
            return color;
        }""",
        part,
    )


def test_commands_have_the_colours_of_a_shell_and_python_keeps_its_own(page_of, notebook):
    shown = page_of(notebook)
    expect(shown.page.locator(".dockyard-cells-option").first).to_be_visible()
    for theme in THEMES:
        shown.theme(theme)
        parts = ("variable", "keyword", "attribute", "string", "comment", "def", "builtin")
        plain, keyword, option, string, comment, variable, builtin = (
            f"{colour(shown, part)} 400" for part in parts
        )

        line = dict(colours(shown, 0))
        assert line["!docker"].endswith(builtin)
        assert [line[word] for word in ("exec", "web", "ls")] == [plain] * 3
        assert line["--format"] == option
        assert line["127.0.0.1:80"] == plain
        assert [line["'a"], line["b'"]] == [string] * 2
        assert line["$HOME"] == variable
        assert [line["#"], line["is"]] == [comment] * 2

        script = colours(shown, 1)
        # The themes have one colour for both.
        coloured = [word for word, seen in script if seen in (keyword, builtin)]
        assert coloured == ["for", "in", "do", "docker", "done"]
        assert ["$name", variable] in script and ["--all", option] in script

        mixed = colours(shown, 2)
        assert ["--all", option] in mixed and ["is", plain] in mixed
        bold = [word for word, seen in mixed if seen == keyword.replace(" 400", " 700")]
        assert bold == ["import", "for", "in"]

        assert [word for word, seen in colours(shown, 3) if seen == option] == ["--rm"]
        assert shown.page.locator(".jp-CodeCell").nth(4).locator(".dockyard-cells").count() == 0
        found = dict(faults(shown.page, ".jp-Notebook .cm-content"))
        # JupyterLab's own editors have findings of their own.
        assert "color-contrast" not in found, found


def test_the_colours_follow_what_is_typed(page_of, notebook):
    shown = page_of(notebook)
    cell = shown.page.locator(".jp-CodeCell").nth(4)
    cell.locator(".cm-content").click()
    shown.page.keyboard.press("Control+a")
    shown.page.keyboard.type("!docker ps --all")
    expect(cell.locator(".dockyard-cells-option")).to_have_text("--all")
    shown.page.keyboard.press("Home")
    shown.page.keyboard.type("x = 1 # ")
    expect(cell.locator(".dockyard-cells")).to_have_count(0)


TABLE = """\
CONTAINER ID   IMAGE         COMMAND           STATUS         PORTS                      NAMES
68089d65484b   guestbook:1   "python app.py"   Up 2 seconds   127.0.0.1:8082->8000/tcp   party"""


def test_a_table_stays_whole_and_a_sentence_breaks_between_words(page_of, lab):
    words = ["everything", "that", "is", "printed"] * 12
    shown = page_of(lab.write("tables.ipynb", [f"print({TABLE!r})", f"print({' '.join(words)!r})"]))
    shown.page.set_viewport_size({"width": 1100, "height": 900})
    shown.run_all()
    table, sentence = shown.page.locator(".jp-OutputArea-output pre").all()
    lines = """pre => {
        const text = pre.firstChild, range = document.createRange();
        const found = new Map();
        for (let at = 0; at < text.length; at++) {
            range.setStart(text, at), range.setEnd(text, at + 1);
            const { top } = range.getBoundingClientRect();
            found.set(top, (found.get(top) ?? "") + text.data[at]);
        }
        return [...found.values()];
    }"""
    assert [line.rstrip() for line in table.evaluate(lines)] == TABLE.splitlines()
    assert table.evaluate("pre => pre.parentElement.scrollWidth <= pre.parentElement.clientWidth")
    broken = sentence.evaluate(lines)
    assert len(broken) > 1 and [word for line in broken for word in line.split()] == words


@pytest.mark.engine
def test_a_terminal_beside_the_notebook_is_in_the_lesson(page_of, lab):
    lesson = "99-terminal"
    notebook = lab.write(
        "terminal.ipynb",
        [
            f"%load_ext dockyard\n%lesson {lesson}\nimport os\nos.environ['MINE'] = 'kept'",
            "%terminal",
        ],
    )
    shown = page_of(notebook)
    shown.command("notebook:run-all-cells")
    # xterm.js draws on a canvas.
    shown.page.wait_for_function(
        """prompt => {
            const widgets = [...window.jupyterapp.shell.widgets("main")];
            const screen = widgets.find(({ content }) => content.hasClass("jp-Terminal"))
                ?.content._term?.buffer.active;
            return [...Array(screen?.length ?? 0).keys()].some(
                (line) => screen.getLine(line).translateToString().startsWith(prompt));
        }""",
        arg=f"{lesson}:{lesson}",
    )
    shown.page.locator(".jp-Terminal").click()
    question = (
        "echo $(docker version --format '{{.Server.Os}}') $(basename $DOCKER_CONFIG) "
        "$(basename $PWD) $MINE .${NO_COLOR-coloured}. > answer"
    )
    shown.page.keyboard.type(f"{question}\n")
    answer = lab.root / "work" / lesson / "answer"
    expected = f"linux {lesson} {lesson} kept .coloured.\n"
    wait.until("the terminal's answer", lambda: answer.exists() and answer.read_text(), PATIENCE)
    assert answer.read_text() == expected
    # The notebook stays visible beside it.
    expect(shown.page.locator(".jp-Notebook").first).to_be_visible()
    boxes = [
        shown.page.locator(css).first.bounding_box() for css in (".jp-Notebook", ".jp-Terminal")
    ]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1

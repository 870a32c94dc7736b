"""Questions on pages without a kernel."""

import pytest

from dockyard.quiz import bank, static_page

LESSONS = [bank.load(name) for name in bank.names()]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.name)
def test_the_text_has_all_options_and_no_answer(lesson):
    text, markup = static_page.text(lesson), static_page.markup(lesson)
    for question in lesson.questions:
        for option in question.options:
            assert f"{option.letter}) {option.text}" in text
            assert option.note not in text
            assert static_page.prose(option.note) in markup
    assert markup.count("<details>") == markup.count("</details>") == len(lesson.questions)


def test_markup_is_escaped_and_code_is_marked():
    assert static_page.prose("a < b and `c > d`") == "a &lt; b and <code>c &gt; d</code>"

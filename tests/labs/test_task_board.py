"""What the panel and the screen show of an attempt."""

import pytest

from dockyard.labs import attempt as attempts
from dockyard.labs.task_board import TaskBoard
from tests.support.lab_attempts import LAB, start_web

pytestmark = [pytest.mark.engine, pytest.mark.usefixtures("own_progress")]


def test_a_task_that_has_come_true_is_ticked_announced_and_stays_ticked():
    attempt = attempts.begin(LAB)
    board = TaskBoard(attempt)
    assert [task.said for task in board.tasks] == [""] * len(LAB.tasks)
    board.look()
    web = board.tasks[0]
    assert not web.done and web.said == f"There is no container called {attempt.values['WEB']}."
    assert attempt.values["PORT"] in web.goal
    start_web(attempt)
    board.look()
    assert board.tasks[0].done and board.count == 1 and not board.is_done
    assert board.announced == f"Done: web. 1 of {len(LAB.tasks)}."
    attempts.tidy(attempt)
    board.look()
    assert board.tasks[0].done
    assert TaskBoard(attempt).count == 1
    assert TaskBoard(attempt).announced == "", "it was done before"


def test_hints_stay_with_their_task():
    board = TaskBoard(attempts.begin(LAB))
    for _ in range(5):
        board.hint("web")
    assert [hint[:12] for hint in board.tasks[0].hints] == [
        f"Hint {n} of 4."[:12] for n in range(1, 5)
    ]
    assert board.tasks[1].hints == ()


def test_a_board_of_warm_ups_and_tasks_counts_those_that_were_named():
    board = TaskBoard(attempts.begin(LAB), ["stays", "web"])
    assert [task.title for task in board.tasks] == ["stays", LAB.tasks[0].title]
    assert board.count == 0


def test_another_attempt_ends_the_board():
    board = TaskBoard(attempts.begin(LAB))
    attempts.begin(LAB)
    board.look()
    assert board.has_ended
    assert board.tasks[0].said == ""

"""``%share`` and ``%help``: a learner agrees to be seen by the teacher, and asks for help.

The side bar's buttons (dockyard/jupyter/classroom_panel.py) do the same.
"""

from __future__ import annotations

from collections.abc import Callable

from IPython.core.interactiveshell import InteractiveShell

from dockyard.core import classroom_file
from dockyard.exceptions import SharingFailed, UsageError
from dockyard.sharing import evidence_file, teacher

SHARED = (
    "which tasks of lessons and labs you have done, and when this was sent",
    "which page you are on, and for how many minutes it was in front",
    "how many hints you took in labs, and whether you ask for help",
)
"""What a learner agrees to, for people."""

NOT_SHARED = "Not your commands, files, answers, predictions or mistakes."

NO_TEACHER = "There is no classroom here: nobody can see your progress, and nothing is sent."


def register(ipython: InteractiveShell, page: Callable[[], str]) -> None:
    """Define the magics. page returns the page that this kernel is at, such as ``labs/NAME``."""

    def share(line: str) -> None:
        """``%share [yes|no]``: show what a teacher would see; agree to it, or take it back."""
        match line.strip():
            case "":
                print(explain())
            case "yes":
                print(agree())
            case "no":
                print(revoke())
            case _:
                raise UsageError("%share takes yes or no.", next="What would be shared:  %share")

    def help(line: str) -> None:
        """``%help [off]``: ask the teacher to come to you, or say that you go on by yourself."""
        match line.strip():
            case "":
                print(ask(page()))
            case "off":
                print(ask(None))
            case _:
                raise UsageError(
                    "%help takes no text: your teacher comes to you.",
                    next="You go on by yourself:  %help off",
                )

    magics = ipython.magics_manager.register_function
    magics(share, "line", "share")
    magics(help, "line", "help")


def explain() -> str:
    """What is shared, whether the learner has agreed, and how to change that."""
    if not teacher.address():
        return NO_TEACHER
    agreed = classroom_file.load().agreed
    begin = f"You share with your teacher, since {agreed}:" if agreed else "Your teacher would see:"
    change = "Stop, and remove what was shared:  %share no" if agreed else "Agree:  %share yes"
    state = [] if agreed else ["Nothing is shared now."]
    return "\n".join([begin, *(f"  - {each}" for each in SHARED), NOT_SHARED, *state, change])


def agree() -> str:
    """Share from now on; what to tell the learner."""
    if not teacher.address():
        return NO_TEACHER
    classroom_file.agree()
    return _sent(explain())


def revoke() -> str:
    """Share no longer, and remove what was shared; what to tell the learner."""
    classroom_file.revoke()
    return _sent("Nothing is shared any more, and what was shared is removed.")


def ask(page: str | None) -> str:
    """Ask for help with a page, or with None no longer; what to tell the learner.

    Raises UsageError for a learner who has not agreed to share, as the teacher would not see it.
    """
    if not teacher.address():
        return (
            'There is no classroom here. A task\'s hints:  hint("TASK") in labs, %check TASK --hint'
        )
    if page is not None and not classroom_file.load().agreed:
        raise UsageError(
            "Your teacher does not see this, because you share nothing.",
            next="What would be shared:  %share      Agree:  %share yes",
        )
    with classroom_file.change() as state:
        state.help = None if page is None else evidence_file.place(page or state.page)
    if page is None:
        return _sent("Your teacher sees that you go on by yourself.")
    return _sent("Your teacher sees that you ask for help.  No longer:  %help off")


def _sent(text: str) -> str:
    """Send what has changed at once; the text, or what stands in the way."""
    try:
        teacher.exchange()
    except SharingFailed as error:
        return str(error)
    return text

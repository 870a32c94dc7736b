"""The teacher's page as HTML: who is where, who asks for help, where many are.

One page without scripts, which loads itself again every few seconds. Everything that came from a
learner is escaped.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from html import escape

from dockyard.core.classroom_file import Place
from dockyard.sharing import evidence_file
from dockyard.sharing.room import LONG, Learner, Room

AGAIN = 10
"""Seconds after which a browser loads the page again."""

POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'"
"""What the page may load: nothing but its own style."""

STYLE = """
:root { color-scheme: light dark; --soft: #8884; --call: #c4320a; --long: #9a6700; }
@media (prefers-color-scheme: dark) { :root { --call: #ff9466; --long: #e3b341; } }
body { font: 16px/1.4 system-ui, sans-serif; margin: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; } h2 { font-size: 1.15rem; margin: 1.5rem 0 .5rem; }
table { border-collapse: collapse; } caption { text-align: left; color: GrayText; }
th, td { padding: .25rem .6rem; border: 1px solid var(--soft); text-align: left; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
.here { font-weight: bold; outline: 2px solid currentColor; outline-offset: -2px; }
.call { color: var(--call); font-weight: bold; } .long { color: var(--long); font-weight: bold; }
.away { color: GrayText; } .wide { overflow-x: auto; }
"""


def render(room: Room, *, links: str = "") -> str:
    """The page. links is HTML of the caller's own, put below the heading."""
    here = sum(each.is_here for each in room.learners)
    count = f"{len(room.learners)} share, {here} of them here"
    parts = [
        "<h1>Who is where</h1>",
        f"<p>{count}. As of {time.strftime('%H:%M:%S')}; the page loads itself again every "
        f"{AGAIN} seconds.</p>",
        links,
        f"<p>To all: <q>{escape(room.hint)}</q></p>" if room.hint else "",
        _calls(room),
        _crowded(room),
        _learners(room),
        *(_tasks(room, page) for page in room.pages()),
        _faults(room),
        "<p>This is what learners' own computers say; it does not prove who has done the work.</p>",
    ]
    return document("Who is where", "\n".join(filter(None, parts)), again=True)


def document(title: str, body: str, *, again: bool = False) -> str:
    """An HTML document in the style of the page."""
    refresh = f'<meta http-equiv="refresh" content="{AGAIN}">' if again else ""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">{refresh}'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body>{body}</body></html>\n"
    )


def _calls(room: Room) -> str:
    if not (calls := room.calls()):
        return "<h2>Help</h2><p>Nobody asks for help.</p>"
    items = (
        f'<li><span class="call">{escape(each.name)}</span>: {_place(each.evidence.help)}</li>'
        for each in calls
    )
    return f"<h2>Help</h2><ul>{''.join(items)}</ul>"


def _crowded(room: Room) -> str:
    rows = [
        [_place(each.place), str(each.here), _long(each.long), str(each.done)]
        for each in room.crowded()
    ]
    if not rows:
        return ""
    heads = ["task", "at it now", f"longer than {LONG // 60} minutes", "have done it"]
    return "<h2>Where many are</h2>" + _table("", heads, rows)


def _long(count: int) -> str:
    return f'<span class="long">{count}</span>' if count else "0"


def _learners(room: Room) -> str:
    if not room.learners:
        return "<h2>Learners</h2><p>Nobody has agreed to share yet.</p>"
    pages = room.pages()
    heads = ["learner", "now at", "minutes at it", *map(_title, pages)]
    rows = [
        [_learner(each), *_now(each), *(_progress(each, page) for page in pages)]
        for each in room.learners
    ]
    return "<h2>Learners</h2>" + _table(
        "Tasks done of each page; a frame marks the page in front", heads, rows
    )


def _learner(learner: Learner) -> str:
    name = escape(learner.name)
    if learner.is_here:
        return name
    minutes = round(learner.age / 60)
    ago = f"{minutes} minutes" if minutes < 120 else f"{minutes // 60} hours"
    return f'{name} <span class="away">(away, seen {ago} ago)</span>'


def _now(learner: Learner) -> list[str]:
    if not learner.place:
        return ["", ""]
    minutes = str(learner.seconds // 60)
    is_long = learner.seconds > LONG and learner.place.task
    return [_place(learner.place), f'<span class="long">{minutes}</span>' if is_long else minutes]


def _progress(learner: Learner, page: str) -> str:
    done, of = len(learner.done(page)), len(evidence_file.pages()[page].tasks)
    text = f"✓ {of}" if done == of else f"{done} of {of}" if done else "–"
    is_here = learner.place and learner.place.page == page
    return f'<span class="here">&nbsp;{text}&nbsp;</span>' if is_here else text


def _tasks(room: Room, page: str) -> str:
    rows = [
        [
            escape(each.place.task),
            f"{each.done} of {len(room.learners)}",
            str(each.here),
            _long(each.long),
            "" if each.minutes is None else f"{each.minutes:.0f}",
        ]
        for each in room.tasks(page)
    ]
    heads = ["task", "done", "at it now", f"longer than {LONG // 60} minutes", "median minutes"]
    return f"<h2>{_title(page)}</h2>" + _table("", heads, rows)


def _faults(room: Room) -> str:
    items = "".join(f"<li>{escape(name)}: {escape(why)}</li>" for name, why in room.faults)
    return f"<h2>Not read</h2><ul>{items}</ul>" if items else ""


def _title(page: str) -> str:
    kind, _, name = page.partition("/")
    return escape(f"Lab {name}" if kind == "labs" else name)


def _place(place: Place | None) -> str:
    if not place:
        return ""
    return _title(place.page) + (f", {escape(place.task)}" if place.task else "")


def _table(caption: str, heads: Iterable[str], rows: Iterable[list[str]]) -> str:
    head = "".join(f'<th scope="col">{each}</th>' for each in heads)
    body = "".join(
        f'<tr><th scope="row">{first}</th>{"".join(map(_cell, rest))}</tr>' for first, *rest in rows
    )
    told = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="wide"><table>{told}<thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f'<td class="number">{text}</td>' if text.isdigit() else f"<td>{text}</td>"

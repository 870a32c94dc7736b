"""What ``%%trace`` shows: plain text, and an HTML table with collapsed details."""

from __future__ import annotations

import html
import json

from dockyard.trace import exchange_text, sdk_calls
from dockyard.trace.recorder import Exchange

CLIENT = "<code>docker.from_env()</code>, after <code>import docker</code>"
NOTHING = "No request was sent to the daemon."

# Colours come from the page (currentColor), for light and dark themes. Selectors name both classes
# to outrank JupyterLab's own for tables.
_STYLE = """
.dockyard-trace{max-width:65em}
.dockyard-trace .dockyard-requests{table-layout:auto;border-collapse:collapse;width:100%;margin:0}
.dockyard-requests caption{text-align:left;font-weight:bold;padding:.3em 0}
.dockyard-trace .dockyard-requests :is(th,td){text-align:left;vertical-align:top;max-width:none;
padding:.4em .5em;white-space:normal;border-bottom:1px solid
color-mix(in srgb,currentColor 30%,transparent)}
.dockyard-trace .dockyard-requests :is(code,pre){color:inherit;white-space:pre-wrap;
word-break:normal;overflow-wrap:anywhere}
.dockyard-trace .dockyard-requests pre{background:none;margin:0;padding:0}
.dockyard-trace .dockyard-requests :is(.dockyard-sdk,details>:not(summary)){margin-left:1.2em}
.dockyard-trace .dockyard-requests details>div{margin-top:.4em}
.dockyard-requests summary{cursor:pointer}
.dockyard-requests summary code{font-weight:bold}
.dockyard-requests summary:focus-visible{outline:2px solid currentColor;outline-offset:2px}
.dockyard-kind{border:1px solid currentColor;border-radius:.6em;padding:0 .5em}
"""

_KINDS = {
    "stream": "answered bit by bit while something happens; other requests go on meanwhile",
    "upgrade": "the connection has become a stream of bytes in both directions",
}


class Table:
    """The exchanges of one cell.

    Without times, the table is the same in every run: ids are shown as ``{id}``. times adds
    durations and real ids; curl and sdk add lines to the plain text.
    """

    def __init__(
        self,
        exchanges: list[Exchange],
        *,
        times: bool = False,
        curl: bool = False,
        sdk: bool = False,
    ) -> None:
        self.exchanges = exchanges
        self._times = times
        self._curl = curl
        self._sdk = sdk

    def __repr__(self) -> str:
        """One line per request, in aligned columns."""
        if not self.exchanges:
            return NOTHING
        shown = [exchange_text.path(each, self._times) for each in self.exchanges]
        width = max(map(len, shown))
        lines = []
        for each, path in zip(self.exchanges, shown, strict=True):
            lines.append(f"{each.method:<6} {path:<{width}}  → {exchange_text.outcome(each)}")
            if self._times:
                lines[-1] += f"  {_duration(each)}"
            if self._curl and (line := exchange_text.as_curl(each, self._times)):
                lines.append(f"       {line}")
            if self._sdk:
                call = sdk_calls.as_sdk(each, self._times) or f"({sdk_calls.NO_CODE})"
                lines.append(f"       {call}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Both forms, for the front end to choose from (an IPython protocol)."""
        return {"text/plain": repr(self), "text/html": self.html()}

    def html(self) -> str:
        """An accessible table with collapsed details."""
        if not self.exchanges:
            return f"<p>{NOTHING}</p>"
        columns = ["#", "Request, and the same as SDK code", "Answer"]
        columns += ["Time"] if self._times else []
        heads = "".join(f'<th scope="col">{column}</th>' for column in columns)
        rows = "".join(self._row(number, each) for number, each in enumerate(self.exchanges, 1))
        # Without the data attribute, JupyterLab handles Enter on a summary itself.
        return (
            f"<style scoped>{_STYLE}</style>"
            '<div class="dockyard-trace" data-lm-suppress-shortcuts="true">'
            '<table class="dockyard-requests">'
            "<caption>Requests sent to the daemon, in order. Open one to see all that it says, "
            "and the same as a curl line.</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>{self._legend()}</div>"
        )

    def _row(self, number: int, exchange: Exchange) -> str:
        cells = [str(number), self._request(exchange), _answer(exchange)]
        cells += [_duration(exchange)] if self._times else []
        return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"

    def _request(self, exchange: Exchange) -> str:
        line = f"{exchange.method} {exchange_text.path(exchange, self._times)}"
        parts = {}
        if query := exchange_text.query(exchange, self._times):
            parts["Query"] = "\n".join(f"{name} = {value}" for name, value in query)
        if body := exchange_text.body(exchange, self._times):
            text = body if isinstance(body, str) else json.dumps(body, indent=2, ensure_ascii=False)
            parts["Body"] = text
        parts["As a curl line"] = (
            exchange_text.as_curl(exchange, self._times) or "none: it speaks gRPC"
        )
        details = "".join(
            f"<div>{name}:</div><pre>{html.escape(text)}</pre>" for name, text in parts.items()
        )
        call = sdk_calls.as_sdk(exchange, self._times)
        code = f"<code>{html.escape(call)}</code>" if call else sdk_calls.NO_CODE
        return (
            f"<details><summary><code>{html.escape(line)}</code></summary>{details}</details>"
            f'<div class="dockyard-sdk">{code}</div>'
        )

    def _legend(self) -> str:
        kinds = {each.kind for each in self.exchanges}
        lines = [f"<b>{kind}</b>: {text}" for kind, text in _KINDS.items() if kind in kinds]
        lines.append(f"<code>client</code>: {CLIENT}; a <code>get</code> is a request, too")
        if not self._times:
            lines.append("<code>{id}</code>: an id that the daemon gave")
            lines.append("<code>$SOCKET</code>: the path of the daemon's socket")
        return f"<p>{'<br>'.join(lines)}</p>"


def _answer(exchange: Exchange) -> str:
    if exchange.status is None:
        return "no answer yet"
    text = f"{exchange.status} {html.escape(exchange_text.phrase(exchange))}"
    if exchange.kind in _KINDS:
        text += f' <span class="dockyard-kind">{exchange.kind}</span>'
    return text


def _duration(exchange: Exchange) -> str:
    return "goes on" if exchange.duration_ms is None else f"{exchange.duration_ms:.1f} ms"

"""Exchanges for people: as a table in text and HTML, as curl lines, as SDK code."""

from __future__ import annotations

import html
import json
import re
import shlex

from dockyard import paths
from dockyard.apitrace.record import Exchange

_ID = re.compile(r"(?<=/)(?:sha256:)?[0-9a-f]{12,64}(?=/|$|\?)")

SDK = (
    ("GET", r"/_ping", "client.ping()"),
    ("HEAD", r"/_ping", "client.ping()"),
    ("GET", r"/version", "client.version()"),
    ("GET", r"/info", "client.info()"),
    ("GET", r"/system/df", "client.df()"),
    ("GET", r"/events", "client.events()"),
    ("GET", r"/containers/json", "client.containers.list()"),
    ("POST", r"/containers/create", "client.containers.create(image, command)"),
    ("GET", r"/containers/[^/]+/json", "client.containers.get(name)"),
    ("POST", r"/containers/[^/]+/start", "container.start()"),
    ("POST", r"/containers/[^/]+/stop", "container.stop()"),
    ("POST", r"/containers/[^/]+/restart", "container.restart()"),
    ("POST", r"/containers/[^/]+/kill", "container.kill()"),
    ("POST", r"/containers/[^/]+/pause", "container.pause()"),
    ("POST", r"/containers/[^/]+/unpause", "container.unpause()"),
    ("POST", r"/containers/[^/]+/wait", "container.wait()"),
    ("POST", r"/containers/[^/]+/attach", "container.attach(stream=True)"),
    ("POST", r"/containers/[^/]+/rename", "container.rename(name)"),
    ("POST", r"/containers/[^/]+/resize", "container.resize(height, width)"),
    ("GET", r"/containers/[^/]+/logs", "container.logs()"),
    ("GET", r"/containers/[^/]+/stats", "container.stats()"),
    ("GET", r"/containers/[^/]+/top", "container.top()"),
    ("GET", r"/containers/[^/]+/changes", "container.diff()"),
    ("GET", r"/containers/[^/]+/archive", "container.get_archive(path)"),
    ("PUT", r"/containers/[^/]+/archive", "container.put_archive(path, data)"),
    ("GET", r"/containers/[^/]+/export", "container.export()"),
    ("POST", r"/containers/[^/]+/exec", "container.exec_run(command)"),
    ("POST", r"/exec/[^/]+/start", "container.exec_run(command)"),
    ("GET", r"/exec/[^/]+/json", "client.api.exec_inspect(exec_id)"),
    ("DELETE", r"/containers/[^/]+", "container.remove()"),
    ("POST", r"/commit", "container.commit(repository)"),
    ("GET", r"/images/json", "client.images.list()"),
    ("POST", r"/images/create", "client.images.pull(name)"),
    ("POST", r"/images/load", "client.images.load(data)"),
    ("GET", r"/images/get", "image.save()"),
    ("GET", r"/images/.+/get", "image.save()"),
    ("GET", r"/images/.+/history", "image.history()"),
    ("GET", r"/images/.+/json", "client.images.get(name)"),
    ("POST", r"/images/.+/push", "client.images.push(name)"),
    ("POST", r"/images/.+/tag", "image.tag(name)"),
    ("DELETE", r"/images/.+", "client.images.remove(name)"),
    ("POST", r"/build", "client.images.build(path=folder)"),
    ("POST", r"/auth", "client.login(username, password)"),
    ("GET", r"/networks", "client.networks.list()"),
    ("POST", r"/networks/create", "client.networks.create(name)"),
    ("GET", r"/networks/[^/]+", "client.networks.get(name)"),
    ("POST", r"/networks/[^/]+/connect", "network.connect(container)"),
    ("POST", r"/networks/[^/]+/disconnect", "network.disconnect(container)"),
    ("DELETE", r"/networks/[^/]+", "network.remove()"),
    ("GET", r"/volumes", "client.volumes.list()"),
    ("POST", r"/volumes/create", "client.volumes.create(name)"),
    ("GET", r"/volumes/[^/]+", "client.volumes.get(name)"),
    ("DELETE", r"/volumes/[^/]+", "volume.remove()"),
    ("GET", r"/plugins", "client.plugins.list()"),
    ("POST", r"/swarm/init", "client.swarm.init()"),
    ("POST", r"/services/create", "client.services.create(image)"),
    ("GET", r"/services", "client.services.list()"),
    ("GET", r"/nodes", "client.nodes.list()"),
)
"""The common endpoints (Docker Engine API) with the call of the Python SDK that uses each."""


def stable_path(exchange: Exchange) -> str:
    """The path with ``{id}`` in the place of ids."""
    return _ID.sub("{id}", exchange.path)


def outcome(exchange: Exchange) -> str:
    """Status and, for what is more than an answer, its kind."""
    status = str(exchange.status) if exchange.status is not None else "no answer yet"
    return status if exchange.kind == "plain" else f"{status} {exchange.kind}"


def as_curl(exchange: Exchange) -> str:
    """The same request as a curl command line."""
    words = ["curl", "--unix-socket", str(paths.front_door())]
    if exchange.method == "HEAD":
        words.append("--head")
    elif exchange.method != "GET":
        words += ["--request", exchange.method]
    if exchange.body is not None:
        body = json.dumps(exchange.body)
        words += ["--header", "Content-Type: application/json", "--data", body]
    return shlex.join([*words, f"http://localhost{exchange.target}"])


def as_sdk(exchange: Exchange) -> str:
    """The call of the Python SDK that sends such a request; an empty string for none."""
    for method, pattern, call in SDK:
        if method == exchange.method and re.fullmatch(pattern, exchange.path):
            return call
    return ""


class Table:
    """What ``%%trace`` shows: a stable text, and a table with folded details in HTML."""

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
        """One line a request, its columns aligned."""
        if not self.exchanges:
            return "No request was sent to the daemon."
        paths_shown = [stable_path(each) for each in self.exchanges]
        width = max(map(len, paths_shown))
        lines = []
        for each, path in zip(self.exchanges, paths_shown, strict=True):
            line = f"{each.method:<6} {path:<{width}}  → {outcome(each)}"
            if self._times and each.duration_ms is not None:
                line += f"  {each.duration_ms:.1f} ms"
            lines.append(line)
            if self._curl:
                lines.append(f"       {as_curl(each)}")
            if self._sdk and as_sdk(each):
                lines.append(f"       {as_sdk(each)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """A table for eyes and screen readers; colours are the page's own."""
        rows = "".join(self._row(number, each) for number, each in enumerate(self.exchanges, 1))
        time_head = "<th scope='col'>time</th>" if self._times else ""
        return (
            "<table style='text-align:left'><caption>Requests sent to the daemon, in order"
            "</caption><thead><tr><th scope='col'>#</th><th scope='col'>request</th>"
            f"<th scope='col'>answer</th>{time_head}<th scope='col'>the same by hand</th></tr>"
            f"</thead><tbody>{rows}</tbody></table>"
        )

    def _row(self, number: int, exchange: Exchange) -> str:
        shown = html.escape(f"{exchange.method} {stable_path(exchange)}")
        time = ""
        if self._times:
            time = (
                f"<td>{exchange.duration_ms:.1f} ms</td>"
                if exchange.duration_ms is not None
                else "<td></td>"
            )
        return (
            f"<tr><td>{number}</td><td style='text-align:left'><code>{shown}</code></td>"
            f"<td style='text-align:left'>{html.escape(outcome(exchange))}</td>{time}"
            f"<td style='text-align:left'>{self._by_hand(exchange)}</td></tr>"
        )

    def _by_hand(self, exchange: Exchange) -> str:
        # Ids would make the stored page differ from run to run, so curl is shown on request.
        parts = []
        if call := as_sdk(exchange):
            parts.append(f"<code>{html.escape(call)}</code>")
        if self._curl:
            command = html.escape(as_curl(exchange))
            parts.append(f"<details><summary>curl</summary><code>{command}</code></details>")
        return "<br>".join(parts)

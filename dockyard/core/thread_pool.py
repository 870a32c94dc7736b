"""A thread pool that does not outlive an interrupt."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from dockyard.core import docker_client
from dockyard.core.process import terminate_helpers

GRACE = 5.0
"""Seconds that threads have to clean up before what they wait for is stopped once more."""


@contextmanager
def thread_pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A ThreadPoolExecutor for the length of a ``with`` block.

    When the block raises, tasks that have not begun are cancelled. On KeyboardInterrupt the
    programs and the daemon's answers that running tasks wait for are stopped too, because a
    single image can take minutes. Always waits until all threads have ended.
    """
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, KeyboardInterrupt):
            _interrupt(pool)
        raise
    finally:
        pool.shutdown()


def _interrupt(pool: ThreadPoolExecutor) -> None:
    ended = threading.Thread(target=pool.shutdown)
    ended.start()
    while ended.is_alive():
        terminate_helpers()
        docker_client.hang_up()
        ended.join(GRACE)

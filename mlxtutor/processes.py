"""Work for all cores: a process each."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from mlxtutor.errors import TutorError

SPAWN = multiprocessing.get_context("spawn")  # a copy of a process with threads may stand still


@contextmanager
def processes(count: int, start: Callable[..., None], arguments: tuple[Any, ...], doing: str, remedy: str) -> Iterator[ProcessPoolExecutor]:
    """So many processes, each begun with start(*arguments). TutorError when one ends; doing, remedy: for its message."""
    try:
        with ProcessPoolExecutor(count, SPAWN, start, arguments) as pool:
            yield pool
    except BrokenProcessPool:
        raise TutorError(f"a process that {doing} ended (out of memory? {remedy}; in a script of your own, call this under "
                         'if __name__ == "__main__")') from None

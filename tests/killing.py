"""A process that dies by SIGKILL before its file operation of some number."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Collection

FILE_OPERATIONS = ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.chmod", "shutil.rmtree", "fcntl.flock")


def killed_at(operation: int, work: Callable[[], object], operations: Collection[str] = FILE_OPERATIONS) -> bool:
    """Do the work in a fork that is killed before this file operation; False when it came to its end."""
    child = os.fork()
    if not child:
        left = operation

        def count(event: str, _: object) -> None:
            nonlocal left
            left -= event in operations
            if event in operations and left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work()
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status != 0

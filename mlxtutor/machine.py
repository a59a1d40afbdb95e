"""What this machine has: memory, disk, cores, and whether a folder can be written."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> dict[str, int]:
    """{"total", "available"}; in a container no more than its limit (cgroup v2). Without /proc all of it counts as available."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    available = total
    if MEMINFO.exists():
        fields = dict(line.split(":", 1) for line in MEMINFO.read_text().splitlines())
        available = int(fields["MemAvailable"].split()[0]) * 1024
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit is not None:
        total = min(total, limit)
        available = min(available, limit - (used or 0))
    return {"total": total, "available": available}


def _cgroup(name: str) -> int | None:
    path = CGROUP / name
    text = path.read_text().strip() if path.exists() else "max"
    return int(text) if text.isdigit() else None


def disk_free_bytes(folder: Path) -> int:
    """Free space where the folder is, or would be."""
    return shutil.disk_usage(existing_parent(folder)).free


def existing_parent(folder: Path) -> Path:
    """The folder itself, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def unwritable_reason(folder: Path) -> str:
    """Why nothing can be written there, or "". The folder need not exist; nothing is left behind."""
    parent = existing_parent(folder)
    if not parent.is_dir():
        return f"{parent} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=parent) as file:
            file.write(b"x")
    except OSError as error:
        return f"{parent}: {error.strerror or error}"
    return ""


def describe_python() -> dict[str, str]:
    import mlxtutor

    return {"version": platform.python_version(), "platform": platform.platform(), "mlxtutor": mlxtutor.__version__}

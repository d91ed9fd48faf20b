"""How much memory this process may take, as far as the system tells."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def memory_limit() -> float:
    """Return the bytes that this process may hold, by machine, limits and container; infinite if unknown."""
    return min(_physical(), _address_space(), _container())


def _physical() -> float:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # not on Windows
        return float("inf")


def _address_space() -> float:
    try:
        import resource
    except ImportError:  # not on Windows
        return float("inf")
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return float("inf") if soft == resource.RLIM_INFINITY else float(soft)


def _container() -> float:
    try:
        text = _CGROUP.read_text(encoding="ascii").strip()
    except OSError:
        return float("inf")
    return float(text) if text.isdecimal() else float("inf")


@contextlib.contextmanager
def bounded_memory(n_bytes: int) -> Iterator[None]:
    """Let this process take no more than so many bytes besides what it has, where the system can do that.

    Whatever asks for more during the block gets a MemoryError.
    """
    try:
        import resource
    except ImportError:  # not on Windows
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    held = _held()
    if math.isfinite(held):
        limits = [held + n_bytes, *(old for old in (soft, hard) if old != resource.RLIM_INFINITY)]
        resource.setrlimit(resource.RLIMIT_AS, (int(min(limits)), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _held() -> float:
    """Return the address space of this process; infinite if unknown."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    except (OSError, ValueError, AttributeError):
        return float("inf")

"""Compiled models leave no patient's data behind: what may be cached, and where generated source goes.

PyTensor writes the source that it generates to the temporary folder and compiled functions to a cache in the user's
home, for good and readable by anybody. A function over placeholder data holds no data. A model that Bambi builds has
the data in it as constants, and these would be in the cache.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Free room that is asked for; the source of a model of four coefficients took about 0.1 MB.
_ROOM = 4 * 2**20


@functools.cache
def _private_folder() -> str:
    """Make a folder that only this user can read and that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="bayes-alliance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def find_cache() -> None:
    """Let PyTensor keep what it compiles in a folder of this process where the home cannot be written to.

    It looks for a place when it is imported, and ends there where it finds none.
    """
    flags = os.environ.get("PYTENSOR_FLAGS", "")
    if "compiledir" in flags or "pytensor" in sys.modules:
        return
    place = Path("~/.pytensor").expanduser()
    nearest = next((folder for folder in (place, *place.parents) if folder.exists()), place)
    if not os.access(nearest, os.R_OK | os.W_OK | os.X_OK):
        own = f"base_compiledir={_private_folder()}"
        os.environ["PYTENSOR_FLAGS"] = f"{flags},{own}" if flags else own


def keep_sources_private() -> None:
    """Let generated source go to a folder of this process, which is removed at its end.

    Raises
    ------
    OSError
        If the folder has no room for it: what the compiler says in its place does not tell.
    """
    import pytensor

    folder = _private_folder()
    if shutil.disk_usage(folder).free < _ROOM:
        need = f"the temporary folder has no room for compiled models ({_ROOM // 2**20} MB); set TMPDIR to another"
        raise OSError(errno.ENOSPC, need, str(Path(folder).parent))
    pytensor.config.generated_src_dir = folder


@contextlib.contextmanager
def nothing_cached() -> Iterator[None]:
    """Compile in memory alone during the block: for models that hold data as constants."""
    import pytensor

    keep_sources_private()
    with pytensor.config.change_flags(numba__cache=False):
        yield

"""Compiled models leave no patient's data behind: what may be cached, and where generated source goes.

PyTensor writes the source that it generates to the temporary folder and compiled functions to a cache in the user's
home, for good and readable by anybody. A function over placeholder data holds no data. A model that Bambi builds has
the data in it as constants, and these would be in the cache.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import shutil
import tempfile
from collections.abc import Iterator


@functools.cache
def _private_folder() -> str:
    """Make a folder that only this user can read and that is removed when the process ends."""
    folder = tempfile.mkdtemp(prefix="bayes-alliance-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def keep_sources_private() -> None:
    """Let generated source go to a folder of this process, which is removed at its end."""
    import pytensor

    pytensor.config.generated_src_dir = _private_folder()


@contextlib.contextmanager
def nothing_cached() -> Iterator[None]:
    """Compile in memory alone during the block: for models that hold data as constants."""
    import pytensor

    keep_sources_private()
    with pytensor.config.change_flags(numba__cache=False):
        yield

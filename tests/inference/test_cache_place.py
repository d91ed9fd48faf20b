"""Engines that compile find a place for what they compile, also where the home cannot be written to."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from bayes_alliance.inference.pymc import private_cache


@pytest.mark.parametrize(
    ("may_write", "flags", "own_place"),
    [(True, "", False), (False, "", True), (False, "cxx=", True), (False, "base_compiledir=/x", False)],
)
def test_pytensor_is_given_a_folder_where_the_home_is_closed(
    may_write: bool, flags: str, own_place: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A folder of this process, beside the flags of the user; a place that the user chose stays."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PYTENSOR_FLAGS", flags)
    monkeypatch.delitem(sys.modules, "pytensor", raising=False)
    monkeypatch.setattr(private_cache, "_private_folder", lambda: "/private")
    monkeypatch.setattr(private_cache.os, "access", lambda path, mode: may_write or path != tmp_path)
    private_cache.find_cache()
    expected = "base_compiledir=/private" if not flags else f"{flags},base_compiledir=/private"
    assert os.environ["PYTENSOR_FLAGS"] == (expected if own_place else flags)


def test_a_full_temporary_folder_is_said_before_compiling(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With next to no room PyTensor's compiler ended in a division by zero."""
    free = [10**5]
    monkeypatch.setattr(private_cache, "_private_folder", lambda: str(tmp_path / "own"))
    monkeypatch.setattr(private_cache.shutil, "disk_usage", lambda folder: SimpleNamespace(free=free[0]))
    with pytest.raises(OSError, match="no room for compiled models \\(4 MB\\); set TMPDIR") as caught:
        private_cache.keep_sources_private()
    assert caught.value.filename == str(tmp_path)
    free[0] = 10**8
    private_cache.keep_sources_private()

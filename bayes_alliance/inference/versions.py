"""Versions of the packages, and the digest of the code, that a posterior depends on."""

from __future__ import annotations

import importlib.metadata
import platform

from bayes_alliance.runtime.code_digest import code_digest


def engine_versions() -> str:
    """Return the versions of Python and of the packages, and the digest of the code, that a posterior depends on."""
    names = ("bayes-alliance", "pymc", "pytensor", "bambi", "nutpie", "numba", "numpy")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in names]
    code = code_digest("bayes_alliance.inference.engines", "bayes_alliance.run.posterior_store")
    return ", ".join([*versions, f"Python {platform.python_version()}", f"code {code}"])

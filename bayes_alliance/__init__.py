"""Bayesian reanalysis of published longitudinal mixed-model studies, beside their frequentist mirror.

For notebooks, what is needed most stands here; each name is imported when it is first used, so that importing the
package costs next to nothing::

    import bayes_alliance as ba

    study = ba.load_study("folmo2020")
    results = ba.reanalyse(study, engine="collapsed")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bayes_alliance.api import Reanalysis, bambi_model, pymc_model, reanalyse
    from bayes_alliance.cohorts.study_rows import load_data
    from bayes_alliance.inference.arviz_tree import posterior_tree
    from bayes_alliance.published.audit import audit_study
    from bayes_alliance.published.cell_posterior import cell_posteriors
    from bayes_alliance.study.load_study import list_studies, load_study

_HOMES = {
    "Reanalysis": "api",
    "audit_study": "published.audit",
    "bambi_model": "api",
    "cell_posteriors": "published.cell_posterior",
    "list_studies": "study.load_study",
    "load_data": "cohorts.study_rows",
    "load_study": "study.load_study",
    "posterior_tree": "inference.arviz_tree",
    "pymc_model": "api",
    "reanalyse": "api",
}

__all__ = [
    "Reanalysis",
    "__version__",
    "audit_study",
    "bambi_model",
    "cell_posteriors",
    "list_studies",
    "load_data",
    "load_study",
    "posterior_tree",
    "pymc_model",
    "reanalyse",
]


def __getattr__(name: str) -> Any:
    """Import a name of this list when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what can be used, imported yet or not."""
    return sorted({*globals(), *__all__})

"""Bayesian reanalysis of published longitudinal mixed-model studies, beside their frequentist mirror.

Every name is imported when it is first used, so that importing the package costs next to nothing::

    import bayes_alliance as ba

    fit = ba.fit("y ~ time * group + (time | id)", frame)  # no study file: ML, REML and posterior
    results = ba.reanalyse("folmo2020", engine="collapsed")  # every model of a study

What else there is stands in ``dir(ba)``.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bayes_alliance.api.frames import ModelFit, compare, fit, loo
    from bayes_alliance.api.reanalysis import Reanalysis, bambi_model, pymc_model, reanalyse
    from bayes_alliance.api.register import register
    from bayes_alliance.api.simulations import simulate_comparison, simulate_power, simulate_sbc
    from bayes_alliance.api.structured import StructuredFit
    from bayes_alliance.api.studies import (
        audit,
        build_cohorts,
        judge_claims,
        new_study,
        posterior_from_print,
        stress_test,
    )
    from bayes_alliance.cohorts.study_rows import load_data
    from bayes_alliance.inference.arviz_tree import posterior_tree
    from bayes_alliance.published.audit import audit_study
    from bayes_alliance.published.cell_posterior import cell_posteriors
    from bayes_alliance.show.tables_of import tables
    from bayes_alliance.study.load_study import list_studies, load_study

_HOMES = {
    "ModelFit": "api.frames",
    "Reanalysis": "api.reanalysis",
    "StructuredFit": "api.structured",
    "audit": "api.studies",
    "audit_study": "published.audit",
    "bambi_model": "api.reanalysis",
    "build_cohorts": "api.studies",
    "cell_posteriors": "published.cell_posterior",
    "compare": "api.frames",
    "fit": "api.frames",
    "judge_claims": "api.studies",
    "list_studies": "study.load_study",
    "load_data": "cohorts.study_rows",
    "load_study": "study.load_study",
    "loo": "api.frames",
    "new_study": "api.studies",
    "posterior_from_print": "api.studies",
    "posterior_tree": "inference.arviz_tree",
    "pymc_model": "api.reanalysis",
    "reanalyse": "api.reanalysis",
    "register": "api.register",
    "simulate_comparison": "api.simulations",
    "simulate_power": "api.simulations",
    "simulate_sbc": "api.simulations",
    "stress_test": "api.studies",
    "tables": "show.tables_of",
}

__all__ = [
    "ModelFit",
    "Reanalysis",
    "StructuredFit",
    "__version__",
    "audit",
    "audit_study",
    "bambi_model",
    "build_cohorts",
    "cell_posteriors",
    "compare",
    "fit",
    "judge_claims",
    "list_studies",
    "load_data",
    "load_study",
    "loo",
    "new_study",
    "posterior_from_print",
    "posterior_tree",
    "pymc_model",
    "reanalyse",
    "register",
    "simulate_comparison",
    "simulate_power",
    "simulate_sbc",
    "stress_test",
    "tables",
]


def __getattr__(name: str) -> Any:
    """Import a name of this list when it is first asked for (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List what is public, imported yet or not."""
    return sorted(__all__)

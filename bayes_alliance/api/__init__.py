"""The package in Python: what every command does, in one call each, and more.

``reanalysis`` runs a study, ``frames`` fits a model to a data frame without any study file, ``studies`` and
``simulations`` do what the other commands do. ``import bayes_alliance as ba`` gives all of it by name.
"""

from bayes_alliance.api.reanalysis import Reanalysis, bambi_model, pymc_model, reanalyse

__all__ = ["Reanalysis", "bambi_model", "pymc_model", "reanalyse"]

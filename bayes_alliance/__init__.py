"""Bayesian reanalysis of published longitudinal mixed-model studies, beside their frequentist mirror."""

__version__ = "0.1.0"

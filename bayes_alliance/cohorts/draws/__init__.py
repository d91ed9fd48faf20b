"""Data sets drawn given everything that a publication prints, under a joint growth model of all outcomes.

``growth`` is the model and its conditional draws, ``statistics`` what is printed as functions of the scores (with
``wald``), ``start`` a first point that meets it, ``moves`` exact Metropolis steps among all that do, ``truncated``
draws of normal statistics in their intervals; ``conditional`` puts these together for one data set, ``study_model``
builds them from a study, and ``cohort`` draws a whole cohort. See docs/cohorts.md.
"""

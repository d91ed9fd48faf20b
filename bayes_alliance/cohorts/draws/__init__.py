"""Data sets drawn given everything that a publication prints, under a joint growth model of all outcomes.

``growth`` is the model and its conditional draws, ``statistics`` what is printed as functions of the scores (with
``wald``), ``start`` a first point that meets it, ``moves`` exact Metropolis steps among all that do, and ``truncated``
draws of normal statistics in their intervals. See docs/given_print.md.
"""

"""Simulated studies: whether an inference is calibrated, what a design can tell, which approach does better.

Simulated outcomes stand on the columns of a study's own rows; no observed outcome enters a simulated study except
through the parameters that it is drawn from. Everything here is pure; the tasks are run by
:mod:`bayes_alliance.runtime.resumable_tasks`.
"""

"""Cohorts on which an ordinary mixed-model fit prints a publication's tables again, cell for cell.

``targets`` says what the printed cells ask of the scores, ``sensitivity`` how every maximum-likelihood number
moves with every single score, ``solve`` moves the scores until all is met on their own measurement grid, ``roster``
does the same for the patients' baseline values, ``scorecard`` compares cell by cell, ``plausibility`` refuses freaks,
and ``ensemble`` builds many cohorts that differ in all that was not printed.

That such cohorts exist is no recovery of the data; what was matched agrees by construction.
"""

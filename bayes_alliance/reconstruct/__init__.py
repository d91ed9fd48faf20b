"""Cohorts on which an ordinary mixed-model fit prints a publication's tables again, cell for cell.

``targets`` says what the printed cells ask, ``design`` finds patients and visits on which the printed standard errors
can be had, ``sensitivity`` says how every maximum-likelihood number moves with every single score, ``demands`` puts
all that is asked of an outcome together, ``solve`` moves its scores until all is met on their own measurement grid,
``items`` draws the ratings underneath, and ``build`` does these in turn. ``scorecard`` compares cell by cell,
``plausibility`` refuses freaks, ``ensemble`` builds many cohorts that differ in all that was not printed, and
``store`` keeps them.

That such cohorts exist is no recovery of the data; what was matched agrees by construction.
"""

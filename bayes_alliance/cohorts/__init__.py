"""Cohorts on which an ordinary mixed-model fit prints a publication's tables again, cell for cell.

``targets`` says what the printed cells ask, ``design`` finds patients and visits on which the printed standard errors
can be had, ``sensitivity`` says how every maximum-likelihood number moves with every single score (on ``kernel``, and
``boundary`` where a fit is singular), ``demands`` puts all that is asked of an outcome together, ``solve`` moves its
scores until all is met on their own measurement grid (``free_moves``, then ``grid_moves``), ``items`` draws the
ratings underneath, and ``build`` does these in turn; ``rebuild`` does it on a design that is known, and ``truth`` asks
whether what comes out spans the truth. ``scorecard`` compares cell by cell, ``plausibility`` refuses freaks,
``ensemble`` builds many cohorts that differ in all that was not printed, ``places`` spreads them over it, and ``store``
keeps them.

That such cohorts exist is no recovery of the data; what was matched agrees by construction.
"""

"""Is the fit good, which model: LOO, comparison, predictive checks, Bayes factors, verdict rules."""

"""Linear mixed models beyond one grouping factor and independent residuals: one likelihood, ML, REML, posterior."""

"""Plan, fit, judge and keep one run."""

"""The numerical part of building a cohort: targets, demands, moves."""

"""Which rows: readers, shape, derived variables, checks."""

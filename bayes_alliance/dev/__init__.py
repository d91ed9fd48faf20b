"""Is the package itself right: benchmark, pages made from code, recovery checks. Not in the wheel."""

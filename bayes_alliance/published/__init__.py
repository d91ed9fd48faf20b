"""What the printed numbers alone can tell: audit, posterior from the table, reverse-Bayes, interaction.

Works on a study file's cells and facts, without any patient's data. NumPy and SciPy only; no engine is
imported. :mod:`bayes_alliance.study.printed_cell` turns a string into the set of numbers that print like it.
"""

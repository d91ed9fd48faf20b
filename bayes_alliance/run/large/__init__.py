"""Data of registry size: Parquet files that need not fit into memory, reduced to the statistics of the likelihood.

Rows are read in pieces, on processes or a cluster if wanted. What is kept of them are cross products by patient, and by
pattern of visit times once a patient is complete, so memory grows with the number of distinct patterns and not with
rows. The same ML, REML and ``collapsed`` then run on these statistics.
"""

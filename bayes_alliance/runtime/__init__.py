"""How work is run and kept whole: files, pools, tasks, stores, digests of code."""

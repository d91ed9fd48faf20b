"""The engines that sample: Bambi formulas, PyMC models, NUTS."""

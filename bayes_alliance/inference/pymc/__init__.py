"""The engines that sample: Bambi formulas, PyMC models, NUTS."""

from bayes_alliance.inference.pymc.private_cache import find_cache

# Before anything here imports PyTensor.
find_cache()

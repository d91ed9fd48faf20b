"""Figures of a run, at print size, each with the numbers it shows. Show; never fit.

No figure holds a patient's data: means of fewer than five rows are withheld, and calibration curves stand on
a grid. matplotlib is imported here and in the modules below, nowhere else.
"""

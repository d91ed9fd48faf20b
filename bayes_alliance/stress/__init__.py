"""Stress tests: what becomes of an estimand when one assumption of its model is changed.

Each test is a pure function from a prepared model to frozen records that hold draws, so that any verdict rule can be
applied to them. Fits; shows nothing.
"""

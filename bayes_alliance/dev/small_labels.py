r"""Who has the covariate that a small publication does not mention, drawn given the scores.

Nothing printed depends on it, so the scores stay as they are. Given the coefficients, patient i's label weighs in by

.. math:: w_i = \log N(x_i; \mu_i(1), V_i) - \log N(x_i; \mu_i(0), V_i),

and labels of a fixed number of patients have probability proportional to :math:`\exp(\sum_i e_i w_i)`: swaps of two
patients are accepted by the difference of their weights. Labels given coefficients and coefficients given labels take
turns, a Gibbs sampler. Long chains showed these labels to be what steps from design to design forget last.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np

from bayes_alliance.cohorts.draws.growth import Floats, Ints, Layout, Whitening
from bayes_alliance.dev.small_publications import EXTRA_COLUMNS, World

_TURNS = 8
_SWAPS = 60
_EXTRA = list(EXTRA_COLUMNS)


@dataclass(frozen=True, kw_only=True)
class WhiteColumns:
    """Scores and columns divided by the Cholesky factor of each patient's covariance.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Less their prior means.
    columns : ndarray, shape (n, p)
        Of all coefficients in prior SDs; those of the covariate as of a patient who has 1 in place of a label.
    patient : ndarray of int, shape (n,)
        Whose score.
    """

    scores: Floats
    columns: Floats
    patient: Ints

    def labelled(self, labels: Floats) -> Floats:
        """Columns with these labels, shape (n, p)."""
        found = self.columns.copy()
        found[:, _EXTRA] *= (labels - 0.5)[self.patient][:, None]
        return found

    def draw(self, labels: Floats, rng: np.random.Generator) -> Floats:
        """Draw the coefficients given labels and scores."""
        columns = self.labelled(labels)
        root = np.linalg.cholesky(np.eye(columns.shape[1]) + columns.T @ columns)
        half = np.linalg.solve(root, columns.T @ self.scores)
        found: Floats = np.linalg.solve(root.T, half + rng.standard_normal(len(half)))
        return found

    def weigh(self, gamma: Floats) -> Floats:
        """Log density of each patient's scores with the covariate less that without, shape (n_patients,)."""
        effect = self.columns[:, _EXTRA] @ gamma[_EXTRA]
        others = gamma.copy()
        others[_EXTRA] = 0.0
        # Labels enter as a half more or less than their middle, so squares of the effect cancel.
        return np.bincount(self.patient, weights=(self.scores - self.columns @ others) * effect)


def whiten_columns(whitening: Whitening, x: Floats) -> WhiteColumns:
    """Divide scores and columns by the factor of each patient's covariance."""
    layout = whitening.layout
    columns = whitening.scaled.copy()
    columns[:, _EXTRA] = np.stack([np.ones(len(x)), layout.time], axis=1) * layout.column_sd[_EXTRA]
    both = np.column_stack([x - layout.centre, columns])
    for block, root in zip(whitening.blocks, whitening.roots, strict=True):
        both[block] = np.linalg.solve(root, both[block])
    return WhiteColumns(scores=both[:, 0], columns=both[:, 1:], patient=layout.patient)


def draw_labels(
    world: World, whitening: Whitening, x: Floats, rng: np.random.Generator
) -> tuple[World, Whitening, Floats]:
    """Draw coefficients and labels given scores and covariances, in turns.

    Parameters
    ----------
    world : World
        The design, with the present labels.
    whitening : Whitening
        On the world's layout.
    x : ndarray, shape (n,)
        Scores.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    world, whitening, gamma
        With the labels drawn, and the coefficients in prior SDs.
    """
    white = whiten_columns(whitening, x)
    starts = world.layout.starts[:-1]
    labels = world.frame["extra"].to_numpy()[starts].copy()
    gamma = white.draw(labels, rng)
    for _ in range(_TURNS):
        _swap(labels, white.weigh(gamma), rng)
        gamma = white.draw(labels, rng)
    layout = _relabel(world.layout, labels)
    found = copy.copy(whitening)
    found.layout, found.scaled = layout, layout.columns * layout.column_sd
    frame = world.frame.assign(extra=labels[layout.patient])
    return replace(world, frame=frame, layout=layout), found, gamma


def _swap(labels: Floats, weights: Floats, rng: np.random.Generator) -> None:
    """Metropolis swaps, in place, of a patient with the covariate and one without."""
    pairs = rng.integers(0, len(labels), (_SWAPS, 2))
    logs = np.log(rng.random(_SWAPS))
    for (i, j), log in zip(pairs.tolist(), logs.tolist(), strict=True):
        if labels[i] != labels[j] and log < (labels[j] - labels[i]) * (weights[i] - weights[j]):
            labels[i], labels[j] = labels[j], labels[i]


def _relabel(layout: Layout, labels: Floats) -> Layout:
    columns = layout.columns.copy()
    level = labels[layout.patient] - 0.5
    columns[:, _EXTRA] = np.stack([level, level * layout.time], axis=1)
    return replace(layout, columns=columns)

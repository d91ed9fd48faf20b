"""Trees for ArviZ: dimensions, names, provenance, and that ArviZ can work on them."""

from __future__ import annotations

import dataclasses

import numpy as np

from bayes_alliance.inference.arviz_tree import posterior_tree
from tests.known_posteriors import make_design, make_rows, posterior_around_ml

DESIGN = make_design(make_rows(12), "y ~ time + (time | patient)")
FIT = posterior_around_ml(DESIGN, draws=50, model_id="growth")


def test_draws_stand_under_their_names() -> None:
    """Selecting a coefficient or a random effect by name gives its draws."""
    posterior = posterior_tree(FIT)["posterior"]
    np.testing.assert_array_equal(posterior["beta"].sel(coefficient="time"), FIT.beta[..., 1])
    np.testing.assert_array_equal(posterior["sd"].sel(random_coefficient="time"), FIT.sd[..., 1])
    assert dict(posterior.sizes) == {"chain": 4, "draw": 50, "coefficient": 2, "random_coefficient": 2}


def test_the_tree_says_what_it_is_and_where_its_data_come_from() -> None:
    """Model, formula, covariance type and source travel with the draws."""
    attributes = posterior_tree(FIT)["posterior"].attrs
    assert attributes == {
        "model_id": "growth",
        "formula": "y ~ 1 + time + (1 + time | patient)",
        "covariance": "UN",
        "source": "synthetic",
    }


def test_without_a_sampler_there_is_no_group_of_its_statistics() -> None:
    """An empty group would look as if nothing had diverged."""
    assert set(posterior_tree(FIT).children) == {"posterior", "sample_stats"}
    assert set(posterior_tree(dataclasses.replace(FIT, sample_stats={})).children) == {"posterior"}


def test_arviz_summarises_the_tree() -> None:
    """ArviZ's own summary of the slope is that of the draws."""
    import arviz_stats

    table = arviz_stats.summary(posterior_tree(FIT), round_to="none")
    assert np.isclose(table.loc["beta[time]", "mean"], FIT.beta[..., 1].mean())

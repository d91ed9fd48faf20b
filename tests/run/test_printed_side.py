"""What a run keeps of the printed numbers."""

from __future__ import annotations

import pickle

import pytest

import bayes_alliance as ba
from bayes_alliance.errors import InputError
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.cell_posterior import cell_posteriors
from bayes_alliance.published.reverse_bayes import reverse_bayes
from bayes_alliance.run.printed_side import analyse_printed, posterior_from_print, printed_priors


def test_the_record_is_what_each_analysis_gives_alone() -> None:
    """Posteriors, audit and sceptical limits are those of their own modules, and survive a trip to another process."""
    study = ba.load_study("folmo2020")
    made = analyse_printed(study, ["neutral"])
    assert made is not None
    printed = pickle.loads(pickle.dumps(made))
    wanted = cell_posteriors(study, ["neutral"])
    assert [(one.effect.name, one.mean) for one in printed.posteriors] == [
        (one.effect.name, one.mean) for one in wanted
    ]
    assert printed.audit == audit_study(study)
    assert {claim.effect.is_deviation for claim in printed.claims} == {True}
    for claim in printed.claims:
        assert claim.effect.region is not None
        assert repr(claim.reverse) == repr(reverse_bayes(claim.effect.region))
    assert {one.effect.role for one in printed.slope_deviations()} == {"slope_deviation"}
    assert len(printed.contrasts) == 1


def test_a_study_without_printed_cells_has_no_such_record() -> None:
    """A run goes on without it; asking for it is an error that says what is missing."""
    study = ba.load_study("medication")
    assert analyse_printed(study) is None
    with pytest.raises(InputError, match="no printed cells"):
        posterior_from_print(study)


def test_only_the_priors_of_the_study_are_known() -> None:
    """The robust mixture among them."""
    study = ba.load_study("folmo2020")
    assert printed_priors(study)[-1] == "robust"
    with pytest.raises(InputError, match="no such prior set"):
        posterior_from_print(study, ["nutral"])

"""What a claim is: a sentence of the publication as predicates over named quantities, as frozen records.

A predicate is put together from a closed vocabulary (quantity, relation, value, smallest difference); nothing in a
claim is ever evaluated as code. Holds no data and does no arithmetic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bayes_alliance.assess.verdict_rules import Combine, Relation
from bayes_alliance.study.printed_text import PrintedText

Quantity = Literal["effect", "spread", "explained", "largest", "share", "mean", "change"]
Which = Literal["intercept", "slope"]
MODEL_QUANTITIES: tuple[Quantity, ...] = ("effect", "spread", "explained", "largest")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One predicate: a quantity stands in a relation to a value.

    Parameters
    ----------
    id : str
        Unique within the claim.
    label : str
        For tables.
    quantity : {"effect", "spread", "explained", "largest", "share", "mean", "change"}
        *effect*: a linear combination of a model's coefficients, slopes over the horizon. *spread*: SD between
        patients of the intercept, or of the slope over the horizon. *explained*: by how many per cent the variance of
        intercepts or slopes is smaller than in the model's reference, as the publication has it. *largest*: how far
        an effect surpasses the same effect of other models, in the direction claimed. *share*: percentage of patients
        with a value, or its difference between two groups (second minus first). *mean*: of a variable of the patient,
        or the difference of two groups in SDs. *change*: mean change of an outcome from the first assessment to the
        end.
    relation : {"above", "below", "same", "exceeds", "not_significant"}
        As in :mod:`bayes_alliance.assess.verdict_rules`.
    model : str
        Id of a model of the study.
    estimand : str
        Its estimand or coefficient; empty where ``weights`` are given.
    weights : tuple of (str, float)
        Of the coefficients.
    others : tuple of str
        For *largest*: ids of the other models, each with an estimand of the same name. For *explained*: the reference.
    which : {"intercept", "slope"}
        For *spread* and *explained*.
    recode : str
        Coding choice of the study's multiverse under which the part is evaluated; empty for the study's own coding.
    variable, equals, by, end : str, float or None, str, str
        For *share*, *mean* and *change*: of which variable; the value counted; the binary variable of the groups; the
        variable that holds the value at the end.
    value, smallest : float
        v and δ, in ``unit``.
    unit : str
        Of the quantity, for a reader.
    printed : tuple of PrintedText
        For *share* and *change*: numbers as printed that stand in no cell, per cent by group or mean(SD) by time.
    printed_n : tuple of int
        Patients behind them.
    """

    id: str
    label: str
    quantity: Quantity
    relation: Relation
    model: str = ""
    estimand: str = ""
    weights: tuple[tuple[str, float], ...] = ()
    others: tuple[str, ...] = ()
    which: Which = "slope"
    recode: str = ""
    variable: str = ""
    equals: float | None = None
    by: str = ""
    end: str = ""
    value: float = 0.0
    smallest: float = 0.0
    unit: str = ""
    printed: tuple[PrintedText, ...] = ()
    printed_n: tuple[int, ...] = ()

    @property
    def is_of_model(self) -> bool:
        """Whether a fit of a model answers it."""
        return self.quantity in MODEL_QUANTITIES

    @property
    def models(self) -> tuple[str, ...]:
        """Ids of the models that it needs."""
        return (self.model, *self.others) if self.is_of_model else ()


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One finding of the publication.

    Parameters
    ----------
    id : str
        Key.
    place : str
        Where it stands.
    says : str
        What it says, in our words.
    published : str
        The publication's own verdict: p, stars, ``ns``, a percentage.
    combine : {"all", "any"}
        Whether every part has to hold, or one.
    parts : tuple of Part
        Empty for a claim that nothing in such data can test.
    untestable : str
        Then the reason; else empty.
    synthetic_not_asked : str
        Why the synthetic cohorts were not built to meet the statement, and so do not bear on it; empty if they were.
    note : str
        How the sentence was read, where that is a choice.
    main : bool
        Whether it is one of the publication's main findings, which a report shows first.
    leading : bool
        Whether it is the one that the publication is about; at most one claim is.
    """

    id: str
    place: str
    says: str
    published: str
    combine: Combine = "all"
    parts: tuple[Part, ...] = ()
    untestable: str = ""
    synthetic_not_asked: str = ""
    note: str = ""
    main: bool = False
    leading: bool = False


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """Every claim of a publication.

    Parameters
    ----------
    claims : tuple of Claim
        In the order of the text.
    digest : str
        SHA-256 of the file.
    """

    claims: tuple[Claim, ...]
    digest: str

    def claim(self, claim_id: str) -> Claim:
        """Return the claim of this id (KeyError where there is none)."""
        return {claim.id: claim for claim in self.claims}[claim_id]

    @property
    def main(self) -> tuple[Claim, ...]:
        """The main findings."""
        return tuple(claim for claim in self.claims if claim.main)

    @property
    def parts(self) -> tuple[tuple[Claim, Part], ...]:
        """Every part with its claim."""
        return tuple((claim, part) for claim in self.claims for part in claim.parts)

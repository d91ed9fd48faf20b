"""The blind test of a registered study: what print alone says, then what its open data say, held against each other.

The first half sees the study file, the printed cells and the claims, and no row of data. The second half fits the same
models to the data under the same prior. Where print loses nothing, the data's posterior mean lies in the middle of the
print-only posterior (rank 0.5) and 95 % of the data's posterior lie in the print-only 95 % interval.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bayes_alliance.assess.verdicts import Verdict
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.from_printed import PrintedEvaluator
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.register_check import check_fit, check_parts
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.printed_effects import PrintedEffect, Role
from bayes_alliance.run.printed_again import PrintedAgain, print_again
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.records import Cell, Study

# A print-only interval that holds less of the data's posterior is a miss, to be explained.
LEAST_SHARE = 0.90
_TAIL = 0.025
_WIDER = 1.05


@dataclass(frozen=True, kw_only=True)
class EstimandAgreement:
    """One printed effect: the posterior from print alone and from the data, under the same prior.

    Parameters
    ----------
    study_id : str
        Which study.
    cell : Cell
        Where the effect is printed.
    printed : str
        Its digits, with those of the standard error.
    role : str
        Level, slope, or a predictor's deviation in either.
    print_mean, print_sd, print_lower, print_upper : float
        Posterior from print alone, 95 % equal-tailed, in the cell's own unit.
    data_mean, data_sd, data_lower, data_upper : float
        Posterior from the data.
    rank : float
        Probability under the print-only posterior of less than the data's posterior mean.
    share_within : float
        Share of the data's posterior in the print-only 95 % interval.
    ml_p : float
        Two-sided p by REML and Satterthwaite from the data.
    sure_of_sign : float
        Probability of the likelier sign, from the data.
    """

    study_id: str
    cell: Cell
    printed: str
    role: Role
    print_mean: float
    print_sd: float
    print_lower: float
    print_upper: float
    data_mean: float
    data_sd: float
    data_lower: float
    data_upper: float
    rank: float
    share_within: float
    ml_p: float
    sure_of_sign: float

    @property
    def missed(self) -> bool:
        """Whether print alone would have misled: its interval holds too little of the data's posterior."""
        return self.share_within < LEAST_SHARE or not _TAIL <= self.rank <= 1.0 - _TAIL

    @property
    def sd_ratio(self) -> float:
        """SD of the posterior from the data over that from print."""
        return self.data_sd / self.print_sd

    @property
    def parts_company(self) -> bool:
        """Whether ML at p < 0.05 and Bayes at 97.5 % for a sign decide differently."""
        return (self.ml_p < 2.0 * _TAIL) != (self.sure_of_sign > 1.0 - _TAIL)

    @property
    def reason(self) -> str:
        """Why the two posteriors differ, where they do."""
        if not self.missed:
            return ""
        found = []
        shift = (self.data_mean - self.print_mean) / self.print_sd
        if self.sd_ratio > _WIDER:
            found.append(
                f"the data's posterior is {self.sd_ratio:.2f} times as wide: print takes the standard error as "
                "known, the data leave the variances to be estimated"
            )
        if abs(shift) > 0.5:
            found.append(
                f"the posterior means lie {abs(shift):.1f} SDs apart: the prior on the level holds at the "
                "predictors' means, which print does not tell"
            )
        return "; ".join(found) or f"the posterior means lie {abs(shift):.2f} SDs apart"


@dataclass(frozen=True, kw_only=True)
class VerdictAgreement:
    """One claim: its verdict by print alone and by the data."""

    study_id: str
    claim: Claim
    printed: ClaimResult
    real: ClaimResult

    @property
    def claim_id(self) -> str:
        """Key of the claim."""
        return self.claim.id

    @property
    def both(self) -> bool:
        """Whether both sources can judge it."""
        return Verdict.NOT_APPLICABLE not in (self.printed.verdict, self.real.verdict)

    @property
    def agree(self) -> bool:
        """Whether both come to the same verdict."""
        return self.printed.verdict == self.real.verdict

    @property
    def reason(self) -> str:
        """Why they differ, where they do."""
        if self.agree:
            return ""
        if not self.both:
            return f"{self.printed.reason or self.real.reason}"
        sides = f"{self.printed.sure:.3f} by print, {self.real.sure:.3f} by data"
        return f"sureness lies on two sides of a limit: {sides}"


@dataclass(frozen=True, kw_only=True)
class RegisterEntry:
    """A registered study after its blind test.

    Parameters
    ----------
    study : Study
        As loaded.
    n_patients, n_rows : int
        Of the data.
    data_digest, ledger_digest : str
        Of the rows and of the claims.
    audit : Audit
        Of the printed numbers, without data.
    again : tuple of PrintedAgain
        Every printed number of a model, beside the data's.
    estimands : tuple of EstimandAgreement
        One for each printed coefficient of each model.
    verdicts : tuple of VerdictAgreement
        In the order of the claims.
    """

    study: Study
    n_patients: int
    n_rows: int
    data_digest: str
    ledger_digest: str
    audit: Audit
    again: tuple[PrintedAgain, ...]
    estimands: tuple[EstimandAgreement, ...]
    verdicts: tuple[VerdictAgreement, ...]


@dataclass(frozen=True, kw_only=True)
class _FromPrint:
    """What print alone says: draws of every effect, and the verdicts."""

    effects: tuple[tuple[PrintedEffect, Array], ...]
    claims: tuple[ClaimResult, ...]
    audit: Audit


def blind_test(study: Study, data: StudyData, *, seed: int) -> RegisterEntry:
    """Judge a study by print alone, then by its data, and hold the two against each other.

    Parameters
    ----------
    study : Study
        With cells, priors and claims.
    data : StudyData
        Its open data. Only their origin is looked at before print alone has been judged.
    seed : int
        The number that all randomness comes from.

    Returns
    -------
    RegisterEntry

    Raises
    ------
    InputError
        If table, data and claims do not fit each other, with file and row.
    """
    check_parts(study, data.source)
    choices = load_choices(study)
    ledger = load_claims(study, choices)
    blind = _from_print(study, ledger, seed)
    again = print_again(study, data)
    check_fit(study, data, again)
    evaluator = Evaluator(study, data, choices, seed=seed, variant=prior_suite(study)[0])
    return RegisterEntry(
        study=study,
        n_patients=int(data.rows[study.patient].nunique()),
        n_rows=len(data.rows),
        data_digest=data.digest,
        ledger_digest=ledger.digest,
        audit=blind.audit,
        again=again,
        estimands=tuple(_agreements(study, blind, evaluator)),
        verdicts=tuple(_verdicts(study, ledger, blind, evaluator)),
    )


def _from_print(study: Study, ledger: Ledger, seed: int) -> _FromPrint:
    prior = study.priors[0].name
    printed = PrintedEvaluator(study, seed=seed, prior=prior)
    drawn: dict[tuple[str, str], tuple[PrintedEffect, Array]] = {}
    for effect in printed.effects:
        key = (effect.model.id, effect.cell.coefficient)
        if key not in drawn and effect.region is not None:
            rng = np.random.default_rng(derive_seed(seed, "register", study.id, *key))
            drawn[key] = effect, printed.draw_cell(effect, rng)
    return _FromPrint(
        effects=tuple(drawn.values()), claims=printed.judge_ledger(ledger), audit=audit_study(study)
    )


def _agreements(study: Study, blind: _FromPrint, evaluator: Evaluator) -> Iterator[EstimandAgreement]:
    for effect, printed in blind.effects:
        fitted = evaluator.fit(effect.model.id)
        draws = fitted.fit.combine(effect.weights).ravel()
        planned = fitted.planned
        reml = fit_mixed(planned.design, planned.rows, method="REML", stats=fitted.stats)
        lower, upper = np.quantile(printed, (_TAIL, 1.0 - _TAIL))
        ends = np.quantile(draws, (_TAIL, 1.0 - _TAIL))
        positive = float(np.mean(draws > 0.0))
        spread = effect.parsed.spread
        yield EstimandAgreement(
            study_id=study.id,
            cell=effect.cell,
            printed=f"{effect.cell.printed} ({spread.value})" if spread else effect.cell.printed,
            role=effect.role,
            print_mean=float(printed.mean()),
            print_sd=float(printed.std(ddof=1)),
            print_lower=float(lower),
            print_upper=float(upper),
            data_mean=float(draws.mean()),
            data_sd=float(draws.std(ddof=1)),
            data_lower=float(ends[0]),
            data_upper=float(ends[1]),
            rank=float(np.mean(printed < draws.mean())),
            share_within=float(np.mean((draws >= lower) & (draws <= upper))),
            ml_p=estimate_effect(reml, effect.weights).p,
            sure_of_sign=max(positive, 1.0 - positive),
        )


def _verdicts(
    study: Study, ledger: Ledger, blind: _FromPrint, evaluator: Evaluator
) -> Iterator[VerdictAgreement]:
    for claim, printed in zip(ledger.claims, blind.claims, strict=True):
        yield VerdictAgreement(
            study_id=study.id,
            claim=claim,
            printed=printed,
            real=evaluator.judge_claim(claim),
        )

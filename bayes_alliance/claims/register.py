"""The blind test of a registered study: what print alone says, then what its open data say, held against each other.

The first half sees the study file, the printed cells and the claims, and no row of data: print alone, then the mixture
over data sets drawn given print. The second half fits the same models to the data under the same prior. Where print
loses nothing, the data's posterior mean lies in the middle of the print-only posterior (rank 0.5) and 95 % of the
data's posterior lie in the print-only 95 % interval.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.claims.choices_file import load_choices
from bayes_alliance.claims.from_posterior import Evaluator
from bayes_alliance.claims.from_printed import PrintedEvaluator
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.ledger_file import load_claims
from bayes_alliance.claims.prior_suite import prior_suite
from bayes_alliance.claims.register_check import check_fit, check_parts
from bayes_alliance.claims.register_mixture import Effects, Mixture, draw_mixture
from bayes_alliance.claims.results import ClaimResult
from bayes_alliance.data.rows import StudyData
from bayes_alliance.inference.fits import Array
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.published.audit import Audit, audit_study
from bayes_alliance.published.printed_effects import PrintedEffect, Role
from bayes_alliance.run.printed_again import PrintedAgain, print_again
from bayes_alliance.runtime.progress import Reporter
from bayes_alliance.runtime.seeds import derive_seed
from bayes_alliance.study.records import Cell, Study

# A print-only interval that holds less of the data's posterior is a miss, to be explained.
LEAST_SHARE = 0.90
_TAIL = 0.025
_WIDER = 1.05
# Draws of the data's posterior where a verdict lies within Monte-Carlo error of a limit.
_FINE_DRAWS = 40_000


@dataclass(frozen=True, kw_only=True)
class Held:
    """A posterior made without the data, held against that from the data.

    Parameters
    ----------
    mean, sd, lower, upper : float
        Of the posterior, 95 % equal-tailed, in the cell's own unit.
    rank : float
        Probability under it of less than the data's posterior mean.
    share_within : float
        Share of the data's posterior in its 95 % interval.
    """

    mean: float
    sd: float
    lower: float
    upper: float
    rank: float
    share_within: float

    @property
    def missed(self) -> bool:
        """Whether it would have misled: its interval holds too little of the data's posterior."""
        return self.share_within < LEAST_SHARE or not _TAIL <= self.rank <= 1.0 - _TAIL

    def holds(self, lower: float, upper: float) -> bool:
        """Whether its 95 % interval holds another."""
        return self.lower <= lower and upper <= self.upper

    @classmethod
    def of(cls, blind: Array, real: Array) -> Held:
        """Hold draws against those from the data."""
        lower, upper = np.quantile(blind, (_TAIL, 1.0 - _TAIL))
        return cls(
            mean=float(blind.mean()),
            sd=float(blind.std(ddof=1)),
            lower=float(lower),
            upper=float(upper),
            rank=float(np.mean(blind < real.mean())),
            share_within=float(np.mean((real >= lower) & (real <= upper))),
        )


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
    by_print : Held
        Posterior from print alone.
    by_mixture : Held or None
        Posterior of the mixture over data sets drawn given print; None where none can be drawn.
    data_mean, data_sd, data_lower, data_upper : float
        Posterior from the data, 95 % equal-tailed, in the cell's own unit.
    ml_p : float
        Two-sided p by REML and Satterthwaite from the data.
    sure_of_sign : float
        Probability of the likelier sign, from the data.
    """

    study_id: str
    cell: Cell
    printed: str
    role: Role
    by_print: Held
    by_mixture: Held | None
    data_mean: float
    data_sd: float
    data_lower: float
    data_upper: float
    ml_p: float
    sure_of_sign: float

    @property
    def missed(self) -> bool:
        """Whether print alone would have misled."""
        return self.by_print.missed

    @property
    def sd_ratio(self) -> float:
        """SD of the posterior from the data over that from print."""
        return self.data_sd / self.by_print.sd

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
        shift = (self.data_mean - self.by_print.mean) / self.by_print.sd
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
    """One claim: its verdict by print alone, by the mixture where there is one, and by the data."""

    study_id: str
    claim: Claim
    printed: ClaimResult
    mixture: ClaimResult | None
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
    def mixture_judges(self) -> bool:
        """Whether mixture and data can judge it."""
        return self.mixture is not None and Verdict.NOT_APPLICABLE not in (
            self.mixture.verdict,
            self.real.verdict,
        )

    @property
    def mixture_agrees(self) -> bool:
        """Whether mixture and data come to the same verdict."""
        return self.mixture is not None and self.mixture.verdict == self.real.verdict

    @property
    def reason(self) -> str:
        """Why they differ, where they do."""
        found = []
        if not self.agree and not self.both:
            found.append(self.printed.reason or self.real.reason)
        elif not self.agree:
            sides = f"{self.printed.sure:.3f} by print, {self.real.sure:.3f} by data"
            found.append(f"sureness lies on two sides of a limit: {sides}")
        if self.mixture is not None and self.mixture_judges and not self.mixture_agrees:
            sides = f"{self.mixture.sure:.3f} by mixture, {self.real.sure:.3f} by data"
            found.append(f"sureness lies on two sides of a limit: {sides}{self._unprinted}")
        return "; ".join(found)

    @property
    def _unprinted(self) -> str:
        """What a mixture rests on where print does not tell."""
        if self.printed.verdict is not Verdict.NOT_APPLICABLE:
            return ""
        return ": not printed, so that the mixture shows the model that the data sets were drawn from"


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
    mixture : Mixture
        Of the data sets drawn given print; without any, and why, where none can be drawn.
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
    mixture: Mixture


@dataclass(frozen=True, kw_only=True)
class _FromPrint:
    """What is said without the data: draws of every effect, verdicts, and the mixture."""

    effects: tuple[tuple[PrintedEffect, Array], ...]
    claims: tuple[ClaimResult, ...]
    audit: Audit
    mixture: Mixture


def blind_test(
    study: Study,
    data: StudyData,
    *,
    seed: int,
    store: Path | None = None,
    jobs: int = 1,
    report: Reporter = lambda line: None,
) -> RegisterEntry:
    """Judge a study by print alone, then by its data, and hold the two against each other.

    Parameters
    ----------
    study : Study
        With cells, priors and claims.
    data : StudyData
        Its open data. That they fit the table is checked first, so that a wrong file is refused at once; what print
        alone says is computed without them.
    seed : int
        The number that all randomness comes from.
    store : Path, optional
        Folder that keeps the results of drawn data sets, so that an interrupted run goes on.
    jobs : int
        Worker processes for them; results do not depend on it.
    report : callable, optional
        Gets lines of progress.

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
    again = print_again(study, data)
    check_fit(study, data, again)
    mixture = functools.partial(draw_mixture, study, seed=seed, store=store, jobs=jobs, report=report)
    blind = _from_print(study, ledger, seed, mixture)
    variant = prior_suite(study)[0]
    evaluator = Evaluator(study, data, choices, seed=seed, variant=variant)
    finer = Evaluator(study, data, choices, seed=seed, variant=variant, draws=_FINE_DRAWS)
    return RegisterEntry(
        study=study,
        n_patients=int(data.rows[study.patient].nunique()),
        n_rows=len(data.rows),
        data_digest=data.digest,
        ledger_digest=ledger.digest,
        audit=blind.audit,
        again=again,
        estimands=tuple(_agreements(study, blind, evaluator)),
        verdicts=tuple(_verdicts(study, ledger, blind, evaluator, finer)),
        mixture=blind.mixture,
    )


def _from_print(study: Study, ledger: Ledger, seed: int, draw: Callable[[Effects], Mixture]) -> _FromPrint:
    prior = study.priors[0].name
    printed = PrintedEvaluator(study, seed=seed, prior=prior)
    drawn: dict[tuple[str, str], tuple[PrintedEffect, Array]] = {}
    for effect in printed.effects:
        key = (effect.model.id, effect.cell.coefficient)
        if key not in drawn and effect.region is not None:
            rng = np.random.default_rng(derive_seed(seed, "register", study.id, *key))
            drawn[key] = effect, printed.draw_cell(effect, rng)
    asked = [(*key, effect.weights) for key, (effect, _) in drawn.items()]
    return _FromPrint(
        effects=tuple(drawn.values()),
        claims=printed.judge_ledger(ledger),
        audit=audit_study(study),
        mixture=draw(asked),
    )


def _agreements(study: Study, blind: _FromPrint, evaluator: Evaluator) -> Iterator[EstimandAgreement]:
    for effect, printed in blind.effects:
        fitted = evaluator.fit(effect.model.id)
        draws = fitted.fit.combine(effect.weights).ravel()
        planned = fitted.planned
        reml = fit_mixed(planned.design, planned.rows, method="REML", stats=fitted.stats)
        ends = np.quantile(draws, (_TAIL, 1.0 - _TAIL))
        positive = float(np.mean(draws > 0.0))
        spread = effect.parsed.spread
        yield EstimandAgreement(
            study_id=study.id,
            cell=effect.cell,
            printed=f"{effect.cell.printed} ({spread.value})" if spread else effect.cell.printed,
            role=effect.role,
            by_print=Held.of(printed, draws),
            by_mixture=_by_mixture(blind.mixture, effect, draws),
            data_mean=float(draws.mean()),
            data_sd=float(draws.std(ddof=1)),
            data_lower=float(ends[0]),
            data_upper=float(ends[1]),
            ml_p=estimate_effect(reml, effect.weights).p,
            sure_of_sign=max(positive, 1.0 - positive),
        )


def _by_mixture(mixture: Mixture, effect: PrintedEffect, real: Array) -> Held | None:
    drawn = mixture.draws.get((effect.model.id, effect.cell.coefficient))
    return None if drawn is None or not math.isfinite(float(drawn.sum())) else Held.of(drawn, real)


def _verdicts(
    study: Study, ledger: Ledger, blind: _FromPrint, evaluator: Evaluator, finer: Evaluator
) -> Iterator[VerdictAgreement]:
    """Hold the verdicts against those of the data, which are judged by more draws where a limit is near."""
    mixed = {one.claim_id: one for one in blind.mixture.claims}
    for claim, printed in zip(ledger.claims, blind.claims, strict=True):
        real = evaluator.judge_claim(claim)
        yield VerdictAgreement(
            study_id=study.id,
            claim=claim,
            printed=printed,
            mixture=mixed.get(claim.id),
            real=finer.judge_claim(claim) if real.near_edge else real,
        )

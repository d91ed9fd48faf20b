"""Claims under every reading of the publication, and mixed over its options by their posterior weights.

From print alone a claim is judged on the study as an option reads it. Rows at hand that are synthetic are analysed
anew where an option changes which patients a model rests on; they were drawn under the first option of every reading,
so such a verdict says what these data give under another analysis, and not what the publication would then let one
believe. One reading is varied at a time, the others being at their first options. Options that cannot judge a claim
are left out of its mixture, whose weight is said.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bayes_alliance.assess.verdict_rules import judge
from bayes_alliance.claims.change import Challenge
from bayes_alliance.claims.choices import Axis, Multiverse, Option
from bayes_alliance.claims.from_printed import PrintedEvaluator
from bayes_alliance.claims.ledger import Claim, Ledger
from bayes_alliance.claims.mixture import mix_probabilities
from bayes_alliance.claims.multiverse import touches
from bayes_alliance.claims.prior_suite import PriorVariant
from bayes_alliance.claims.results import ClaimResult, PartResult, combine
from bayes_alliance.claims.settings import name_rows
from bayes_alliance.claims.tasks import Rows, Specification, restore
from bayes_alliance.published.reading_weights import OptionWeight, WeighedReading
from bayes_alliance.runtime.task_store import Task
from bayes_alliance.study.readings import ReadingOption, study_under
from bayes_alliance.study.records import Study


@dataclass(frozen=True, kw_only=True)
class ReadingVerdict:
    """A claim under the options of one reading.

    Parameters
    ----------
    claim_id : str
        Which.
    reading : WeighedReading
        With the weights of its options.
    printed, at_hand : tuple of ClaimResult or None
        By option: from print alone, and on the rows at hand; None where the option was not tried.
    printed_mixture, at_hand_mixture : ClaimResult or None
        Over the options that can judge the claim; None where only one can.
    printed_weight, at_hand_weight : float
        Weight of these options.
    """

    claim_id: str
    reading: WeighedReading
    printed: tuple[ClaimResult | None, ...]
    at_hand: tuple[ClaimResult | None, ...]
    printed_mixture: ClaimResult | None
    at_hand_mixture: ClaimResult | None
    printed_weight: float
    at_hand_weight: float


def judge_readings_printed(
    study: Study, ledger: Ledger, weighed: Sequence[WeighedReading], base: Sequence[ClaimResult], seed: int
) -> dict[tuple[str, str], dict[str, ClaimResult]]:
    """Judge from print alone the claims that an option of a reading touches.

    Parameters
    ----------
    study : Study
        With priors.
    ledger : Ledger
        Its claims.
    weighed : sequence of WeighedReading
        Its readings.
    base : sequence of ClaimResult
        From print, as the study file reads it.
    seed : int
        Of the run.

    Returns
    -------
    dict
        By reading and option, the results of claims by id; the first option has those of ``base``.
    """
    own = {result.claim_id: result for result in base}
    found: dict[tuple[str, str], dict[str, ClaimResult]] = {}
    for one in weighed:
        models = _touched_models(study, one)
        claims = [claim for claim in ledger.claims if any(set(part.models) & models for part in claim.parts)]
        for weight in one.options:
            under = study_under(study, weight.option)
            key = one.reading.id, weight.option.id
            if under is study or weight is one.options[0]:
                found[key] = {claim.id: own[claim.id] for claim in claims}
                continue
            evaluator = PrintedEvaluator(under, seed=seed, prior=study.priors[0].name)
            found[key] = {claim.id: evaluator.judge_claim(claim) for claim in claims}
    return found


def _touched_models(study: Study, one: WeighedReading) -> set[str]:
    """Return the models whose printed numbers an option of a reading reads in another way."""
    options = [weight.option for weight in one.options]
    places = {cell.place for option in options for cell in option.cells}
    named = {cell.model for option in options for cell in option.cells}
    named |= {cell.model for cell in study.cells if (cell.table, cell.row, cell.column) in places}
    if any(option.samples or option.without_facts for option in options):
        named |= set(one.reading.models)
    return named - {""}


def coding_of(reading: str, option: ReadingOption) -> Option:
    """Return what an option does to data as an option of coding; it changes nothing where it says nothing of data."""
    fewest, most = option.missing
    return Option(
        id=f"{reading}_{option.id}",
        label=option.label,
        without_end=option.without_end,
        # Of a range of patients its middle, rounded up; the first of those who lack an end, as any are as good.
        at_most=(fewest + most + 1) // 2 if fewest < most else 0,
    )


def reading_tasks(
    study: Study,
    rows: Rows,
    choices: Multiverse,
    claims: Sequence[Claim],
    weighed: Sequence[WeighedReading],
    *,
    seed: int,
    draws: int,
    variant: PriorVariant,
    every: bool,
) -> dict[str, Task]:
    """Make the tasks that analyse rows anew under options that change which patients models rest on.

    Parameters
    ----------
    study, rows, choices, claims : Study, StudyData or Path, Multiverse, sequence of Claim
        What to judge.
    weighed : sequence of WeighedReading
        Readings.
    seed, draws, variant : int, int, PriorVariant
        Of the posteriors.
    every : bool
        Every option; else the one of a reading that leaves most patients out.

    Returns
    -------
    dict of str to Task
        By the id of the option of coding.
    """
    found = {}
    for one in weighed:
        tried = [weight.option for weight in one.options if weight.option.without_end]
        if not every and tried:
            tried = [max(tried, key=lambda option: option.missing)]
        for option in tried:
            coding = coding_of(one.reading.id, option)
            axis = Axis(id=f"reading_{one.reading.id}", label=one.reading.label, options=(coding,))
            own = [_touched_parts(study, axis, claim) for claim in claims]
            own = [claim for claim in own if claim.parts]
            if not own:
                continue
            with_axis = dataclasses.replace(choices, axes=(*choices.axes, axis))
            specification = Specification(variant=variant, coding=(coding.id,), draws=draws)
            arguments = (study, rows, with_axis, own, seed, [specification])
            size = len({model for claim in own for part in claim.parts for model in part.models})
            found[coding.id] = Task(key=f"{coding.id}_of_{name_rows(rows)}", arguments=arguments, size=size)
    return found


def _touched_parts(study: Study, axis: Axis, claim: Claim) -> Claim:
    """Keep the parts about models whose rows an option changes."""
    kept = tuple(
        part
        for part in claim.parts
        if part.is_of_model and not part.recode and any(touches(study, axis, m) for m in part.models)
    )
    return dataclasses.replace(claim, parts=kept)


def combine_with_base(
    ledger: Ledger, base: Sequence[ClaimResult], columns: Mapping[str, Sequence[object]]
) -> dict[str, ClaimResult]:
    """Put parts judged anew together with those that an option does not touch, claim by claim."""
    anew = {(part.claim_id, part.part_id): part for part in restore(columns)}
    results = {result.claim_id: result for result in base}
    found = {}
    for claim in ledger.claims:
        if claim.id in results and any(key[0] == claim.id for key in anew):
            own = results[claim.id]
            parts = [anew.get((claim.id, part.part_id), part) for part in own.parts]
            found[claim.id] = combine(claim, parts, source=own.source, origin=own.origin)
    return found


def gather_readings(
    ledger: Ledger,
    weighed: Sequence[WeighedReading],
    base: Sequence[ClaimResult],
    printed: Mapping[tuple[str, str], Mapping[str, ClaimResult]],
    at_hand: Mapping[str, Mapping[str, ClaimResult]],
) -> tuple[ReadingVerdict, ...]:
    """Put the verdicts under all options of each reading together and mix them.

    Parameters
    ----------
    ledger : Ledger
        Claims, in order.
    weighed : sequence of WeighedReading
        Readings, in order.
    base : sequence of ClaimResult
        Of the rows at hand, as the study's own way has them.
    printed : mapping
        Of :func:`judge_readings_printed`.
    at_hand : mapping of str to mapping
        By option of coding, results by claim.

    Returns
    -------
    tuple of ReadingVerdict
        Of the claims that an option touches.
    """
    own = {result.claim_id: result for result in base}
    found = []
    for claim in ledger.claims:
        for one in weighed:
            codes = [coding_of(one.reading.id, weight.option).id for weight in one.options]
            from_print = tuple(printed[one.reading.id, w.option.id].get(claim.id) for w in one.options)
            anew = [at_hand.get(code, {}).get(claim.id) for code in codes]
            rows = (own.get(claim.id), *anew[1:]) if any(anew) else (None,) * len(codes)
            if not any(from_print) and not any(rows):
                continue
            mixed, weight = _mix(claim, one.options, from_print)
            mixed_rows, weight_rows = _mix(claim, one.options, rows)
            found.append(
                ReadingVerdict(
                    claim_id=claim.id,
                    reading=one,
                    printed=from_print,
                    at_hand=rows,
                    printed_mixture=mixed,
                    at_hand_mixture=mixed_rows,
                    printed_weight=weight,
                    at_hand_weight=weight_rows,
                )
            )
    return tuple(found)


def _mix(
    claim: Claim, options: Sequence[OptionWeight], results: Sequence[ClaimResult | None]
) -> tuple[ClaimResult | None, float]:
    """Judge a claim on the mixture over options, and return their weight.

    Those count that can judge every part that the first of them can.
    """
    tested = [(w.posterior, r) for w, r in zip(options, results, strict=True) if r is not None and r.n_tested]
    wanted = _judged(tested[0][1]) if tested else set()
    able = [(weight, result) for weight, result in tested if wanted <= _judged(result)]
    total = sum(weight for weight, _ in able)
    if len(able) < 2 or total <= 0.0:
        return None, total
    first = able[0][1]
    parts = []
    for j, part in enumerate(claim.parts):
        own = [result.parts[j] for _, result in able]
        judged = [one.judgement for one in own if one.judgement is not None]
        pooled = None
        if part.id in wanted:
            pooled = mix_probabilities(part, own, judged, [weight / total for weight, _ in able])
        parts.append(
            PartResult(
                claim_id=claim.id,
                part_id=part.id,
                source=first.source,
                origin="mixture of readings",
                judgement=None if pooled is None else judge(part.relation, pooled),
                reason=first.parts[j].reason if pooled is None else "",
            )
        )
    return combine(claim, parts, source=first.source, origin="mixture of readings"), total


def _judged(result: ClaimResult) -> set[str]:
    return {part.part_id for part in result.parts if part.judgement is not None}


def reading_challenges(verdicts: Sequence[ReadingVerdict]) -> list[Challenge]:
    """Turn verdicts on the rows at hand under other options into challenges."""
    return [
        Challenge(
            claim_id=one.claim_id,
            family="reading",
            name=f"{one.reading.reading.id}:{weight.option.id}",
            says=f"reading: {weight.option.label} (weight {weight.posterior:.2f})",
            verdict=result.verdict,
        )
        for one in verdicts
        for weight, result in list(zip(one.reading.options, one.at_hand, strict=True))[1:]
        if result is not None
    ]

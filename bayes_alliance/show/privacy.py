"""Withholding what would single out a few patients: small cells of a run's results and of what is printed."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from bayes_alliance.assess.descriptives import Descriptive, GroupValue
from bayes_alliance.assess.posterior_predictive import PredictiveStatistic
from bayes_alliance.data.dictionary import mask_count
from bayes_alliance.inference.ml import GroupTest
from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.results import ComparisonSet, ModelRun, PredictiveResult, StudyResults, TextFact
from bayes_alliance.run.small_groups import fewest_patients
from bayes_alliance.show.disclosure import round_significant, round_to_tens
from bayes_alliance.study.records import Study

# Digits of plain means, SDs and the like: with more, sums of ratings on a grid are known exactly.
_OBSERVED = 3
# A limit that a message names is no count.
_COUNT = re.compile(
    r"(?<!fewer than )\b(\d+)(?= (?:whole |blank )?(?:patients|rows|visits|cells|values|times|scores|identifiers)\b)"
)
# Rows of a few patients are as telling as the patients, however many rows these have.
# How many rows a file has, beside how many the models use, tells of the few patients whom these leave out.
_ALL_ROWS = re.compile(r"(?<=[,e] )(\d+)(?= rows$)")
_ROWS_OF = re.compile(r"\b(\d+) rows \((\d+) whole patients\)")


def mask_small_cells(results: StudyResults, min_cell: int) -> StudyResults:
    """Withhold descriptive numbers of fewer than ``min_cell`` patients, and small counts in words.

    A share is withheld too where the patients with or without it are too few, and what is withheld cannot be had
    by subtraction: where one group of a window goes, so does the next smallest, and of means over nearly the same
    patients only one stays. A model or a comparison that rests on fewer patients, or has fewer with one of the values
    of a factor, is withheld as a whole, with its reason; estimates of the others stay: they are not descriptions of a
    cell.

    Parameters
    ----------
    results : StudyResults
        Of a run.
    min_cell : int
        Smallest number of patients that may be described; 0 or 1 masks nothing.

    Returns
    -------
    StudyResults
    """
    if min_cell <= 1:
        return results

    def mask(texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(mask_text(text, min_cell) for text in texts)

    def run(found: ModelRun) -> ModelRun:
        return dataclasses.replace(found, left_out=_mask_left_out(found, min_cell))

    def skipped(found: SkippedModel) -> SkippedModel:
        return dataclasses.replace(found, reason=mask_text(found.reason, min_cell))

    withheld = {
        found.model.id
        for found in results.runs
        if found.rows.n_patients < min_cell or smallest_level(results.study, found) < min_cell
    }
    few = {found.name: found for found in results.comparisons if found.rows.n_patients < min_cell}
    return dataclasses.replace(
        results,
        notes=mask_notes(results.notes, min_cell),
        runs=tuple(run(found) for found in results.runs if found.model.id not in withheld),
        skipped=(
            *(skipped(found) for found in results.skipped),
            *_withheld_models(results, withheld, few, min_cell),
        ),
        comparisons=tuple(
            _without(dataclasses.replace(found, left_out=_round_rows(mask(found.left_out))), withheld)
            for found in results.comparisons
            if found.name not in few and not {model.model_id for model in found.models} <= withheld
        ),
        predictive=_mask_predictive(
            [found for found in results.predictive if found.model_id not in withheld], min_cell
        ),
        checks=tuple(check for check in results.checks if check.model_id not in withheld),
        descriptives=_mask_descriptives(results.descriptives, min_cell),
        text=_mask_text_facts(results.text, withheld),
    )


def _withheld_models(
    results: StudyResults, withheld: set[str], few: Mapping[str, ComparisonSet], min_cell: int
) -> Iterator[SkippedModel]:
    """List models that are withheld, and those of comparisons that are."""
    why = f"withheld: fewer than {min_cell} patients, in all or with one value of a factor (--min-cell)"
    for found in results.runs:
        if found.model.id in withheld:
            yield SkippedModel(model_id=found.model.id, reason=why)
    for name, comparison in few.items():
        for model in comparison.models:
            if model.model_id not in withheld:
                yield SkippedModel(model_id=model.model_id, reason=why, comparison=name)


def _mask_text_facts(text: Sequence[TextFact], withheld: Collection[str]) -> tuple[TextFact, ...]:
    """Withhold what was counted of patients, and what rests on a model that is withheld.

    Counts and shares by subgroup would give away by subtraction what the descriptive table withholds.
    """
    models = {found.fact.id: found.fact.model for found in text}

    def stays(found: TextFact) -> bool:
        other = models.get(found.fact.than, found.fact.than)
        return bool(found.fact.model) and found.fact.model not in withheld and other not in withheld

    return tuple(found if stays(found) else TextFact(fact=found.fact, audit=found.audit) for found in text)


def mask_text(text: str, min_cell: int) -> str:
    """Mask small counts of patients, rows and the like in a sentence.

    Examples
    --------
    >>> mask_text("7 rows (2 whole patients) without age", 5)
    'some rows (<5 whole patients) without age'
    """
    if min_cell <= 1:
        return text
    text = _ROWS_OF.sub(lambda match: _mask_rows(match, min_cell), text)
    return _COUNT.sub(lambda match: mask_count(int(match[1]), min_cell), text)


def _mask_rows(match: re.Match[str], min_cell: int) -> str:
    if 0 < int(match[2]) < min_cell:
        return f"some rows (<{min_cell} whole patients)"
    return match[0]


def _mask_left_out(found: ModelRun, min_cell: int) -> tuple[str, ...]:
    """Say what a model lacks without what could be subtracted.

    Of a subgroup's model always the same: any count, or whether rows of the subgroup lack a variable at all, would tell
    in which subgroup the few are whom the other models lack.
    """
    if found.model.where:
        names = ", ".join(name for name, _ in found.model.where)
        return (f"rows with another value of {names}, or without a variable",)
    return _round_rows(tuple(mask_text(text, min_cell) for text in found.left_out))


def _round_rows(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(
        _ROWS_OF.sub(lambda m: f"about {round_to_tens(int(m[1]))} rows ({m[2]} whole patients)", text)
        for text in texts
    )


def mask_notes(notes: Sequence[str], min_cell: int) -> tuple[str, ...]:
    """Mask small counts in notes on the data, and round the number of rows of a file."""
    if min_cell <= 1:
        return tuple(notes)
    return tuple(_ALL_ROWS.sub(_say_about, mask_text(note, min_cell)) for note in notes)


def _say_about(match: re.Match[str]) -> str:
    return f"about {round_to_tens(int(match[1]))}"


def mask_texts(value: Any, min_cell: int) -> Any:
    """Mask every string in nested lists and mappings."""
    if min_cell <= 1:
        return value
    if isinstance(value, dict):
        return {key: mask_texts(item, min_cell) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_texts(item, min_cell) for item in value]
    return mask_text(value, min_cell) if isinstance(value, str) else value


def _mask_descriptives(found: Sequence[Descriptive], min_cell: int) -> tuple[Descriptive, ...]:
    """Withhold groups of few patients, and where few of a group lack a value, who of which group lacks it."""
    sizes = [max((one.groups[i].n for one in found), default=0) for i in (0, 1)]
    masked = []
    for one in found:
        few_lack = any(0 < size - group.n < min_cell for size, group in zip(sizes, one.groups, strict=True))
        shown = _mask_descriptive(one, min_cell, few_lack=few_lack)
        masked.append(_without_counts(shown, min_cell) if few_lack and not shown.masked_below else shown)
    return tuple(masked)


def _without_counts(found: Descriptive, min_cell: int) -> Descriptive:
    """Keep means and SDs alone: a count, or a test of known means, would tell in which group patients lack a value."""
    first, second = (dataclasses.replace(group, n=0) for group in found.groups)
    test = GroupTest(kind=found.test.kind, statistic=np.nan, df=math.nan, p=np.nan, n=(0, 0))
    return dataclasses.replace(found, groups=(first, second), test=test, masked_below=min_cell)


def _mask_descriptive(found: Descriptive, min_cell: int, *, few_lack: bool) -> Descriptive:
    # A share's count over an unknown number of patients would tell that number.
    small = (few_lack and found.kind != "mean") or any(_is_small(found, g, min_cell) for g in found.groups)
    if not small:
        return _round_descriptive(found)
    # Both groups go: one of them could be had by subtraction from a total.
    nan = float("nan")
    empty = GroupValue(n=0, mean=nan, sd=nan, count=0, percent=nan)
    test = GroupTest(kind=found.test.kind, statistic=np.nan, df=found.test.df, p=np.nan, n=(0, 0))
    return dataclasses.replace(found, groups=(empty, empty), test=test, masked_below=min_cell)


def _round_descriptive(found: Descriptive) -> Descriptive:
    """Keep three digits of means and SDs, fewer of the test of them: more tell sums of whole numbers exactly."""
    if found.kind != "mean":
        return found
    first, second = (
        dataclasses.replace(
            group, mean=round_significant(group.mean, _OBSERVED), sd=round_significant(group.sd, _OBSERVED)
        )
        for group in found.groups
    )
    test = dataclasses.replace(
        found.test,
        statistic=round(found.test.statistic, 1),
        p=_round_p(found.test.p),
    )
    return dataclasses.replace(found, groups=(first, second), test=test)


def _round_p(p: float) -> float:
    """Round a p value of known means so that it tells little more of them than these do."""
    return round(p, 2) if p >= 0.1 else round_significant(p, 2 if p >= 0.001 else 1)


def _is_small(found: Descriptive, group: GroupValue, min_cell: int) -> bool:
    if found.kind == "mean":
        return 0 < group.n < min_cell
    # A count of none, or of all, reveals the value of every patient in the group.
    return group.n > 0 and any(count < min_cell for count in (group.n, group.count, group.n - group.count))


def smallest_level(study: Study, run: ModelRun) -> int:
    """Count the patients with the rarest value, or combination of values, of the factors of a model's term."""
    factors = {
        name for name in run.design.formula.names if study.variable(name).kind in ("binary", "category")
    }
    return fewest_patients(run.design, factors)


def _without(comparison: ComparisonSet, withheld: Collection[str]) -> ComparisonSet:
    """Take models out of a comparison."""
    return dataclasses.replace(
        comparison,
        models=tuple(model for model in comparison.models if model.model_id not in withheld),
        scores={name: score for name, score in comparison.scores.items() if name not in withheld},
    )


def _mask_predictive(found: Sequence[PredictiveResult], min_cell: int) -> tuple[PredictiveResult, ...]:
    """Leave out statistics that tell of too few patients, by themselves or by subtraction.

    Models with more rows come first: their windows are kept, and those of others only where they are of the very same
    rows or of at least ``min_cell`` patients fewer.
    """
    shown: dict[tuple[str, str, str, str], list[PredictiveStatistic]] = {}
    kept: dict[str, PredictiveResult] = {}
    for one in sorted(found, key=lambda one: -len(one.pit)):
        own = _mask_parts(one.statistics, min_cell)
        fit = []
        for statistic in own:
            earlier = shown.setdefault((one.outcome, statistic.name, statistic.group, statistic.bin), [])
            if all(_is_apart(statistic, other, min_cell) for other in earlier):
                earlier.append(statistic)
                fit.append(statistic)
        coarse = tuple(_coarsen(statistic) for statistic in fit)
        kept[one.model_id] = dataclasses.replace(one, statistics=coarse)
    return tuple(kept[one.model_id] for one in found)


def _coarsen(found: PredictiveStatistic) -> PredictiveStatistic:
    """Round what is observed, and the rows and patients of a window.

    Those of two outcomes would tell which visits of a few lack one; of two windows, how many of a subgroup left.
    """
    return dataclasses.replace(
        found,
        n_rows=round_to_tens(found.n_rows),
        n_patients=round_to_tens(found.n_patients),
        observed=round_significant(found.observed, _OBSERVED),
    )


def _is_apart(one: PredictiveStatistic, other: PredictiveStatistic, min_cell: int) -> bool:
    """Whether the difference of two sums is of no patient, or of enough of them."""
    same = one.n_rows == other.n_rows and math.isclose(
        one.observed, other.observed, rel_tol=1e-9, abs_tol=1e-12
    )
    return same or abs(one.n_patients - other.n_patients) >= min_cell


def _mask_parts(statistics: Sequence[PredictiveStatistic], min_cell: int) -> list[PredictiveStatistic]:
    """Leave out small groups of a window and, until what is left out is of enough patients, the next smallest."""
    kept: list[PredictiveStatistic] = []
    for name, window in dict.fromkeys((one.name, one.bin) for one in statistics):
        parts = [one for one in statistics if (one.name, one.bin) == (name, window)]
        parts.sort(key=lambda one: one.n_patients)
        hidden = 0
        while parts and (parts[0].n_patients < min_cell or 0 < hidden < min_cell):
            hidden += parts.pop(0).n_patients
        kept += parts
    return [one for one in statistics if one in kept]

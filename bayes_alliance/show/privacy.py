"""Withholding what would single out a few patients: small cells of a run's results and of what is printed."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np

from bayes_alliance.assess.descriptives import Descriptive, GroupValue
from bayes_alliance.data.dictionary import mask_count
from bayes_alliance.inference.ml import GroupTest
from bayes_alliance.run.plan import SkippedModel
from bayes_alliance.run.results import ModelRun, StudyResults

_COUNT = re.compile(r"\b(\d+)(?= (?:whole |blank )?(?:patients|rows|visits|cells|values|times|scores)\b)")


def mask_small_cells(results: StudyResults, min_cell: int) -> StudyResults:
    """Withhold descriptive numbers of fewer than ``min_cell`` patients, and small counts in words.

    A share is withheld too where the patients with or without it are too few. A model or a comparison that
    rests on fewer patients is withheld as a whole, with its reason; estimates of the others stay: they are not
    descriptions of a cell.

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
        return dataclasses.replace(found, left_out=mask(found.left_out))

    def skipped(found: SkippedModel) -> SkippedModel:
        return dataclasses.replace(found, reason=mask_text(found.reason, min_cell))

    withheld = {found.model.id for found in results.runs if found.rows.n_patients < min_cell}
    few = {found.name: found for found in results.comparisons if found.rows.n_patients < min_cell}
    why = f"withheld: fewer than {min_cell} patients (--min-cell)"
    return dataclasses.replace(
        results,
        notes=mask(results.notes),
        runs=tuple(run(found) for found in results.runs if found.model.id not in withheld),
        skipped=(
            *(skipped(found) for found in results.skipped),
            *(
                SkippedModel(model_id=found.model.id, reason=why)
                for found in results.runs
                if found.model.id in withheld
            ),
            *(
                SkippedModel(model_id=model.model_id, reason=why, comparison=name)
                for name, found in few.items()
                for model in found.models
                if model.model_id not in withheld
            ),
        ),
        comparisons=tuple(
            dataclasses.replace(found, left_out=mask(found.left_out))
            for found in results.comparisons
            if found.name not in few
        ),
        predictive=tuple(found for found in results.predictive if found.model_id not in withheld),
        checks=tuple(check for check in results.checks if check.model_id not in withheld),
        descriptives=tuple(_mask_descriptive(found, min_cell) for found in results.descriptives),
    )


def mask_text(text: str, min_cell: int) -> str:
    """Mask small counts of patients, rows and the like in a sentence.

    Examples
    --------
    >>> mask_text("7 rows (2 whole patients) without age", 5)
    '7 rows (<5 whole patients) without age'
    """
    return _COUNT.sub(lambda match: mask_count(int(match[1]), min_cell), text)


def mask_texts(value: Any, min_cell: int) -> Any:
    """Mask every string in nested lists and mappings."""
    if min_cell <= 1:
        return value
    if isinstance(value, dict):
        return {key: mask_texts(item, min_cell) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_texts(item, min_cell) for item in value]
    return mask_text(value, min_cell) if isinstance(value, str) else value


def _mask_descriptive(found: Descriptive, min_cell: int) -> Descriptive:
    if not any(_is_small(found, group, min_cell) for group in found.groups):
        return found
    # Both groups go: one of them could be had by subtraction from a total.
    nan = float("nan")
    empty = GroupValue(n=0, mean=nan, sd=nan, count=0, percent=nan)
    test = GroupTest(kind=found.test.kind, statistic=np.nan, df=found.test.df, p=np.nan, n=(0, 0))
    return dataclasses.replace(found, groups=(empty, empty), test=test, masked_below=min_cell)


def _is_small(found: Descriptive, group: GroupValue, min_cell: int) -> bool:
    counts = [group.n] if found.kind == "mean" else [group.n, group.count, group.n - group.count]
    return any(0 < count < min_cell for count in counts)

"""Whether a Gaussian model can describe an outcome: binary, count and ordinal ones are recognised and refused."""

from __future__ import annotations

import numpy as np
import pandas as pd

from bayes_alliance.errors import InputError, Problem


def check_outcome(values: pd.Series, name: str, family: str) -> None:
    """Refuse an outcome that no Gaussian model describes, unless ``family="gaussian"`` says that it is meant.

    Raises
    ------
    InputError
        For text or categories, two values, or whole numbers that are mostly zero or few.
    """
    if family not in ("", "gaussian"):
        problem = Problem(
            what="only Gaussian outcomes are fitted",
            got=family[:40],
            allowed="gaussian",
            fix="fit glmer of lme4, clmm of ordinal, or brms, for binary, count and ordinal outcomes",
        )
        raise InputError("family", [problem])
    kind = _outcome_kind(values.dropna())
    if not kind or (family == "gaussian" and kind not in ("categorical", "binary")):
        return
    said = {
        "binary": "a binary outcome needs a logistic mixed model",
        "categorical": "an ordinal or nominal outcome needs a cumulative or multinomial mixed model",
        "ordinal": "an outcome of few whole numbers looks ordinal and needs a cumulative mixed model",
        "count": "an outcome of whole numbers with many zeros looks like a count and needs a Poisson or negative "
        "binomial model",
    }[kind]
    hint = 'family="gaussian" fits it as continuous all the same; ' if kind in ("ordinal", "count") else ""
    fix = f"{hint}fit {'clmm of ordinal or brms' if kind in ('ordinal', 'categorical') else 'glmer of lme4 or brms'}"
    problem = Problem(what=f"{said}, which is not part of this package", where=f"column {name}", fix=fix)
    raise InputError("data frame", [problem])


def _outcome_kind(values: pd.Series) -> str:
    if not pd.api.types.is_numeric_dtype(values):
        return "binary" if values.nunique() == 2 else "categorical"
    distinct = values.nunique()
    if distinct == 2 or pd.api.types.is_bool_dtype(values):
        return "binary"
    numbers = values.to_numpy(dtype=float)
    if len(numbers) < 10 or np.any(numbers != np.round(numbers)):
        return ""
    if 3 <= distinct <= 5:
        return "ordinal"
    zeros = float(np.mean(numbers == 0.0))
    return "count" if numbers.min() == 0.0 and zeros > 0.25 and numbers.mean() < 10.0 else ""

"""Writes tests/reference/stan_priors.json: the models of stan.R, and the numbers of their priors.

From the repository root: python tests/reference/stan_priors.py. Only numbers of priors are read from the package; the
densities of stan.R are brms's or stand in residuals.stan.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from bayes_alliance.inference.priors import coefficient_priors  # noqa: E402
from bayes_alliance.run.structured_frame import read_formula, read_structured  # noqa: E402
from tests.reference_posteriors import MODELS, ReferenceModel, read_rows  # noqa: E402


def describe(model: ReferenceModel) -> dict[str, Any]:
    """Return the model, its priors and the columns of its random effects."""
    found = read_structured(
        *read_formula(model.formula, model.residual, model.patient), read_rows(model), time=model.time
    )
    priors = coefficient_priors(found.study, found.design, found.study.priors[0].name)
    assert priors.scale_family == "half_normal"
    levels = {
        name: {
            "columns": list(shape.names),
            "correlated": len(shape.blocks) == 1,
            "scale": prior.scale.tolist(),
            "shift": prior.shift.tolist(),
        }
        for name, shape, prior in (
            (found.patient_name, found.structure.patient, found.patient_prior),
            (found.cluster_name, found.structure.cluster, found.cluster_prior),
        )
        if shape.size
    }
    return {
        "data": model.data,
        "formula": model.formula,
        "residual": model.residual,
        "patient": found.patient_name,
        "time": model.time,
        "coefficients": list(found.design.x_names),
        "mean": priors.mean.tolist(),
        "covariance": priors.covariance.tolist(),
        "levels": levels,
        "gap": found.structure.residual.gap,
        "sigma": priors.sigma_scale,
        "lkj_eta": priors.lkj_eta,
    }


if __name__ == "__main__":
    models = {model.name: describe(model) for model in MODELS}
    (HERE / "stan_priors.json").write_text(json.dumps(models, indent=1) + "\n")

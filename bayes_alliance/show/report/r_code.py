"""The R code that fits a model: lmer of lme4, or gls and lme of nlme where residuals are correlated."""

from __future__ import annotations

from bayes_alliance.study.covariance_terms import INDEPENDENT, INTERCEPT
from bayes_alliance.study.formula import Formula


def r_call(formula: Formula) -> str:
    """Return a call of R.

    Examples
    --------
    >>> from bayes_alliance.study.formula import parse_formula
    >>> r_call(parse_formula("y ~ week + (week | id)"))
    'lmer(y ~ 1 + week + (1 + week | id), rows, REML = FALSE)'
    >>> r_call(parse_formula("y ~ week*arm + ar1(week | id)"))
    'gls(y ~ 1 + week + arm + week:arm, rows, method = "ML", correlation = corAR1(form = ~ week | id))'
    """
    if formula.residual == INDEPENDENT:
        return f"lmer({formula.text}, rows, REML = FALSE)"
    given = [formula.fixed_text, "rows", *(_random(formula) if formula.parts else []), 'method = "ML"']
    given += _correlation(formula)
    if formula.residual.variance:
        given.append(f"weights = varIdent(form = ~ 1 | {formula.residual.variance})")
    return f"{'lme' if formula.parts else 'gls'}({', '.join(given)})"


def _random(formula: Formula) -> list[str]:
    """Random parts as lme takes them; those of one level together."""
    levels: dict[str, list[str]] = {}
    for part in formula.parts:
        inner = [name for name in part.columns if name != INTERCEPT]
        head = " + ".join(["1" if INTERCEPT in part.columns else "0", *inner])
        levels.setdefault(part.group[-1], []).append(f"~ {head}" if part.correlated else f"pdDiag(~ {head})")
    named = [
        f"{group} = {parts[0] if len(parts) == 1 else f'pdBlocked(list({chr(44).join(parts)}))'}"
        for group, parts in levels.items()
    ]
    return [f"random = list({', '.join(named)})"]


def _correlation(formula: Formula) -> list[str]:
    residual, patient = formula.residual, formula.group
    # nlme groups by the levels of the random part, the outermost first.
    group = "/".join([*reversed(formula.groups[1:]), patient]) if formula.parts else patient
    form = f"form = ~ {residual.variable or 1} | {group}"
    visits = f"form = ~ as.integer(factor({residual.variable})) | {group}"
    classes = {
        "cs": f"corCompSymm({form})",
        "ar1": f"corAR1({form})",
        "car1": f"corCAR1({form})",
        "un": f"corSymm({visits})",
        "toep": f"corARMA({visits}, p = length(unique(rows${residual.variable})) - 1)",
    }
    return [f"correlation = {classes[residual.kind]}"] if residual.kind in classes else []

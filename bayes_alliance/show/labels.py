"""What a human reads: numbers as text, stars, names of coefficients, and where numbers come from.

Everything is computed at full precision elsewhere; rounding happens here and by one rule:

    An estimate is shown to the decimal at which its standard error (or posterior SD) has two significant
    digits. A number without an error is shown to three significant digits. CSV files are not rounded.

Text uses the plain hyphen as minus; :func:`use_minus_sign` turns it into U+2212 for figures.
"""

from __future__ import annotations

import math
import re

from bayes_alliance.assess.summaries import Summary
from bayes_alliance.run.results import StudyResults
from bayes_alliance.study.records import Source, Study

INTERVAL_NAME = "95 % equal-tailed interval"
UNDEFINED = "undefined"
STAR_LIMITS = ((0.001, "***"), (0.01, "**"), (0.05, "*"))
_MAX_DECIMALS = 8


def count_decimals(error: float) -> int:
    """Count the decimals at which an error shows two significant digits.

    Parameters
    ----------
    error : float
        Standard error or SD; the rule for a number without one stands in :func:`format_number`.

    Examples
    --------
    >>> count_decimals(0.0123), count_decimals(0.0997), count_decimals(12.0)
    (3, 2, 0)
    """
    if not (math.isfinite(error) and error > 0.0):
        return 2
    decimals = _place(error, 2)
    # Rounding may carry into the next decade: 0.0997 shows as 0.10, not as 0.100.
    carried = round(error, decimals) if decimals > 0 else error
    return _place(carried, 2) if carried > 0.0 else decimals


def _place(value: float, digits: int) -> int:
    """Decimals that show ``value`` to ``digits`` significant digits, from 0 to 8."""
    exponent = math.floor(math.log10(abs(value)) + 1e-12)
    return min(max(digits - 1 - exponent, 0), _MAX_DECIMALS)


def format_fixed(value: float, decimals: int) -> str:
    """Format with a fixed number of decimals; never a negative zero; words for what is not finite."""
    if math.isnan(value):
        return UNDEFINED
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0.0 else text


def format_number(value: float, error: float = math.nan) -> str:
    """Format a number by the rounding rule.

    Parameters
    ----------
    value : float
        The number.
    error : float
        Its standard error; without one the number gets three significant digits.

    Examples
    --------
    >>> format_number(0.02345, 0.0041), format_number(4532.234), format_number(0.0)
    ('0.0234', '4532', '0')
    """
    if not math.isfinite(value):
        return UNDEFINED if math.isnan(value) else str(value)
    if math.isfinite(error) and error > 0.0:
        return format_fixed(value, count_decimals(error))
    return "0" if value == 0.0 else format_fixed(value, _place(value, 3))


def format_stars(p: float) -> str:
    """Give the stars of a p value: * below 0.05, ** below 0.01, *** below 0.001; none for NaN."""
    return next((stars for limit, stars in STAR_LIMITS if p < limit), "")


def format_estimate_se(estimate: float, se: float, stars: str = "") -> str:
    """Format an estimate as publications print it.

    Examples
    --------
    >>> format_estimate_se(-0.0302, 0.0098, "***")
    '-0.0302(0.0098)***'
    """
    if math.isnan(se):
        return f"{format_number(estimate)}{stars}"
    decimals = count_decimals(se)
    return f"{format_fixed(estimate, decimals)}({format_fixed(se, decimals)}){stars}"


def format_interval(median: float, lower: float, upper: float, sd: float) -> str:
    """Format a median and an interval to the decimals that the SD asks for."""
    decimals = count_decimals(sd)
    middle, low, high = (format_fixed(value, decimals) for value in (median, lower, upper))
    return f"{middle} [{low}, {high}]"


def format_summary(summary: Summary | None, *, scale: float = 1.0) -> str:
    """Format a posterior as median [lower, upper], 95 % equal-tailed; empty without a posterior.

    Parameters
    ----------
    summary : Summary or None
        What to format.
    scale : float
        Positive factor, such as the months of the study's horizon.
    """
    if summary is None:
        return ""
    median, lower, upper = (scale * v for v in (summary.median, summary.lower, summary.upper))
    return format_interval(median, lower, upper, scale * summary.sd)


def format_p(p: float) -> str:
    """Format a p value or a probability to three decimals, never as 0 or 1.

    Examples
    --------
    >>> format_p(0.0301), format_p(0.00002), format_p(1.0)
    ('0.030', '<0.001', '>0.999')
    """
    if math.isnan(p):
        return UNDEFINED
    if p < 0.001:
        return "<0.001"
    return ">0.999" if p > 0.999 else f"{p:.3f}"


def use_minus_sign(text: str) -> str:
    """Replace the hyphen before a number by a minus sign (U+2212)."""
    return re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", text)


def label_coefficient(study: Study, name: str) -> str:
    """Name a coefficient or a variance quantity for a reader.

    Parameters
    ----------
    study : Study
        Gives the labels of variables and categories.
    name : str
        As :class:`bayes_alliance.assess.summaries.Quantity` spells it.

    Returns
    -------
    str
        Products with time are called slopes; a name that is not understood is given back as it is.
    """
    fixed = {
        "Intercept": "Intercept",
        study.time: "Linear slope",
        "sd_Intercept": "SD between patients, intercept",
        f"sd_{study.time}": "SD between patients, slope",
        "correlation": "Correlation of intercept and slope",
        "sigma": "Residual SD",
        "icc": "Intraclass correlation at time zero",
    }
    if name in fixed:
        return fixed[name]
    parts = name.split(":")
    others = [_label_part(study, part) for part in parts if part != study.time]
    kind = "Slope" if study.time in parts else "Level"
    return f"{kind}: {' by '.join(others)}"


def _label_part(study: Study, part: str) -> str:
    """Name one variable of a coefficient, with its category where it has one."""
    name, _, level = part.partition("[")
    variable = study.every_variable.get(name)
    if variable is None:
        return part
    if level:
        return f"{variable.label} ({level.removesuffix(']')})"
    if variable.kind == "binary":
        return f"{variable.label} ({variable.categories[1] if variable.categories else 1})"
    return variable.label


def label_group(study: Study, group: str) -> str:
    """Name a subgroup of a predictive check (``poor_outcome = 1``) by its variable's category."""
    name, _, code = group.partition(" = ")
    variable = study.every_variable.get(name)
    if variable is not None and code in ("0", "1"):
        category = variable.categories[int(code)] if variable.categories else code
        return f"{variable.label}: {category}"
    name, _, unknown = group.rpartition(" ")
    variable = study.every_variable.get(name)
    return f"{variable.label}: {unknown}" if variable is not None and unknown == "unknown" else group


def label_outcome(study: Study, outcome: str) -> str:
    """Name an outcome with its unit, as on an axis."""
    variable = study.variable(outcome)
    return f"{variable.label} ({variable.unit})" if variable.unit else variable.label


def name_file(text: str) -> str:
    """Make part of a file name out of text of a study file: lower-case letters, digits and underscores."""
    return "".join(c if c.isalnum() and c.isascii() else "_" for c in text.lower())


def cite_study(study: Study) -> str:
    """Cite the publication as shortly as can be found again: its DOI, else its title."""
    return f"doi:{study.doi}" if study.doi else study.title


def describe_provenance(results: StudyResults, *, printed: bool = False) -> str:
    """Say where the numbers of a table or figure come from.

    Parameters
    ----------
    results : StudyResults
        Source, origin and seed.
    printed : bool
        Whether printed numbers stand among them.

    Returns
    -------
    str
        One or more sentences. For a synthetic cohort they say that agreement with printed cells is partly by
        construction.
    """
    sentences = [f"Printed: {cite_study(results.study)}."] if printed else []
    if results.source == Source.SYNTHETIC:
        sentences.append(f"Computed: SYNTHETIC DATA ({results.origin}), not patients' data.")
        if results.study.cells:
            sentences.append(
                "The cohort was drawn to agree with printed tables: agreement is partly by construction."
            )
    else:
        sentences.append(f"Computed: {results.source.value} ({results.origin}).")
    sentences.append(f"Random seed of the run: {results.seed}.")
    return " ".join(sentences)


def stamp_provenance(results: StudyResults) -> str:
    """Give the provenance of computed numbers as one short cell: source, origin and seed."""
    return f"{results.source.value}: {results.origin}; run seed {results.seed}"


def describe_inference(results: StudyResults) -> tuple[str, ...]:
    """Say in notes how ML, REML and Bayes numbers are made and rounded."""
    notes = [
        "ML and REML: estimate(SE); stars by t test on Satterthwaite degrees of freedom: * p < 0.05, "
        "** p < 0.01, *** p < 0.001. Random intercept and slope with unstructured covariance (UN)."
    ]
    posteriors = [run.posterior for run in results.runs if run.posterior is not None]
    if posteriors:
        kinds = sorted({p.covariance for p in posteriors if len(p.z_names) > 1}) or ["ID"]
        names = {"UN": "unstructured (UN)", "VC": "independent (VC)", "ID": "a single random effect (ID)"}
        notes.append(
            f"Bayes: posterior median [{INTERVAL_NAME}]; P(direction): posterior probability of the more "
            f"probable sign. Prior set '{results.prior}', engine {results.engine}, random effects "
            f"{' and '.join(names[k] for k in kinds)}."
        )
    else:
        notes.append("No posterior was asked for: the columns for Bayes are empty.")
    notes.append("Rounded so that the SE or posterior SD shows two digits; the CSV file is not rounded.")
    return tuple(notes)

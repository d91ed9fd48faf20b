"""Columns and rows of a pasted table: what each holds, and which columns belong to one model.

A heading over several columns counts for all of them; columns for the two limits of an interval are one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bayes_alliance.data.readers.printed_grid import Grid
from bayes_alliance.study.cell_rules import RULES

# Question, and the answers that are possible; an empty answer leaves it open.
Ask = Callable[[str, Sequence[str]], str]
_HEADINGS: tuple[tuple[str, str], ...] = (
    (
        "ci",
        r"^(?:\d\d\s?%\s?)?(?:c\.?i\.?|cri|confidence interval)(?:\s?\d\d\s?%?)?$|^95\s?% (?:confidence|credible)",
    ),
    ("se", r"^\(?(?:s\.?e\.?m?|(?:std|est)\.?\s?err\w*\.?|standard error)\)?$"),
    ("df", r"^d\.?f\.?$|degrees of freedom"),
    ("t", r"^t(?:[- ](?:value|ratio|statistic))?$"),
    ("z", r"^z(?:[- ](?:value|statistic))?$"),
    ("f", r"^f(?:[- ]value)?$"),
    ("chi2", r"^(?:χ2|χ²|chi[- ]?square\w*|lrt?)$"),
    ("p", r"^p(?:[- ]?values?)?$|^sig\.?$|^pr(?:$|\(>)"),
    ("beta", r"^std\.? beta\b"),
    ("variance", r"^variance$"),
    ("sd", r"^(?:s\.?d\.?|std\.?\s?dev\.?|standard deviation)$"),
    ("correlation", r"^corr\.?$"),
    (
        "estimate",
        r"^(?:b|βb|coef\w*\.?|estimates?|est\.?|parameter estimates?|effect(?! size)|mean difference|γ)\b",
    ),
    ("cohen_d", r"^(?:d|cohen'?s d|effect size d)$"),
)
_ROWS: tuple[tuple[str, str], ...] = (
    ("minus_2ll", r"[-−–]\s?2\s?(?:\*\s?)?(?:ll|log)|[-−–]2rll|^reml criterion"),
    ("deviance", r"^deviance"),
    ("log_likelihood", r"^log[- ]?lik(?:elihood)?"),
    ("aicc", r"\baicc\b"),
    ("aic", r"\baic\b|akaike"),
    ("bic", r"\bbic\b|bayesian information|schwarz"),
    ("icc", r"\bicc\b|intraclass"),
    ("r2", r"^(?:marginal |conditional |pseudo[- ])?r(?:2|²)"),
    ("residual_sd", r"^(?:sigma|σ)$|residual.*\b(?:sd|standard deviation)\b|\bsd\b.*residual"),
    ("residual", r"\bresidual\b|σ(?:2|²)|sigma"),
    ("correlation", r"\bcorr\w*\b|^ρ"),
    ("covariance", r"\bcov\w*\b|τ01|τ₀₁"),
    ("sd", r"\bsd\b|standard deviation"),
    ("variance", r"\bvar(?:iance)?\b|τ(?:00|11|2|²)|τ₀₀|τ₁₁|random"),
)
_LOWER, _UPPER = {"lower", "ll", "lcl"}, {"upper", "ul", "ucl"}
# Words that name a limit only beside "CI": "Low" and "High" alone may be two groups.
_LOWER_OF_CI, _UPPER_OF_CI = {"l", "low"}, {"u", "high"}
_COMPONENTS = ("variance", "sd", "covariance", "correlation")


@dataclass(frozen=True, kw_only=True)
class Column:
    """What stands below one heading, or below those of both limits of an interval."""

    head: str
    quantity: str
    at: tuple[int, ...]
    block: int = 0

    def text(self, row: Sequence[str]) -> str:
        """Return what a row prints here."""
        return " to ".join(filter(None, (row[k] for k in self.at)))


def split_headings(grid: Grid) -> tuple[list[str], Grid]:
    """Join the rows of headings, which hold no digits but those of a level, into one.

    Where the lowest row says the same several times, the headings above it span what follows them.
    """
    heads = 0
    while heads < len(grid) - 1 and not any(_is_number(cell) for cell in grid[heads][1:]):
        if heads and len([c for c in grid[heads] if c]) <= 1:
            break
        heads += 1
    heads = max(heads, 1)
    rows = [list(row) for row in grid[:heads]]
    lowest = [cell for cell in rows[-1][1:] if cell]
    if len(set(lowest)) < len(lowest):
        for row in rows[:-1]:
            for k in range(2, len(row)):
                row[k] = row[k] or row[k - 1]
    width = len(grid[0])
    joined = [" ".join(dict.fromkeys(filter(None, (row[k] for row in rows)))) for k in range(width)]
    return joined, grid[heads:]


def _is_number(text: str) -> bool:
    bare = re.sub(r"\d\d\s?%\s?C\.?I\.?|\d+(?:\.\d)?\s%|Model \d+|Time \d+|\bT\d\b", "", text)
    return bool(re.search(r"\d", bare))


def columns_of(heads: Sequence[str], ask: Ask | None) -> list[Column]:
    """Tell what every column but that of the labels holds, and where the columns of another model begin."""
    found: list[Column] = []
    first, block, k = "", 0, 1
    at: tuple[int, ...]
    while k < len(heads):
        level = _limits(heads[k], heads[k + 1]) if k + 1 < len(heads) else None
        if level is not None:
            head, quantity, at = f"{level}{heads[k]} / {heads[k + 1]}", "ci", (k, k + 1)
        else:
            head, quantity, at = heads[k], _quantity(heads[k], ask), (k,)
        if quantity and quantity == first:
            block += 1
        first = first or quantity
        found.append(Column(head=head, quantity=quantity, at=at, block=block))
        k += len(at)
    return found


def _limits(low: str, high: str) -> str | None:
    """Return what two headings say of an interval's level if they name its limits, else nothing."""
    if re.search(r"\b2\.5\s?%", low) and re.search(r"\b97\.5\s?%", high):
        return "95% CI: "
    words = [set(re.findall(r"[a-z]+", head.lower())) for head in (low, high)]
    of_ci = all(each & {"ci", "cri", "conf", "confidence", "credible"} for each in words)
    lower = _LOWER | (_LOWER_OF_CI if of_ci else set())
    upper = _UPPER | (_UPPER_OF_CI if of_ci else set())
    return "" if words[0] & lower and words[1] & upper else None


def _quantity(head: str, ask: Ask | None) -> str:
    """Quantity of a column by its heading, or by the end of it; empty where it cannot be told."""
    plain = re.sub(r"\s*[(\[].*?[)\]]\s*$", "", head).strip().lower()
    if plain == "value":
        return "estimate"
    words = plain.split(" ")
    for k in reversed(range(len(words))):
        end = " ".join(words[k:])
        for name, pattern in _HEADINGS:
            if end and re.search(pattern, end):
                return name
    if words[-1] in ("β", "beta"):
        question = (
            f"Are the numbers below {head!r} in units of the outcome (estimate) or standardised (beta)?"
        )
        return ask(question, ("estimate", "beta")) if ask else ""
    return ask(f"What does the column {head!r} hold?", tuple(RULES)) if ask and head else ""


def row_quantity(label: str, section: str) -> str:
    """Quantity of a row that its label, or the heading of its section, names; empty for a coefficient."""
    plain, above = label.lower(), section.lower()
    of_sd = re.search(r"\bsds?\b|standard deviations?", above)
    for name, pattern in _ROWS:
        if re.search(pattern, plain):
            return {"residual": "residual_sd", "variance": "sd"}.get(name, name) if of_sd else name
    if re.search(r"^corr", above):
        return "correlation"
    if re.search(r"random|variance comp", above):
        return "sd" if of_sd else "variance"
    return ""


def quantity_of_cell(of_row: str, of_column: str) -> str:
    """Quantity of a cell: that of its row, where the column does not say more."""
    if of_row in ("variance", "sd") and of_column in _COMPONENTS:
        return of_column
    if of_row == "residual" and of_column == "sd":
        return "residual_sd"
    return of_row or of_column

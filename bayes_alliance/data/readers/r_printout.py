"""The summary that R prints of a mixed model (lme4, lmerTest, nlme), as rows of texts."""

from __future__ import annotations

import re

_FIXED = re.compile(r"^\s*(?:Estimate|Value)\s+Std\.\s?Error\b")
_HEADS = re.compile(r"Estimate|Value|Std\.\s?Error|d\.?f\b|DF|[tz][ -]value|Pr\(>\|[tz]\|\)|p-value")
_RANDOM = re.compile(r"^\s*Groups\s+Name\s+(?P<heads>(?:Variance\s+)?Std\.Dev\.(?:\s+Corr)?)\s*$")
_FIT = re.compile(r"^\s*AIC\s+BIC\s+logLik")
_REML = re.compile(r"^\s*(REML criterion) at convergence:\s*(\S+)")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$")


def r_grid(lines: list[str]) -> list[list[str]] | None:
    """Return one table of fixed effects, variances and measures of fit; nothing where R printed no such text."""
    plain = [re.sub(r"^\s*#[#>]\s?", "", line) for line in lines]
    at = next((k for k, line in enumerate(plain) if _FIXED.match(line)), None)
    if at is None:
        return None
    heads = [re.sub(r"\s+", " ", head) for head in _HEADS.findall(plain[at])]
    fixed = _fixed(plain[at + 1 :], len(heads))
    if not fixed:
        return None
    more, random = _random(plain)
    blank = [""] * len(heads)
    rows = [["", *heads, *more], *([*row, *[""] * len(more)] for row in fixed)]
    rows += [[row[0], *blank, *row[1:]] for row in random]
    rows += [[name, value, *blank[1:], *[""] * len(more)] for name, value in _fit(plain)]
    return rows


def _fixed(lines: list[str], width: int) -> list[list[str]]:
    found = []
    for line in lines:
        tokens = re.sub(r"<\s+", "<", line).split()
        # The code of significance behind p says less than p.
        if len(tokens) > width + 1 and re.fullmatch(r"\*{1,3}|\.", tokens[-1]):
            tokens = tokens[:-1]
        cells = tokens[-width:]
        if len(tokens) <= width or not all(_NUMBER.match(cell.lstrip("<")) for cell in cells):
            break
        found.append([" ".join(tokens[:-width]), *cells])
    return found


def _random(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """Variances, standard deviations and correlations; the name of a group stands only in its first line."""
    at = next((k for k, line in enumerate(lines) if _RANDOM.match(line)), None)
    if at is None:
        return [], []
    heads = re.findall(r"Variance|Std\.Dev\.|Corr", lines[at])
    name_at, group, found = lines[at].index("Name"), "", []
    for line in lines[at + 1 :]:
        if line.startswith("Number of obs"):
            break
        group = line[:name_at].strip() or group
        tokens = line[name_at:].split()
        first = next((k for k, token in enumerate(tokens) if _NUMBER.match(token)), None)
        if first is None or len(tokens) - first > len(heads):
            break
        cells = tokens[first:] + [""] * (len(heads) - len(tokens) + first)
        label = f"Random, {group} {' '.join(tokens[:first])}" if first else group
        found.append([label, *cells])
    return heads, found


def _fit(lines: list[str]) -> list[tuple[str, str]]:
    found = [(match[1], match[2]) for match in map(_REML.match, lines) if match]
    for k, line in enumerate(lines[:-1]):
        values = lines[k + 1].split()
        if _FIT.match(line) and all(_NUMBER.match(value) for value in values):
            pairs = zip(line.split(), values, strict=False)
            found += [pair for pair in pairs if pair[0] in ("AIC", "BIC", "logLik", "deviance")]
    return found

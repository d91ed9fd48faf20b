"""The answer in words: tally of verdicts, main findings, what would overturn them, sentences for a paper.

Everything is made by fixed rules from the machine-readable claims (:mod:`bayes_alliance.show.claims_json`); nothing is
judged here, and verdicts are spelled as they stand there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bayes_alliance.assess.verdict_words import ORDER, Verdict
from bayes_alliance.show.format_numbers import format_count, format_interval, format_p, use_minus_sign

Facts = Mapping[str, Any]
NOT_TESTABLE = "\N{EM DASH}"
_NOT_PRINTED = "not printed"
_NOTHING, _KEPT = "nothing that was tried", "Not overturned by: "
_MAX_FIRST = 6  # changes named for one finding; the rest stand in its card


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many claims have each verdict in one source, in the order of ``Verdict``."""

    source: str
    counts: tuple[int, ...]

    def text(self) -> str:
        """Return the counts above zero in words, such as ``15 supported, 6 likely``."""
        named = zip(self.counts, VERDICT_NAMES, strict=True)
        return ", ".join(f"{count} {name}" for count, name in named if count)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One main finding, ready to be read.

    Parameters
    ----------
    key, says : str
        Id and words of the claim.
    printed, sceptical : tuple of str
        From printed numbers under the default and the sceptical prior, one line a part.
    other : tuple of str
        The same from real data, the mixture over cohorts, or cohort by cohort.
    verdict, basis : str
        The verdict, and the source that it is from.
    """

    key: str
    says: str
    printed: tuple[str, ...]
    sceptical: tuple[str, ...]
    other: tuple[str, ...]
    verdict: str
    basis: str


VERDICT_NAMES: tuple[str, ...] = tuple(verdict.value for verdict in Verdict)
_AFFIRMED = frozenset(verdict.value for verdict in ORDER[:2])
_TESTED = frozenset(verdict.value for verdict in ORDER)


def tally_claims(facts: Facts) -> tuple[Tally, ...]:
    """Count verdicts by source; sources that were not looked at are absent.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.

    Returns
    -------
    tuple of Tally
        Printed numbers, then mixture, synthetic cohorts (most frequent verdict of each claim) and real data.
    """
    claims = facts["claims"]
    found = [_tally("Printed numbers", [claim["printed"]["verdict"] for claim in claims])]
    if any(claim.get("mixture") for claim in claims):
        verdicts = [(claim.get("mixture") or {}).get("verdict", "") for claim in claims]
        found.append(_tally("Mixture of synthetic cohorts", verdicts))
    elif any(claim["synthetic"]["commonest"] for claim in claims):
        verdicts = [claim["synthetic"]["commonest"] for claim in claims]
        found.append(_tally(f"{count_cohorts(facts)} synthetic cohorts", verdicts))
    if any(claim["real"] for claim in claims):
        found.append(_tally("Real data", [claim["real"]["verdict"] for claim in claims]))
    return tuple(found)


def _tally(source: str, verdicts: Sequence[str]) -> Tally:
    counts = Counter(verdicts)
    return Tally(source=source, counts=tuple(counts[name] for name in VERDICT_NAMES))


def count_cohorts(facts: Facts) -> int:
    """Return the number of synthetic cohorts that the claims were judged on."""
    return max((len(claim["synthetic"]["cohorts"]) for claim in facts["claims"]), default=0)


def decide(claim: Facts) -> tuple[str, str]:
    """Return the verdict that stands for a claim, and the source it is from.

    Real data come first; without them printed numbers; where these cannot test the claim, the mixture over synthetic
    cohorts or their most frequent verdict.
    """
    printed = str(claim["printed"]["verdict"])
    if claim["real"]:
        return str(claim["real"]["verdict"]), "real data"
    if printed in _TESTED:
        return printed, f"printed numbers{_tested_parts(claim['printed'])}"
    if claim.get("mixture"):
        return str(claim["mixture"]["verdict"]), "mixture of synthetic cohorts"
    commonest = str(claim["synthetic"]["commonest"])
    return (commonest, "synthetic cohorts") if commonest in _TESTED else (printed, "")


def _tested_parts(result: Facts) -> str:
    """Return how many parts a verdict rests on where that is not all of them."""
    parts = result["parts"]
    tested = sum(part["verdict"] in _TESTED for part in parts)
    return "" if tested == len(parts) else f", {tested} of {len(parts)} parts"


def list_findings(facts: Facts) -> tuple[Finding, ...]:
    """Return the main findings in the order of the publication.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    return tuple(_finding(claim) for claim in main_claims(facts))


def main_claims(facts: Facts) -> list[Facts]:
    """Return the entries of the main findings, in the order of the publication."""
    return [claim for claim in facts["claims"] if claim["main"]]


def _finding(claim: Facts) -> Finding:
    verdict, basis = decide(claim)
    under = claim["printed_under"]
    return Finding(
        key=str(claim["id"]),
        says=str(claim["says"]),
        printed=part_lines(claim["printed"], absent=_NOT_PRINTED),
        sceptical=part_lines(next(iter(under.values())), absent=_NOT_PRINTED) if under else (),
        other=_other_lines(claim),
        verdict=verdict,
        basis=basis,
    )


def _other_lines(claim: Facts) -> tuple[str, ...]:
    if claim["real"]:
        return part_lines(claim["real"])
    if claim.get("mixture"):
        return part_lines(claim["mixture"])
    spread = claim["synthetic"]["verdicts"]
    total = sum(spread.values())
    return tuple(
        f"{verdict} in {spread[verdict]} of {total}" for verdict in VERDICT_NAMES if spread.get(verdict)
    )


def part_lines(result: Facts, *, absent: str = NOT_TESTABLE) -> tuple[str, ...]:
    """Return one line per part: what it is about and its posterior, or what to say where the source cannot tell."""
    parts = result["parts"]
    numbers = [format_part(part) for part in parts]
    if not any(numbers):
        return (NOT_TESTABLE,)
    names = [str(part["about"]) for part in parts]
    # Parts about one variable differ in what is asked of it, which their labels say.
    if len(set(names)) < len(names):
        names = [str(part["label"]) for part in parts]
    if len(parts) == 1:
        return (numbers[0] or NOT_TESTABLE,)
    return tuple(f"{name} {number or absent}" for name, number in zip(names, numbers, strict=True))


def format_part(part: Facts) -> str:
    """Format the posterior of a part as median [95 % interval] and unit; empty where there is none."""
    values = [part.get(name) for name in ("median", "lower", "upper")]
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return ""
    middle, low, high = (float(value) for value in values if value is not None)
    unit = str(part.get("unit") or "")
    shown = "" if unit in ("", "points") else f" {unit}"
    return use_minus_sign(format_interval(middle, low, high, abs(high - low) / 4.0)) + shown


def first_affirmed(facts: Facts) -> Facts | None:
    """Return the first main finding that holds, at least as likely; else the first of all; None without any.

    What would overturn a finding is a question about one that stands.
    """
    mains = main_claims(facts)
    return next((claim for claim in mains if decide(claim)[0] in _AFFIRMED), mains[0] if mains else None)


def lead_sentence(facts: Facts) -> str:
    """Return the answer in one or two sentences: main findings by verdict, and what overturns the first that holds.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    mains = main_claims(facts)
    if not mains:
        return ""
    decided = [decide(claim) for claim in mains]
    # A verdict that only synthetic cohorts give shows assumptions: it is no finding, and not in the tally.
    evidence = [(verdict, source) for verdict, source in decided if "synthetic" not in source]
    counts = Counter(verdict for verdict, _ in evidence)
    named = [f"{counts[name]} {name}" for name in VERDICT_NAMES if counts[name]]
    if len(evidence) < len(mains):
        named.append(f"{len(mains) - len(evidence)} testable on synthetic cohorts only")
    said = f"Of {format_count(len(mains), 'main finding')}: {', '.join(named)}."
    in_part = sum(source.endswith(" parts") for _, source in evidence)
    if in_part:
        said += f" The printed numbers test only some parts of {in_part} of them."
    first = first_affirmed(facts)
    if first is None or not (first["changes"] or first["kept"]):
        return said
    overturning = list_overturning(first)
    verdict, _ = decide(first)
    if verdict not in _AFFIRMED:
        return f"{said} {_quote(first['says'])} is {verdict}."
    if not overturning:
        return f"{said} {_quote(first['says'])} is {verdict}, and nothing that was tried overturns it."
    families = ", ".join(dict.fromkeys(str(change["family"]) for change in overturning))
    doubt = "likely, not certain, and" if verdict == "likely" else f"{verdict}, but"
    return f"{said} {_quote(first['says'])} is {doubt} can be overturned by other assumptions on: {families}."


def list_overturning(claim: Facts) -> list[Facts]:
    """Return the departures that overturn a claim, from mild to strong: its verdict is no longer at least likely."""
    return [change for change in claim["changes"] if change["verdict"] not in _AFFIRMED]


def overturn_lines(claim: Facts) -> tuple[str, ...]:
    """Return what overturns a claim, the mildest of each kind, and what does not; empty if nothing was tried.

    Parameters
    ----------
    claim : mapping
        One entry of the claims. Departures start from the verdict on the rows at hand.
    """
    if not (claim["changes"] or claim["kept"]):
        return ()
    firsts: dict[str, Facts] = {}
    for change in list_overturning(claim):
        firsts.setdefault(str(change["family"]), change)
    lines = [f"{change['says']}: {change['verdict']}" for change in list(firsts.values())[:_MAX_FIRST]]
    tried = dict.fromkeys([*(str(change["family"]) for change in claim["changes"]), *claim["kept"]])
    harmless = [family for family in tried if family not in firsts]
    if not lines:
        lines = [_NOTHING]
    if harmless:
        lines.append(f"{_KEPT}{', '.join(harmless)}")
    return tuple(use_minus_sign(line) for line in lines)


def describe_finding(claim: Facts, horizon: str) -> str:
    """Return a sentence for a results section, APA style: what was found and the verdict.

    Parameters
    ----------
    claim : mapping
        One entry of the claims.
    horizon : str
        Such as ``36 months``.
    """
    verdict, basis = decide(claim)
    says = str(claim["says"])
    if verdict not in _TESTED:
        return f"The claim {_quote(says)} could not be tested."
    source = claim["real"] or (claim["printed"] if basis.startswith("printed") else claim.get("mixture"))
    numbers = "; ".join(_apa(part) for part in (source or {"parts": ()})["parts"] if format_part(part))
    over = f" (posterior medians; changes are those over {horizon}: {numbers})" if numbers else ""
    return f"The claim {_quote(says)} was judged {verdict} on the basis of the {basis}{over}."


def _apa(part: Facts) -> str:
    middle, low, high = (float(part[name]) for name in ("median", "lower", "upper"))
    median, ends = format_interval(middle, low, high, abs(high - low) / 4.0).split(" ", 1)
    chance = part.get("p_direction")
    # APA: no zero before the point of a number that cannot exceed 1.
    said = f", P(direction) {_compare(format_p(float(chance)))}" if isinstance(chance, int | float) else ""
    unit = str(part.get("unit") or "")
    return use_minus_sign(f"{part['about']} {median}{f' {unit}' if unit else ''}, 95% CrI {ends}{said}")


def _compare(text: str) -> str:
    short = text.replace("0.", ".", 1)
    return f"{short[0]} {short[1:]}" if short[:1] in "<>" else f"= {short}"


def results_paragraph(facts: Facts) -> str:
    """Return a paragraph for the results section: the tally, then each main finding.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    tallies = "; ".join(f"{tally.source.lower()}: {tally.text()}" for tally in tally_claims(facts))
    said = [f"Of {len(facts['claims'])} published claims, verdicts by source were as follows ({tallies})."]
    said += [describe_finding(claim, str(facts["horizon"])) for claim in main_claims(facts)]
    said += _overturn_sentence(facts)
    if facts["rows_at_hand"] and facts["rows_at_hand"]["source"] == "synthetic":
        said.append(
            "Synthetic cohorts reproduce the published tables and are not evidence about the patients."
        )
    return " ".join(said)


def _overturn_sentence(facts: Facts) -> list[str]:
    claim = first_affirmed(facts)
    lines = overturn_lines(claim) if claim is not None else ()
    if claim is None or not lines:
        return []
    tried = "".join(line.removeprefix(_KEPT) for line in lines if line.startswith(_KEPT))
    changed = [line for line in lines if not line.startswith(_KEPT) and line != _NOTHING]
    if not changed:
        return [f"No single change of the main analysis overturned {_quote(claim['says'])} (tried: {tried})."]
    rest = f" Not overturned by: {tried}." if tried else ""
    return [f"Single changes that overturned {_quote(claim['says'])}: {'; '.join(changed)}.{rest}"]


def _quote(text: object) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{text}\N{RIGHT DOUBLE QUOTATION MARK}"


def summary_lines(facts: Facts, *, audit: str = "") -> list[str]:
    """Return the answer in few lines for a terminal or the clipboard: tallies, main findings, what changes the first.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    audit : str
        One line on the audit of the printed numbers, if there was one.
    """
    lines = [
        f"{len(facts['claims'])} claims. " + ". ".join(f"{t.source}: {t.text()}" for t in tally_claims(facts))
    ]
    by_verdict: dict[str, list[str]] = {}
    for finding in list_findings(facts):
        only = " (synthetic cohorts only)" if "synthetic" in finding.basis else ""
        by_verdict.setdefault(finding.verdict, []).append(f"{finding.says}{only}")
    if by_verdict:
        names = [name for name in VERDICT_NAMES if name in by_verdict]
        lines.append(
            "Main findings: " + " | ".join(f"{name}: {'; '.join(by_verdict[name])}" for name in names)
        )
    claim = first_affirmed(facts)
    changes = overturn_lines(claim) if claim is not None else ()
    if claim is not None and changes:
        said = "; ".join(changes).replace(f"; {_KEPT}", f". {_KEPT}")
        lines.append(f"What would overturn {_quote(claim['says'])}: {said}")
    if audit:
        lines.append(audit)
    return lines

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
from bayes_alliance.show.format_numbers import format_interval, use_minus_sign
from bayes_alliance.show.parts_together import explain_parts
from bayes_alliance.show.verdict_definitions import OVERTURNED

Facts = Mapping[str, Any]
NOT_TESTABLE = "\N{EM DASH}"
_NOT_PRINTED = "not printed"
_SAME = "the same"
_UNTESTED = "cannot be tested from print"
NOTHING_TRIED, KEPT = "nothing that was tried", "Not overturned by: "
_MAX_FIRST = 6  # changes named for one finding; the rest stand in its card


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many claims have each verdict in one source, in the order of ``VERDICT_NAMES``.

    ``n_claims`` counts those too that the source holds nothing about; they have no verdict.
    """

    source: str
    counts: tuple[int, ...]
    n_claims: int

    @property
    def n_tested(self) -> int:
        """Claims that the source can test."""
        return sum(self.counts)

    def text(self) -> str:
        """Return the counts above zero in words, such as ``21 testable, of which 15 supported, 6 likely``."""
        named = zip(self.counts, VERDICT_NAMES, strict=True)
        said = ", ".join(f"{count} {name}" for count, name in named if count)
        if self.n_tested == self.n_claims:
            return said
        return f"{self.n_tested} testable" + (f", of which {said}" if said else "")


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
    measure : str
        Whether the numbers are changes or levels, such as ``change over 36 months``, and by which standard a claim of
        no difference is judged.
    together : str
        How the verdict follows from those of several parts; empty with one.
    tag : str
        What it is called where the questions of the page are about it; empty elsewhere.
    """

    key: str
    says: str
    printed: tuple[str, ...]
    sceptical: tuple[str, ...]
    other: tuple[str, ...]
    verdict: str
    basis: str
    measure: str = ""
    together: str = ""
    tag: str = ""


# Of claims that a source can test.
VERDICT_NAMES: tuple[str, ...] = tuple(verdict.value for verdict in Verdict if verdict in ORDER)
AFFIRMED = frozenset(verdict.value for verdict in ORDER[:2])
_TESTED = frozenset(VERDICT_NAMES)


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
    return Tally(source=source, counts=tuple(counts[name] for name in VERDICT_NAMES), n_claims=len(verdicts))


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


def decisive_result(claim: Facts) -> Facts:
    """Return what the source says that :func:`decide` follows, part by part."""
    _, basis = decide(claim)
    printed: Facts = claim["printed"]
    if basis == "real data":
        return dict(claim["real"])
    return dict(claim["mixture"]) if basis.startswith("mixture") else printed


def explain_claim(claim: Facts) -> str:
    """Return how the verdict that stands for a claim follows from its parts; empty with one part."""
    return explain_parts(decisive_result(claim), str(claim.get("combine", "all")))


def measure_of(claim: Facts) -> str:
    """Return whether the numbers of a claim are changes or levels; empty where its parts differ in that."""
    named = {str(part.get("measure", "")) for part in claim["printed"]["parts"]}
    return named.pop() if len(named) == 1 else ""


def list_findings(facts: Facts) -> tuple[Finding, ...]:
    """Return the main findings in the order of the publication.

    Parameters
    ----------
    facts : mapping
        Of :func:`bayes_alliance.show.claims_json.claims_json`.
    """
    central, mains = central_claim(facts), main_claims(facts)
    tag = (
        ""
        if len(mains) == 1
        else "main finding"
        if mains and central and central.get("leading")
        else "asked about above"
    )
    return tuple(_finding(claim, tag if claim is central else "") for claim in mains)


def main_claims(facts: Facts) -> list[Facts]:
    """Return the entries of the main findings, in the order of the publication."""
    return [claim for claim in facts["claims"] if claim["main"]]


def _finding(claim: Facts, tag: str) -> Finding:
    verdict, basis = decide(claim)
    printed = part_lines(claim["printed"], absent=_NOT_PRINTED)
    under = [part_lines(one, absent=_NOT_PRINTED) for one in claim["printed_under"].values()]
    sceptical = under[0] if under else ()
    return Finding(
        key=str(claim["id"]),
        says=str(claim["says"]),
        printed=printed,
        sceptical=(_SAME,) if sceptical == printed != (NOT_TESTABLE,) else sceptical,
        other=_other_lines(claim),
        verdict=verdict,
        basis=basis,
        measure="; ".join(filter(None, (measure_of(claim), _say_standard(claim)))),
        together=explain_claim(claim),
        tag=tag,
    )


def _say_standard(claim: Facts) -> str:
    """Return by which of two standards a claim that nothing differs is judged; empty for all other claims."""
    relations = {part.get("relation") for part in claim["printed"]["parts"]}
    return {
        "same": "judged by equivalence",
        "not_significant": "judged as a report of “not significant”",
    }.get(str(relations.pop()) if len(relations) == 1 else "", "")


def _other_lines(claim: Facts) -> tuple[str, ...]:
    if claim["real"]:
        return part_lines(claim["real"])
    if claim.get("mixture"):
        return part_lines(claim["mixture"])
    spread = claim["synthetic"]["verdicts"]
    total = sum(spread.values())
    return tuple(
        f"{verdict.value} in {spread[verdict]} of {total}" for verdict in Verdict if spread.get(verdict)
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
        # A long name has a line of its own, so that columns stay narrow.
        return (names[0], numbers[0]) if " " in names[0] else (f"{names[0]} {numbers[0]}",)
    known = [f"{name} {number}" for name, number in zip(names, numbers, strict=True) if number]
    rest = [name for name, number in zip(names, numbers, strict=True) if not number]
    return (*known, *((f"{', '.join(rest)}: {absent}",) if rest else ()))


def format_part(part: Facts) -> str:
    """Format the posterior of a part as median [95 % interval] and unit; empty where there is none."""
    values = [part.get(name) for name in ("median", "lower", "upper")]
    if not all(isinstance(value, int | float) and math.isfinite(value) for value in values):
        return ""
    middle, low, high = (float(value) for value in values if value is not None)
    unit = str(part.get("unit") or "")
    shown = "" if unit in ("", "points") else f" {unit}"
    return use_minus_sign(format_interval(middle, low, high, abs(high - low) / 4.0)) + shown


def central_claim(facts: Facts) -> Facts | None:
    """Return the main finding that the page asks about: the one that the publication is about, where the study says so.

    Elsewhere the first that holds, at least as likely, since what would overturn a finding is a question about one that
    stands; else the first of all. None without any.
    """
    mains = main_claims(facts)
    leading = [claim for claim in mains if claim.get("leading")]
    holding = [claim for claim in mains if decide(claim)[0] in AFFIRMED]
    return next(iter([*leading, *holding, *mains]), None)


def list_overturning(claim: Facts) -> list[Facts]:
    """Return the departures that overturn a claim, from mild to strong: its verdict is no longer at least likely."""
    return [change for change in claim["changes"] if change["verdict"] not in AFFIRMED]


def first_overturning(claim: Facts) -> list[Facts]:
    """Return the mildest departure of each kind that overturns a claim."""
    firsts: dict[str, Facts] = {}
    for change in list_overturning(claim):
        firsts.setdefault(str(change["family"]), change)
    return list(firsts.values())


def families_tried(claim: Facts) -> list[str]:
    """Return the kinds of departures that were tried on a claim."""
    return list(dict.fromkeys([*(str(change["family"]) for change in claim["changes"]), *claim["kept"]]))


def overturn_lines(claim: Facts) -> tuple[str, ...]:
    """Return what overturns a claim, the mildest of each kind, and what does not; empty if nothing was tried.

    Parameters
    ----------
    claim : mapping
        One entry of the claims. Departures start from the verdict on the rows at hand.
    """
    if not families_tried(claim):
        return ()
    firsts = first_overturning(claim)
    lines = [f"{change['says']}: {change['verdict']}" for change in firsts[:_MAX_FIRST]]
    overturned = {str(change["family"]) for change in firsts}
    harmless = [family for family in families_tried(claim) if family not in overturned]
    if not lines:
        lines = [NOTHING_TRIED]
    if harmless:
        lines.append(f"{KEPT}{', '.join(harmless)}")
    return tuple(use_minus_sign(line) for line in lines)


def quote(text: object) -> str:
    """Return a text in quotation marks."""
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
        if "synthetic" in finding.basis:
            by_verdict.setdefault(_UNTESTED, []).append(
                f"{finding.says} (synthetic cohorts: {finding.verdict})"
            )
        else:
            by_verdict.setdefault(finding.verdict, []).append(finding.says)
    if by_verdict:
        names = [name for name in (*(verdict.value for verdict in Verdict), _UNTESTED) if name in by_verdict]
        lines.append(
            "Main findings: " + " | ".join(f"{name}: {'; '.join(by_verdict[name])}" for name in names)
        )
    claim = central_claim(facts)
    if claim is not None and (why := explain_claim(claim)):
        lines.append(f"{quote(claim['says'])}, {decide(claim)[0]}: {why}")
    changes = overturn_lines(claim) if claim is not None else ()
    if claim is not None and changes:
        said = "; ".join(changes).replace(f"; {KEPT}", f". {KEPT}")
        lines.append(f"What would overturn {quote(claim['says'])}: {said}. {OVERTURNED}")
    if audit:
        lines.append(audit)
    return lines

"""The four questions at the top of the page, each with its answer in a sentence.

How many findings survive, is the main finding safe, what would overturn it, are these patients' data? Made by fixed
rules from the machine-readable claims (:mod:`bayes_alliance.show.claims_json`); nothing is judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bayes_alliance.assess.verdict_rules import LIKELY
from bayes_alliance.assess.verdict_words import Verdict
from bayes_alliance.show.format_numbers import format_count, use_minus_sign
from bayes_alliance.show.narrative import (
    AFFIRMED,
    VERDICT_NAMES,
    Facts,
    central_claim,
    decide,
    explain_claim,
    families_tried,
    first_overturning,
    list_overturning,
    main_claims,
    quote,
)
from bayes_alliance.show.parts_together import floor_chance
from bayes_alliance.study.records import Source

# More ways to overturn a finding than these stand below the questions only.
_MAX_WAYS = 2


@dataclass(frozen=True, kw_only=True)
class Answered:
    """A question, its answer in a word or two, and a sentence that says more; either may be empty."""

    asks: str
    short: str
    says: str


def answer_questions(facts: Facts | None, *, source: str, origin: str = "") -> tuple[Answered, ...]:
    """Return the questions that every reader has, answered.

    Parameters
    ----------
    facts : mapping or None
        Of :func:`bayes_alliance.show.claims_json.claims_json`; None for a study without claims.
    source : str
        Of the rows at hand, a value of :class:`Source`; empty where there are printed numbers only.
    origin : str
        The rows' file.
    """
    whose = _answer_whose(facts, source, origin)
    claim = central_claim(facts) if facts is not None else None
    if facts is None or claim is None:
        return (whose,)
    mains = main_claims(facts)
    what = (
        "it"
        if len(mains) == 1
        else "the main finding"
        if claim.get("leading")
        else "the first finding that survives"
    )
    if what == "the first finding that survives" and decide(claim)[0] not in AFFIRMED:
        what = "the first finding"
    return (
        _count_survivors(facts),
        Answered(asks=f"Is {what} safe?", **_say_safe(claim, facts["rows_at_hand"])),
        Answered(asks="What would overturn it?", **_say_overturning(claim, str(facts["depth"]))),
        whose,
    )


def is_evidence(basis: str) -> bool:
    """Return whether a verdict rests on more than synthetic cohorts, which show assumptions only."""
    return bool(basis) and "synthetic" not in basis


def _count_survivors(facts: Facts) -> Answered:
    mains = [decide(claim) for claim in main_claims(facts)]
    every = [decide(claim) for claim in facts["claims"]]
    known = [(verdict, basis) for verdict, basis in mains if is_evidence(basis)]
    counts = Counter(verdict for verdict, _ in known)
    surviving = sum(counts[name] for name in AFFIRMED)
    partly = [verdict for verdict, basis in known if basis.endswith(" parts") and verdict in AFFIRMED]
    standing = [
        f"{counts[name]} {name}{_say_partly(partly.count(name), counts[name])}"
        for name in VERDICT_NAMES
        if counts[name] and name in AFFIRMED
    ]
    rest = [f"{counts[name]} {name}" for name in VERDICT_NAMES if counts[name] and name not in AFFIRMED]
    where = "on these data" if any(claim["real"] for claim in facts["claims"]) else "from print"
    if len(mains) > len(known):
        rest.append(f"{len(mains) - len(known)} cannot be tested {where}")
    said = "; the rest: ".join(filter(None, (", ".join(standing), ", ".join(rest))))
    of_all = "" if len(every) == len(mains) else f" {_say_all(every, where)}"
    return Answered(
        asks="How many findings survive?",
        short=f"{surviving} of {format_count(len(mains), 'main finding')}:",
        says=f"{said}.{of_all}",
    )


def _say_all(every: Sequence[tuple[str, str]], where: str) -> str:
    """Return how many of all claims can be tested, and how many of these survive."""
    tested = [verdict for verdict, basis in every if is_evidence(basis)]
    alive = sum(verdict in AFFIRMED for verdict in tested)
    counts = Counter(verdict for verdict in tested if verdict not in AFFIRMED)
    fallen = [f"{counts[name]} {name}" for name in VERDICT_NAMES if counts[name]]
    if counts and not counts[Verdict.CONTRADICTED]:
        fallen.append(f"none {Verdict.CONTRADICTED}")
    which = f" ({', '.join(fallen)})" if fallen else ""
    return (
        f"Of all {len(every)} claims, {len(tested)} can be tested {where}: {alive} survive, "
        f"{len(tested) - alive} do not{which}."
    )


def _say_partly(partly: int, count: int) -> str:
    if not partly:
        return ""
    return " (tested in part)" if partly == count else f" ({partly} tested in part)"


def _say_safe(claim: Facts, rows: Facts | None) -> dict[str, str]:
    verdict, basis = decide(claim)
    name, tried, ways = quote(claim["says"]), families_tried(claim), first_overturning(claim)
    if not is_evidence(basis):
        where = "on synthetic cohorts only, which are no evidence" if basis else "by nothing at hand"
        return {"short": "Not known.", "says": f"{name} can be tested {where}."}
    if verdict not in AFFIRMED:
        return {"short": "No.", "says": f"{name} is {verdict} as it stands."}
    doubt = f"{name} is {verdict}" + (", not certain" if verdict == Verdict.LIKELY else "")
    if not tried:
        return {"short": "Not known yet.", "says": f"{doubt}; no other assumptions were tried."}
    if not ways:
        short = "As far as was tried, yes." if verdict == Verdict.SUPPORTED else "Not fully."
        return {
            "short": short,
            "says": f"{doubt}; nothing that was tried overturns it.",
        }
    many = format_count(len(tried), "kind")
    where = " on one synthetic cohort" if rows and rows["source"] == Source.SYNTHETIC else ""
    return {
        "short": "No.",
        "says": f"{doubt}; of {many} of assumption varied{where}, {len(ways)} {_say_effect(ways, len(ways))}.",
    }


def _say_overturning(claim: Facts, depth: str) -> dict[str, str]:
    verdict, basis = decide(claim)
    ways, tried = first_overturning(claim), families_tried(claim)
    if is_evidence(basis) and verdict not in AFFIRMED:
        return {"short": "", "says": f"Nothing has to: it is {verdict} as it stands."}
    if not tried:
        later = "Not tried: leave out --quick to learn it." if depth == "verdicts" else "Not computed yet."
        return {"short": "", "says": later}
    if not ways:
        return {"short": "Nothing that was tried:", "says": f"{', '.join(tried)}."}
    named = [shorten_change(change["says"]) for change in ways[:_MAX_WAYS]]
    rest = [] if len(ways) <= _MAX_WAYS else [f"{len(ways) - _MAX_WAYS} more, named below"]
    which = {1: "This assumption", 2: "Either of two assumptions"}.get(
        len(ways), f"Any of {len(ways)} assumptions"
    )
    short = f"{which} {_say_effect(ways, 1)}:"
    worse = _say_contradicted(claim, ways)
    return {"short": short, "says": use_minus_sign(f"{_enumerate([*named, *rest])}.{worse}")}


def _say_contradicted(claim: Facts, ways: Sequence[Facts]) -> str:
    """Return which kinds of change, mild ones of which overturn a finding, contradict it where they are strong."""
    strong = {
        str(change["family"])
        for change in list_overturning(claim)
        if change["verdict"] == Verdict.CONTRADICTED and change not in ways
    }
    places = [f"({number})" for number, change in enumerate(ways, start=1) if str(change["family"]) in strong]
    if not places:
        return ""
    which = "it" if len(ways) == 1 else " and ".join(places)
    return f" Stronger forms of {which} contradict the finding."


def _say_effect(ways: Sequence[Facts], subjects: int) -> str:
    """Return what changes make of a finding, in words that follow one subject or several."""
    verdicts = {str(change["verdict"]) for change in ways}
    if len(verdicts) > 1:
        return "overturns it" if subjects == 1 else "overturn it"
    return f"{'makes' if subjects == 1 else 'make'} it {verdicts.pop()}"


def _enumerate(texts: Sequence[str]) -> str:
    """Join alternatives, numbered where there are several."""
    if len(texts) == 1:
        return texts[0]
    return "; ".join(f"({number}) {text}" for number, text in enumerate(texts, start=1))


def shorten_change(says: object) -> str:
    """Return what is changed without how that was computed, which stands after a semicolon."""
    return str(says).partition("; ")[0]


def _answer_whose(facts: Facts | None, source: str, origin: str) -> Answered:
    asks = "Are these patients’ data?"
    printed = facts is not None and any(from_print(claim) for claim in facts["claims"])
    if source == Source.REAL:
        apart = " Printed numbers stand apart and are never pooled with them." if printed else ""
        return Answered(asks=asks, short="Yes:", says=f"verdicts come from {origin}.{apart}")
    if source == Source.SYNTHETIC and printed:
        says = (
            "the verdicts use only the numbers that the paper prints. The synthetic cohorts were made up to match "
            "them; they serve for comparison and stress tests and are no evidence about patients."
        )
    elif source == Source.SYNTHETIC:
        says = "all rows are made up (synthetic)."
    else:
        says = "all is computed from the paper’s printed numbers."
    return Answered(asks=asks, short="No:", says=says)


def from_print(claim: Facts) -> bool:
    """Return whether the verdict that stands for a claim is from printed numbers."""
    return decide(claim)[1].startswith("printed")


def explain_central(claim: Facts) -> str:
    """Return why the claim that the questions are about has its verdict, and what a sceptical prior makes of it."""
    said = []
    verdict, basis = decide(claim)
    if is_evidence(basis):
        said.append(explain_claim(claim))
    for name, under in claim["printed_under"].items():
        if from_print(claim) and under["verdict"] in VERDICT_NAMES:
            said.append(_say_under(f"Under the {name.replace('_', ' ')} prior", under, verdict))
    return " ".join(filter(None, said))


def _say_under(prior: str, under: Facts, verdict: str) -> str:
    """Return the verdict under another prior; where intervals include zero though it holds, how that can be."""
    same = "it is still" if under["verdict"] == verdict else "it is"
    said = f"{prior} {same} {under['verdict']}"
    ends = [
        (part.get("lower"), part.get("upper"))
        for part in under["parts"]
        if part.get("relation") in ("above", "below")
    ]
    open_ones = [low for low, high in ends if low is not None and high is not None and low < 0.0 < high]
    if under["verdict"] != Verdict.LIKELY or not open_ones or not isinstance(under.get("sure"), float):
        return f"{said}."
    return (
        f"{said}, though intervals include 0: the probability is at least {floor_chance(under['sure'])}, "
        f"and “{Verdict.LIKELY}” requires {LIKELY:g}."
    )

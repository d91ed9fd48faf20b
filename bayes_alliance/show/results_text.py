"""Sentences for the results section of a paper, APA style, made by fixed rules from the machine-readable claims."""

from __future__ import annotations

from bayes_alliance.show.format_numbers import format_interval, format_p, use_minus_sign
from bayes_alliance.show.narrative import (
    KEPT,
    NOTHING_TRIED,
    VERDICT_NAMES,
    Facts,
    central_claim,
    decide,
    explain_claim,
    format_part,
    main_claims,
    measure_of,
    overturn_lines,
    quote,
    tally_claims,
)


def describe_finding(claim: Facts, horizon: str, *, why: bool = True) -> str:
    """Return a sentence for a results section, APA style: what was found and the verdict.

    Parameters
    ----------
    claim : mapping
        One entry of the claims.
    horizon : str
        Such as ``36 months``.
    why : bool
        Whether a second sentence says how the verdict follows from those of several parts.
    """
    verdict, basis = decide(claim)
    says = str(claim["says"])
    if verdict not in VERDICT_NAMES:
        return f"The claim {quote(says)} could not be tested."
    source = claim["real"] or (claim["printed"] if basis.startswith("printed") else claim.get("mixture"))
    numbers = "; ".join(_apa(part) for part in (source or {"parts": ()})["parts"] if format_part(part))
    over = f" (posterior medians; {_say_measures(claim, horizon)}{numbers})" if numbers else ""
    if "synthetic" in basis:
        judged = f"could not be tested from printed numbers; on the {basis}, which are no evidence, it was {verdict}"
    else:
        judged = f"was judged {verdict} on the basis of the {basis}"
    said = f"The claim {quote(says)} {judged}{over}."
    return f"{said} {explain_claim(claim)}".rstrip() if why else said


def _say_measures(claim: Facts, horizon: str) -> str:
    """Return whether the numbers of a claim are changes or levels, as far as that is known."""
    measure = measure_of(claim)
    if measure:
        return f"{measure}: "
    changes = any(str(part.get("measure", "")).startswith("change") for part in claim["printed"]["parts"])
    return f"changes are those over {horizon}: " if changes else ""


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
    claim = central_claim(facts)
    lines = overturn_lines(claim) if claim is not None else ()
    if claim is None or not lines:
        return []
    tried = "".join(line.removeprefix(KEPT) for line in lines if line.startswith(KEPT))
    changed = [line for line in lines if not line.startswith(KEPT) and line != NOTHING_TRIED]
    if not changed:
        return [f"No single change of the main analysis overturned {quote(claim['says'])} (tried: {tried})."]
    rest = f" Not overturned by: {tried}." if tried else ""
    return [f"Single changes that overturned {quote(claim['says'])}: {'; '.join(changed)}.{rest}"]

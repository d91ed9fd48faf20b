"""Reading ``facts.csv`` and the table ``[published]`` of a study file, and checking both against the study.

Every problem is collected, with file, line or key, what was found and what was expected.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from typing import get_args

from bayes_alliance.errors import Problem
from bayes_alliance.study.load_cells import MAX_PRINTED, TOO_LONG
from bayes_alliance.study.load_related import check_related, read_related
from bayes_alliance.study.printed_cell import Rounding
from bayes_alliance.study.printed_text import read_or_fault
from bayes_alliance.study.publication import (
    OF_MODELS,
    Criterion,
    Fact,
    FactQuantity,
    Publication,
    Sample,
    StarRule,
    StarStyle,
    StatedLevel,
    SumRule,
)
from bayes_alliance.study.stated_in_data import read_ends, read_share, read_visits
from bayes_alliance.study.table_legend import Brackets, DecimalMark, PlusMinus, TableLegend
from bayes_alliance.study.toml_reader import IDENTIFIER, TableReader

FACT_COLUMNS = (
    "id",
    "place",
    "what",
    "printed",
    "quantity",
    "group",
    "of",
    "same",
    "derived",
    "model",
    "coefficient",
    "sign",
    "at_least",
    "than",
    "note",
)
# A file may do without these.
OPTIONAL_FACT_COLUMNS = ("sign", "at_least", "than")
_QUANTITIES = get_args(FactQuantity)
_P = "a p value between 0 and 1, or empty"
_SIGNS = {"": 0, "+": 1, "-": -1}
_FILE = "facts.csv"
_DERIVED = re.compile(r"(?P<sign>[+-]?)\s*(?P<id>[A-Za-z][A-Za-z0-9_]*)\s*")


def read_facts(raw: bytes, problems: list[Problem]) -> tuple[Fact, ...]:
    """Read the facts of a study folder.

    Parameters
    ----------
    raw : bytes
        The file; empty for a study without one.
    problems : list of Problem
        Collects what is wrong.

    Returns
    -------
    tuple of Fact
        Those that could be read.
    """
    if not raw:
        return ()
    try:
        reader = csv.reader(io.StringIO(raw.decode("utf-8"), newline=""), strict=True)
        rows = [(reader.line_num, row) for row in reader]
    except UnicodeDecodeError as error:
        problems.append(
            Problem(what="not UTF-8 text", where=_FILE, got=f"a bad byte at offset {error.start}")
        )
        return ()
    except csv.Error as error:
        problems.append(Problem(what=f"not valid CSV ({error})", where=f"{_FILE}, line {reader.line_num}"))
        return ()
    header = tuple(rows[0][1]) if rows else ()
    if header != tuple(name for name in FACT_COLUMNS if name in header or name not in OPTIONAL_FACT_COLUMNS):
        got, wanted = ",".join(header)[:200], ",".join(FACT_COLUMNS)
        allowed = f"{wanted} (without {', '.join(OPTIONAL_FACT_COLUMNS)} if need be)"
        problems.append(Problem(what="wrong header", where=f"{_FILE}, line 1", got=got, allowed=allowed))
        return ()
    facts = (_fact(header, row, line, problems) for line, row in rows[1:] if row)
    return tuple(fact for fact in facts if fact is not None)


def _fact(header: tuple[str, ...], row: list[str], line: int, problems: list[Problem]) -> Fact | None:
    where = f"{_FILE}, line {line}"
    if len(row) != len(header):
        allowed = str(len(header))
        problems.append(
            Problem(what="wrong number of fields", where=where, got=str(len(row)), allowed=allowed)
        )
        return None
    values = dict.fromkeys(OPTIONAL_FACT_COLUMNS, "") | dict(zip(header, row, strict=True))
    derived, at_least = _derived(values["derived"]), _share(values["at_least"])
    for column, sound, what, allowed in (
        ("quantity", values["quantity"] in _QUANTITIES, "unknown quantity", ", ".join(_QUANTITIES)),
        ("derived", derived is not None, "not a sum of counts", "ids of counts joined by + and -"),
        ("printed", len(values["printed"]) <= MAX_PRINTED, TOO_LONG, f"at most {MAX_PRINTED}"),
        ("sign", values["sign"] in _SIGNS, "not a sign", "+, - or empty"),
        ("at_least", at_least is not None or not values["at_least"], "not a bound on p", _P),
    ):
        if not sound:
            problems.append(Problem(what=what, where=where, got=repr(values[column][:60]), allowed=allowed))
            return None
    assert derived is not None
    return Fact(
        id=values["id"],
        place=values["place"],
        what=values["what"],
        printed=values["printed"],
        quantity=values["quantity"],  # type: ignore[arg-type]
        group=values["group"],
        of=tuple(values["of"].split()),
        same=values["same"],
        derived=derived,
        model=values["model"],
        coefficient=values["coefficient"],
        sign=_SIGNS[values["sign"]],
        at_least=at_least,
        than=values["than"],
        note=values["note"],
        line=line,
    )


def _share(text: str) -> float | None:
    """Read a number between 0 and 1; None where it is none."""
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0.0 < found < 1.0 else None


def _derived(text: str) -> tuple[tuple[int, str], ...] | None:
    """Read ``n_all - n_poor`` as signs and ids; None where it is no such sum."""
    rest = text.strip()
    terms: list[tuple[int, str]] = []
    while rest:
        match = _DERIVED.match(rest)
        if match is None or bool(match["sign"]) != bool(terms):
            return None
        terms.append((-1 if match["sign"] == "-" else 1, match["id"]))
        rest = rest[match.end() :]
    return tuple(terms)


def read_publication(top: TableReader) -> Publication:
    """Read the table ``[published]`` and ``[smallest_difference]``; both may be absent."""
    table = top.subtable("published")
    publication = Publication(
        rounding=table.text("rounding", choices=get_args(Rounding), default="either"),  # type: ignore[arg-type]
        criterion=table.text("criterion", choices=get_args(Criterion), default="unknown"),  # type: ignore[arg-type]
        valid_percent=table.flag("valid_percent", default=False),
        df_low=table.number("df_low", default=10.0, above=2.0),
        star_rules=tuple(_star_rule(reader) for reader in table.tables("stars")),
        sums=tuple(_sum_rule(reader) for reader in table.tables("sums")),
        samples=tuple(_sample(reader) for reader in table.tables("samples")),
        assessments=table.text("assessments", default=""),
        assessed=table.texts("assessed"),
        smallest_difference=top.numbers_by_name("smallest_difference"),
        tests=table.integer("tests", default=0, least=0, most=100_000),
        levels=tuple(_level(reader) for reader in table.tables("levels")),
        legends=tuple(_legend(reader) for reader in table.tables("tables")),
        related=read_related(table),
        heterogeneity=table.numbers_by_name("heterogeneity"),
        ends=tuple(read_ends(reader) for reader in table.tables("ends")),
        shares=tuple(read_share(reader) for reader in table.tables("shares")),
        visits=read_visits(table),
        rows=table.text("rows", default=""),
    )
    table.finish()
    return publication


def _star_rule(reader: TableReader) -> StarRule:
    levels = reader.take("levels", (list,), "a list of falling levels", [], True)
    numeric = all(isinstance(level, float) and 0.0 < level < 1.0 for level in levels)
    if not (levels and numeric and all(a > b for a, b in pairwise(levels))):
        reader.complain(
            "not permitted", "levels", allowed="falling numbers between 0 and 1, one for each star"
        )
        levels = []
    rule = StarRule(
        tables=reader.texts("tables", required=True),
        levels=tuple(levels) or (0.05,),
        style=reader.text("style", choices=get_args(StarStyle), default="graded"),  # type: ignore[arg-type]
        unmarked=reader.text("unmarked", default=""),
    )
    if rule.fault:
        reader.complain("malformed", "unmarked", got=repr(rule.unmarked[:40]), allowed=rule.fault)
    reader.finish()
    return rule


def _level(reader: TableReader) -> StatedLevel:
    level = StatedLevel(
        label=reader.text("label"),
        clusters=reader.number("clusters", above=1.0),
        predictor_icc=reader.number("predictor_icc", default=1.0, above=-1e-12),
        size_variation=reader.number("size_variation", default=0.0, above=-1e-12),
        reliability=reader.number("reliability", default=1.0, above=0.0),
    )
    for key, value in (("predictor_icc", level.predictor_icc), ("reliability", level.reliability)):
        if value > 1.0:
            reader.complain("not permitted", key, got=f"{value:g}", allowed="a number between 0 and 1")
    reader.finish()
    return level


def _legend(reader: TableReader) -> TableLegend:
    level = reader.optional_number("ci_level", above=0.0)
    share = None if level is None else Decimal(repr(level)) / (100 if level > 1.0 else 1)
    if share is not None and not Decimal("0.5") <= share < 1:
        reader.complain("not permitted", "ci_level", got=f"{level:g}", allowed="a level such as 95")
        share = None
    decimals = reader.optional_number("decimals", above=-1.0)
    marks = reader.subtable("marks").every_text()
    for mark, said in marks:
        fault = read_or_fault(said, "p")[1] if said else ""
        if fault:
            reader.complain("malformed", f"marks.{mark}", got=repr(said[:40]), allowed=fault)
    legend = TableLegend(
        tables=reader.texts("tables", required=True),
        decimal=reader.text("decimal", choices=get_args(DecimalMark), default=""),  # type: ignore[arg-type]
        decimals=None if decimals is None else int(decimals),
        brackets=reader.text("brackets", choices=get_args(Brackets), default=""),  # type: ignore[arg-type]
        plus_minus=reader.text("plus_minus", choices=get_args(PlusMinus), default=""),  # type: ignore[arg-type]
        ci_level=share,
        ci_rounding=reader.text("ci_rounding", choices=("same", "outward"), default="same"),  # type: ignore[arg-type]
        ci_method=reader.text("ci_method", choices=("wald", "other"), default="wald"),  # type: ignore[arg-type]
        rounding=reader.text("rounding", choices=("", *get_args(Rounding)), default=""),  # type: ignore[arg-type]
        tails=reader.integer("tails", default=2, least=1, most=2),
        marks=tuple((mark, said) for mark, said in marks if not said or not read_or_fault(said, "p")[1]),
        standardiser=reader.number("standardiser", default=0.0),
    )
    reader.finish()
    return legend


def _sum_rule(reader: TableReader) -> SumRule:
    rule = SumRule(
        total=reader.text("total"),
        parts=reader.texts("parts", required=True),
        complete=reader.flag("complete", default=True),
        note=reader.text("note", default=""),
    )
    reader.finish()
    return rule


def _sample(reader: TableReader) -> Sample:
    sample = Sample(
        id=reader.identifier("id"), label=reader.text("label"), count=reader.text("count", default="")
    )
    reader.finish()
    return sample


def check_facts(
    facts: tuple[Fact, ...],
    publication: Publication,
    *,
    file: str,
    outcomes: tuple[str, ...],
    groups: tuple[str, ...],
    fault: Callable[[str, str], str],
) -> Iterator[Problem]:
    """Check facts and the table ``[published]`` against each other and against the study.

    Parameters
    ----------
    file : str
        Name of the study file.
    outcomes, groups : tuple of str
        Of the study.
    fault : callable
        Says why a model has no coefficient or estimand of a name, empty where it has.
    """
    by_id = {fact.id: fact for fact in facts}
    for name, count in Counter(fact.id for fact in facts).items():
        if count > 1:
            yield Problem(what="duplicate id", where=_FILE, got=repr(name))
    for fact in facts:
        where = f"{_FILE}, line {fact.line} (fact {fact.id!r})"
        yield from _check_fact(fact, by_id, groups, where)
        if fact.model or fact.coefficient:
            why = fault(fact.model, fact.coefficient)
            if why:
                yield Problem(what=why, where=where, got=repr(f"{fact.model} {fact.coefficient}".strip()))
        if fact.quantity in OF_MODELS and not fact.model:
            yield Problem(what="no model", where=where, allowed="the model that the number speaks of")
        yield from _check_signed(fact, by_id, fault, where)
    yield from _check_publication(publication, by_id, outcomes, file)
    yield from check_related(publication, outcomes, fault, file)


def _check_fact(fact: Fact, by_id: dict[str, Fact], groups: tuple[str, ...], where: str) -> Iterator[Problem]:
    if not IDENTIFIER.fullmatch(fact.id):
        yield Problem(what="not an identifier", where=where, got=repr(fact.id[:40]))
    if bool(fact.printed.strip()) == bool(fact.derived):
        yield Problem(what="exactly one of 'printed' and 'derived' is needed", where=where)
    elif fact.fault:
        got = repr(fact.printed[:40])
        yield Problem(what="malformed 'printed'", where=where, got=got, allowed=fact.fault)
    elif not fact.printed.strip() and fact.quantity != "count":
        yield Problem(what="only a count can be worked out", where=where, got=fact.quantity)
    for name in (*fact.of, *(name for _, name in fact.derived), *filter(None, [fact.same])):
        other = by_id.get(name)
        # A percentage may be one of the patients that another percentage speaks of.
        of_share = name in fact.of and fact.quantity == "percent" and other is not None and bool(other.of)
        kinds = ("count", "percent") if of_share else ("count",)
        if other is None or (name != fact.same and (other.quantity not in kinds or other.id == fact.id)):
            yield Problem(what="not the id of a count", where=where, got=repr(name[:60]))
    for _, name in fact.derived:
        if name in by_id and by_id[name].derived:
            yield Problem(
                what="worked out from a count that is itself worked out", where=where, got=repr(name)
            )
    if fact.group and fact.group not in groups:
        allowed = ", ".join(groups)
        yield Problem(what="no such group", where=where, got=repr(fact.group[:40]), allowed=allowed)


def _check_signed(
    fact: Fact, by_id: dict[str, Fact], fault: Callable[[str, str], str], where: str
) -> Iterator[Problem]:
    """Check sign, implied bound and the other side of a comparison."""
    if fact.quantity != "p" and (fact.sign or fact.at_least is not None):
        yield Problem(what="a sign or a bound on what is no p value", where=where, got=fact.quantity)
    if fact.quantity == "lr":
        why = "no smaller model" if not fact.than else fault(fact.than, "")
        if why:
            yield Problem(what=why, where=f"{where}, column 'than'", got=repr(fact.than[:60]))
    elif fact.quantity == "less":
        other = by_id.get(fact.than)
        if other is None or other.quantity != "p":
            allowed = "the id of the fact about the larger effect"
            got = repr(fact.than[:60])
            yield Problem(what="nothing to compare with", where=where, got=got, allowed=allowed)
    elif fact.than:
        yield Problem(what="'than' without a comparison", where=where, got=repr(fact.than[:60]))


def _check_publication(
    publication: Publication, by_id: dict[str, Fact], outcomes: tuple[str, ...], file: str
) -> Iterator[Problem]:
    place = f"{file}, [published]"
    named = [("sums", name) for rule in publication.sums for name in (rule.total, *rule.parts)]
    named += [("samples", sample.count) for sample in publication.samples]
    for key, name in named:
        if name not in by_id or by_id[name].quantity != "count":
            yield Problem(what="not the id of a count", where=f"{place}, [[{key}]]", got=repr(name[:60]))
    for outcome in publication.assessed:
        if outcome not in outcomes:
            where, allowed = f"{place}, key 'assessed'", ", ".join(outcomes)
            yield Problem(what="not an outcome", where=where, got=repr(outcome[:40]), allowed=allowed)
    rows = publication.rows
    if rows and (rows not in by_id or by_id[rows].quantity != "count"):
        yield Problem(what="not the id of a count", where=f"{place}, key 'rows'", got=repr(rows[:60]))
    mean = publication.assessments
    if mean and (mean not in by_id or by_id[mean].quantity != "mean_sd"):
        yield Problem(what="not the id of a mean", where=f"{place}, key 'assessments'", got=repr(mean[:60]))
    for table, count in Counter(t for rule in publication.star_rules for t in rule.tables).items():
        if count > 1:
            where = f"{place}, [[stars]], key 'tables'"
            yield Problem(what="the table stands twice", where=where, got=repr(table))
    for outcome, value in publication.smallest_difference:
        where = f"{file}, [smallest_difference]"
        if outcome not in outcomes:
            allowed = ", ".join(outcomes)
            yield Problem(what="not an outcome", where=where, got=repr(outcome[:40]), allowed=allowed)
        if value <= 0:
            yield Problem(what="not above zero", where=f"{where}, key {outcome!r}", got=f"{value:g}")

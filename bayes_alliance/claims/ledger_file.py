"""Loading ``claims.toml`` of a study folder into a ledger, every problem at once, by file, table and key.

Claims are declarative: a part names a quantity, a relation and numbers from a closed vocabulary, and every name in it
is checked against the study. The only text that is put together is the placeholder ``{each}``, which is replaced by
the names that the part lists.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, get_args

from bayes_alliance.assess.verdict_rules import Combine, Relation
from bayes_alliance.claims.choices import Multiverse
from bayes_alliance.claims.ledger import MODEL_QUANTITIES, Claim, Ledger, Part, Quantity, Which
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.coefficient_labels import label_coefficient
from bayes_alliance.study.formula import FormulaError, parse_formula
from bayes_alliance.study.load_study import read_toml
from bayes_alliance.study.printed_text import PrintedText
from bayes_alliance.study.records import Model, Study
from bayes_alliance.study.spelling import spell_coefficient
from bayes_alliance.study.toml_reader import TableReader
from bayes_alliance.study.validate_cells import coefficient_fault

FILE = "claims.toml"
MAX_CLAIMS, MAX_PARTS = 500, 100
DEFAULTS: tuple[Quantity, ...] = ("share", "mean", "explained")
_NEEDED: dict[Quantity, tuple[str, ...]] = {
    "effect": ("model",),
    "spread": ("model",),
    "explained": ("model",),
    "largest": ("model", "estimand", "others"),
    "share": (),
    "mean": ("variable",),
    "change": ("variable", "end"),
}
_FIELDS: dict[Quantity, frozenset[str]] = {
    "effect": frozenset({"model", "estimand", "weights", "recode"}),
    "spread": frozenset({"model", "which", "recode"}),
    "explained": frozenset({"model", "which", "recode"}),
    "largest": frozenset({"model", "estimand", "others", "recode"}),
    "share": frozenset({"variable", "equals", "by", "printed", "printed_n"}),
    "mean": frozenset({"variable", "by"}),
    "change": frozenset({"variable", "end", "printed", "printed_n"}),
}
_COMMON = frozenset({"each", "name", "label", "quantity", "relation", "value", "smallest", "unit"})


def load_claims(study: Study, choices: Multiverse) -> Ledger:
    """Load the claims of a study.

    Parameters
    ----------
    study : Study
        Whose folder holds ``claims.toml``; names models, estimands, variables and smallest differences.
    choices : Multiverse
        Names the coding choices that a part may refer to.

    Returns
    -------
    Ledger

    Raises
    ------
    InputError
        If there is no such file, with every problem of it.
    """
    path = study.folder / FILE
    if not path.exists():
        fix = "write one: docs/claims.md says how"
        raise InputError(f"study {study.id}", [Problem(what=f"it has no {FILE}", fix=fix)])
    problems: list[Problem] = []
    raw, table = read_toml(path, problems)
    if problems:
        raise InputError(str(path), problems)
    top = TableReader(table, FILE, problems)
    defaults = _defaults(top)
    claims = tuple(_claim(study, reader, defaults) for reader in top.tables("claims"))
    top.finish()
    problems += _check(study, choices, claims)
    if problems:
        raise InputError(str(path), problems)
    return Ledger(claims=claims, digest=hashlib.sha256(raw).hexdigest())


def _defaults(top: TableReader) -> dict[str, float]:
    """Read ``[smallest.<quantity>]``: the smallest size that matters of what study.toml has none for."""
    found = {}
    for name, reader in top.named_subtables("smallest"):
        if name not in DEFAULTS:
            reader.complain("unknown quantity", got=repr(name[:40]), allowed=", ".join(DEFAULTS))
        found[name] = reader.number("value", above=0.0)
        reader.text("why")  # for who reads the file; it has to be there
        reader.finish()
    return found


def _claim(study: Study, reader: TableReader, defaults: Mapping[str, float]) -> Claim:
    untestable = reader.text("untestable", default="")
    claim = Claim(
        id=reader.identifier("id"),
        place=reader.text("place"),
        says=reader.text("says"),
        published=reader.text("published"),
        combine=reader.text("combine", choices=get_args(Combine), default="all"),  # type: ignore[arg-type]
        untestable=untestable,
        synthetic_not_asked=reader.text("synthetic_not_asked", default=""),
        note=reader.text("note", default=""),
        main=reader.flag("main", default=False),
        leading=reader.flag("leading", default=False),
        parts=tuple(
            part
            for number, item in enumerate(reader.tables("parts"), start=1)
            for part in _parts(study, item, defaults, number)
        ),
    )
    reader.finish()
    if bool(claim.parts) == bool(untestable):
        reader.complain("a claim has either [[parts]] or the reason why it is 'untestable'")
    return claim


def _parts(study: Study, reader: TableReader, defaults: Mapping[str, float], number: int) -> Iterator[Part]:
    """Read one table of a claim: one part, or one for each name that it lists."""
    names = reader.texts("each")
    for name in names or ("",):
        own = TableReader(_filled(reader.table, name), reader.where, reader.problems) if name else reader
        own.known.add("each")
        yield _part(study, own, defaults, own.text("name", default=name) or f"part{number}")
        if name == (names or ("",))[0] or not names:
            own.finish()


def _filled(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Put a name in the place of ``{each}`` in every text of a table."""

    def fill(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{each}", name)
        if isinstance(value, list):
            return [fill(item) for item in value]
        if isinstance(value, dict):
            return {fill(key): fill(item) for key, item in value.items()}
        return value

    return {key: value if key == "each" else fill(value) for key, value in table.items()}


def _part(study: Study, reader: TableReader, defaults: Mapping[str, float], part_id: str) -> Part:
    quantity: Quantity = reader.text("quantity", choices=get_args(Quantity), default="effect")  # type: ignore[assignment]
    for key in reader.table:
        if key not in _FIELDS[quantity] | _COMMON:
            allowed = ", ".join(sorted(_FIELDS[quantity] | _COMMON))
            reader.complain(f"not a key of quantity {quantity!r}", key, allowed=allowed)
    for key in _NEEDED[quantity]:
        if key not in reader.table:
            reader.complain("the key is missing", key)
    kind = "percent" if quantity == "share" else "mean_sd"
    raw = Part(
        id=part_id,
        label=reader.text("label", default=""),
        quantity=quantity,
        relation=reader.text("relation", choices=get_args(Relation)),  # type: ignore[arg-type]
        model=reader.text("model", default=""),
        estimand=reader.text("estimand", default=""),
        weights=reader.numbers_by_name("weights"),
        others=reader.texts("others"),
        which=reader.text("which", choices=get_args(Which), default="slope"),  # type: ignore[arg-type]
        recode=reader.text("recode", default=""),
        variable=reader.text("variable", default=""),
        equals=reader.optional_number("equals"),
        by=reader.text("by", default=""),
        end=reader.text("end", default=""),
        value=reader.number("value", default=0.0),
        smallest=reader.number("smallest", default=0.0, above=-1e-12),
        unit=reader.text("unit", default=""),
        printed=tuple(PrintedText(printed=text, quantity=kind) for text in reader.texts("printed")),
        printed_n=_whole_numbers(reader, "printed_n"),
    )
    return _completed(study, raw, defaults, reader)


def _whole_numbers(reader: TableReader, key: str) -> tuple[int, ...]:
    value = reader.take(key, (list,), "a list of whole numbers", [], False)
    if not all(isinstance(item, int) and not isinstance(item, bool) and 0 < item < 10**9 for item in value):
        reader.complain("wrong type", key, allowed="a list of whole numbers above 0")
        return ()
    return tuple(value)


def _completed(study: Study, part: Part, defaults: Mapping[str, float], reader: TableReader) -> Part:
    """Fill in what a part leaves to the study: smallest difference, unit, label, weights."""
    models = {model.id: model for model in study.models}
    model = models.get(part.model) if part.is_of_model else None
    outcome = model.outcome if model else part.variable
    known = dict(study.publication.smallest_difference)
    size = defaults.get(part.quantity) if part.quantity in DEFAULTS else known.get(outcome)
    smallest, value = _smallest_and_value(part, size, reader)
    if part.quantity == "largest" and part.relation not in ("above", "below"):
        reader.complain("'largest' goes with the direction of the effect", "relation", allowed="above, below")
    others = part.others
    if part.quantity == "explained" and model is not None:
        if model.reference is None:
            reader.complain(
                "explained variation needs a model with a 'reference'", "model", got=repr(model.id)
            )
        others = (model.reference,) if model.reference else ()
    weights = part.weights
    if model is not None and weights:
        weights = tuple((_spelled(name, model), weight) for name, weight in weights)
    if model is not None and not weights and part.quantity in ("effect", "largest"):
        weights = _weights(model, part.estimand)
    return dataclasses.replace(
        part,
        value=value,
        smallest=smallest,
        others=others,
        weights=weights,
        unit=part.unit or _unit(study, part, outcome),
        label=part.label or _label(study, part, model),
    )


def _smallest_and_value(part: Part, size: float | None, reader: TableReader) -> tuple[float, float]:
    """Return the smallest difference that matters, ``size`` where the part states none, and the value to exceed."""
    smallest, value = part.smallest, part.value
    if part.relation == "exceeds":
        value = value or size or 0.0
        if value <= 0.0:
            reader.complain("'exceeds' needs a 'value' above 0", "value")
        if smallest:
            reader.complain(
                "'exceeds' takes no 'smallest': its 'value' is the smallest that matters", "smallest"
            )
    elif part.quantity != "largest" and "smallest" not in reader.table:
        if size is None or (part.quantity == "mean" and not part.by):
            what = "no smallest difference is declared"
            fix = "state one here, or in [smallest_difference] of study.toml or [smallest] of claims.toml"
            reader.complain(what, "smallest", fix=fix)
        smallest = size or 0.0
    if part.relation == "same" and smallest <= 0.0 and part.quantity != "largest":
        reader.complain("'same' needs a smallest difference above 0", "smallest")
    return smallest, value


def _spelled(name: str, model: Model) -> str:
    """Spell a coefficient as the formula of its model does."""
    try:
        return spell_coefficient(name, parse_formula(model.formula))
    except FormulaError:
        return name  # the study file complains of it


def _weights(model: Model, name: str) -> tuple[tuple[str, float], ...]:
    for estimand in model.estimands:
        if estimand.name == name:
            return estimand.weights
    return ((_spelled(name, model), 1.0),)


def _unit(study: Study, part: Part, outcome: str) -> str:
    if part.quantity == "explained":
        return "%"
    if part.quantity == "share":
        return "percentage points" if part.by else "%"
    if part.quantity == "mean" and part.by:
        return "SD"
    variable = study.every_variable.get(outcome)
    return variable.unit if variable is not None else ""


def _label(study: Study, part: Part, model: Model | None) -> str:
    if model is None:
        variable = study.every_variable.get(part.variable)
        return variable.label if variable is not None else part.id
    names = {estimand.name: estimand.label for estimand in model.estimands}
    named = names.get(part.estimand) or (label_coefficient(study, part.estimand) if part.estimand else "")
    what = {
        "effect": named,
        "largest": f"{named}, the largest",
        "spread": f"SD between patients, {part.which}",
        "explained": f"{part.which} variance explained",
    }[part.quantity]
    return f"{model.label}: {what}" if what else model.label


def _check(study: Study, choices: Multiverse, claims: tuple[Claim, ...]) -> Iterator[Problem]:
    if not 1 <= len(claims) <= MAX_CLAIMS:
        yield Problem(what="wrong number of [[claims]]", where=FILE, allowed=f"1 to {MAX_CLAIMS}")
    for claim_id, count in Counter(claim.id for claim in claims).items():
        if count > 1:
            yield Problem(what="duplicate id", where=f"{FILE}, [[claims]]", got=repr(claim_id))
    options = {option.id for axis in choices.axes for option in axis.options}
    leading = [claim.id for claim in claims if claim.leading]
    if len(leading) > 1:
        yield Problem(
            what="several claims are leading", where=FILE, got=", ".join(leading)[:200], allowed="one at most"
        )
    for claim in claims:
        where = f"{FILE}, [[claims]] {claim.id}"
        if claim.leading and not claim.main:
            yield Problem(what="only a main finding can be leading", where=where, fix="add main = true")
        if len(claim.parts) > MAX_PARTS:
            yield Problem(what="too many parts", where=where, allowed=f"at most {MAX_PARTS}")
        for part_id, count in Counter(part.id for part in claim.parts).items():
            if count > 1:
                fix = "give them different 'name's"
                yield Problem(what="two parts have one name", where=where, got=repr(part_id[:40]), fix=fix)
        for part in claim.parts:
            yield from _check_part(study, part, f"{where}, part {part.id}", options)


def _check_part(study: Study, part: Part, where: str, options: set[str]) -> Iterator[Problem]:
    if part.recode and part.recode not in options:
        allowed = ", ".join(sorted(options)) or "none: the study declares no choices"
        yield Problem(
            what="no such choice", where=f"{where}, key 'recode'", got=repr(part.recode[:40]), allowed=allowed
        )
    if part.quantity in MODEL_QUANTITIES:
        yield from _check_model_part(study, part, where)
    else:
        yield from _check_patient_part(study, part, where)


def _check_model_part(study: Study, part: Part, where: str) -> Iterator[Problem]:
    models = {model.id: model for model in study.models}
    for key, ids in (("model", (part.model,)), ("others", part.others)):
        for name in ids:
            if name not in models:
                yield Problem(what="no such model", where=f"{where}, key {key!r}", got=repr(name[:64]))
    if part.model not in models:
        return
    model = models[part.model]
    try:
        formula = parse_formula(model.formula)
    except FormulaError:
        return  # the study file complains of it
    if part.quantity == "largest":
        for name in part.others:
            if name in models and part.estimand not in {e.name for e in models[name].estimands}:
                what = f"model {name!r} has no estimand of this name"
                yield Problem(what=what, where=f"{where}, key 'estimand'", got=repr(part.estimand[:64]))
    if part.quantity in ("effect", "largest"):
        if not part.weights:
            yield Problem(what="neither 'estimand' nor 'weights'", where=where)
        for name, _ in part.weights:
            fault = coefficient_fault(name, formula, study.every_variable) if name else "is empty"
            if fault:
                key = "estimand" if part.estimand else "weights"
                yield Problem(what=fault, where=f"{where}, key {key!r}", got=repr(name[:64]))
    elif part.which == "slope" and study.time not in formula.slopes:
        yield Problem(
            what="the model has no random slope", where=f"{where}, key 'model'", got=repr(part.model)
        )


def _check_patient_part(study: Study, part: Part, where: str) -> Iterator[Problem]:
    known = study.every_variable
    for key, name in (("variable", part.variable), ("by", part.by), ("end", part.end)):
        if name and name not in known:
            yield Problem(what="undeclared variable", where=f"{where}, key {key!r}", got=repr(name[:40]))
        elif name and known[name].kind == "category":
            yield Problem(
                what="a category", where=f"{where}, key {key!r}", got=repr(name), allowed="a number"
            )
    if part.by and part.by in known and known[part.by].kind != "binary":
        yield Problem(what="not binary", where=f"{where}, key 'by'", got=repr(part.by))
    if part.quantity == "share" and not part.variable and not part.printed:
        yield Problem(what="neither 'variable' nor 'printed'", where=where)
    if not part.printed:
        return
    count = (2 if part.by else 1) if part.quantity == "share" else 2
    if len(part.printed) != count or len(part.printed_n) not in (1, count):
        what = f"{count} printed number(s) and the patients behind them are needed"
        yield Problem(what=what, where=f"{where}, keys 'printed' and 'printed_n'")
    for text in part.printed:
        if text.fault:
            got = repr(text.printed[:40])
            yield Problem(what="malformed", where=f"{where}, key 'printed'", got=got, allowed=text.fault)

"""Loading ``multiverse.toml`` of a study folder: the choices of analysis, every problem reported at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from typing import get_args

from bayes_alliance.claims.choices import Axis, Final, Multiverse, Option
from bayes_alliance.errors import InputError, Problem
from bayes_alliance.study.load_study import read_toml
from bayes_alliance.study.records import Derived, Study
from bayes_alliance.study.toml_reader import TableReader

FILE = "multiverse.toml"
MAX_OPTIONS = 40
MAX_SPECIFICATIONS = 200_000


def load_choices(study: Study) -> Multiverse:
    """Load the choices of a study.

    Parameters
    ----------
    study : Study
        Whose folder may hold a ``multiverse.toml``.

    Returns
    -------
    Multiverse
        With the study's priors and both covariance types alone where there is no such file.

    Raises
    ------
    InputError
        With every problem of the file, by table and key.
    """
    path = study.folder / FILE
    names = tuple(prior.name for prior in study.priors)
    if not path.exists():
        return Multiverse(
            priors=names,
            covariances=("UN", "VC"),
            axes=(),
            models=tuple(model.id for model in study.models if model.estimands),
            curves=(),
            cohorts=1,
            digest="",
        )
    problems: list[Problem] = []
    raw, table = read_toml(path, problems)
    if problems:
        raise InputError(str(path), problems)
    top = TableReader(table, FILE, problems)
    found = Multiverse(
        priors=top.texts("priors", required=True),
        covariances=tuple("VC" if name == "VC" else "UN" for name in _covariances(top)),
        axes=tuple(_axis(reader) for reader in top.tables("axes")),
        models=top.texts("models", required=True),
        curves=_curves(top),
        cohorts=top.integer("cohorts", default=1, least=1, most=1000),
        digest=hashlib.sha256(raw).hexdigest(),
    )
    top.finish()
    problems += _check(study, found)
    if problems:
        raise InputError(str(path), problems)
    return found


def _covariances(top: TableReader) -> tuple[str, ...]:
    names = top.texts("covariances", required=True)
    for name in names:
        if name not in ("UN", "VC"):
            top.complain("unknown value", "covariances", got=repr(name[:40]), allowed="UN, VC")
    return names


def _axis(reader: TableReader) -> Axis:
    axis = Axis(
        id=reader.identifier("id"),
        label=reader.text("label"),
        options=tuple(_option(item) for item in reader.tables("options")),
    )
    reader.finish()
    return axis


def _option(reader: TableReader) -> Option:
    keep = reader.values_by_name("keep") if "keep" in reader.table else ()
    reader.known.add("keep")
    option = Option(
        id=reader.identifier("id"),
        label=reader.text("label"),
        variable=reader.text("variable", default=""),
        value=reader.optional_number("value"),
        like=reader.text("like", default=""),
        keep=keep,
        at_least=reader.numbers_by_name("at_least"),
        final=reader.text("final", choices=get_args(Final), default=""),  # type: ignore[arg-type]
        step=reader.number("step", default=0.0, above=-1e-12),
    )
    reader.finish()
    return option


def _curves(top: TableReader) -> tuple[tuple[str, str], ...]:
    curves = []
    for reader in top.tables("curves"):
        curves.append((reader.text("model"), reader.text("estimand")))
        reader.finish()
    return tuple(curves)


def _check(study: Study, found: Multiverse) -> Iterator[Problem]:
    names = {prior.name for prior in study.priors}
    models = {model.id: model for model in study.models}
    for name in found.priors:
        if name not in names:
            yield Problem(
                what="no such prior set",
                where=f"{FILE}, key 'priors'",
                got=repr(name[:40]),
                allowed=", ".join(sorted(names)),
            )
    for name in found.models:
        if name not in models:
            yield Problem(what="no such model", where=f"{FILE}, key 'models'", got=repr(name[:64]))
    for model, estimand in found.curves:
        known = {e.name for e in models[model].estimands} if model in models else set()
        if model not in found.models or estimand not in known:
            what = "no model of 'models' with this estimand"
            yield Problem(what=what, where=f"{FILE}, [[curves]]", got=f"{model[:64]}, {estimand[:64]}")
    ids = [axis.id for axis in found.axes] + [o.id for axis in found.axes for o in axis.options]
    for name, count in Counter(ids).items():
        if count > 1:
            yield Problem(what="duplicate name", where=f"{FILE}, [[axes]]", got=repr(name))
    size = len(found.priors) * len(found.covariances)
    for axis in found.axes:
        size *= max(len(axis.options), 1)
        yield from _check_axis(study, axis)
    if size > MAX_SPECIFICATIONS:
        allowed = f"at most {MAX_SPECIFICATIONS}"
        yield Problem(what="too many specifications a model", where=FILE, got=str(size), allowed=allowed)


def _check_axis(study: Study, axis: Axis) -> Iterator[Problem]:
    where = f"{FILE}, [[axes]] {axis.id}"
    if not 1 <= len(axis.options) <= MAX_OPTIONS:
        allowed = f"1 to {MAX_OPTIONS}"
        yield Problem(
            what="wrong number of options", where=where, got=str(len(axis.options)), allowed=allowed
        )
        return
    if not axis.options[0].changes_nothing:
        fix = "put an option without any change first"
        yield Problem(what="the first option is not the study's own way", where=where, fix=fix)
    for option in axis.options:
        yield from _check_option(study, option, f"{where}, [[options]] {option.id}")


def _check_option(study: Study, option: Option, where: str) -> Iterator[Problem]:
    known = study.every_variable
    kinds = sum(map(bool, (option.variable, option.keep, option.at_least, option.final)))
    if kinds > 1:
        yield Problem(
            what="more than one kind of change", where=where, allowed="variable, keep, at_least or final"
        )
    for key, names in (
        ("keep", [name for name, _ in option.keep]),
        ("at_least", [name for name, _ in option.at_least]),
    ):
        for name in names:
            if name not in known:
                yield Problem(what="undeclared variable", where=f"{where}, key {key!r}", got=repr(name[:40]))
    if option.final and not option.step and option.final == "after_previous":
        yield Problem(what="'after_previous' needs a 'step'", where=where)
    if not option.variable:
        if option.value is not None or option.like:
            yield Problem(what="'value' and 'like' go with 'variable'", where=where)
        return
    derived = known.get(option.variable)
    if not isinstance(derived, Derived):
        yield Problem(
            what="no derived variable", where=f"{where}, key 'variable'", got=repr(option.variable[:40])
        )
        return
    if (option.value is None) == (not option.like):
        yield Problem(what="a variable is defined anew by either 'value' or 'like'", where=where)
    if option.value is not None and derived.value is None:
        yield Problem(what=f"rule {derived.rule!r} has no value to move", where=f"{where}, key 'value'")
    if option.like:
        other = known.get(option.like)
        if not isinstance(other, Derived) or other.kind != derived.kind:
            what = "no derived variable of the same kind"
            yield Problem(what=what, where=f"{where}, key 'like'", got=repr(option.like[:40]))

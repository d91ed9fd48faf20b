"""Loading a study folder (``study.toml``, ``cells.csv``, ``facts.csv``) into records.

Every problem of these files is reported at once, each with its file, table and key or line. A study file is
data: formulas are checked against a grammar and against the declared variables, and no text in it is ever
evaluated.
"""

from __future__ import annotations

import hashlib
import tomllib
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

from bayes_alliance.errors import InputError, Problem, did_you_mean
from bayes_alliance.study.derived_rules import Rule
from bayes_alliance.study.formula import FormulaError, complete_formula
from bayes_alliance.study.load_cells import read_cells
from bayes_alliance.study.load_data_section import is_file, read_data_section
from bayes_alliance.study.load_publication import read_facts, read_publication
from bayes_alliance.study.prior_records import PriorScales, PriorSet, ScaleFamily, Stance
from bayes_alliance.study.publication import IN_WORDS, Fact, Publication
from bayes_alliance.study.records import (
    Cell,
    Derived,
    Estimand,
    EstimandKind,
    Kind,
    Level,
    Model,
    Scoring,
    Study,
    TrajectoryFigure,
    Variable,
)
from bayes_alliance.study.spelling import spell_coefficients
from bayes_alliance.study.structured_formula import parse_residual
from bayes_alliance.study.table_reading import follow_heading, settle_decimal
from bayes_alliance.study.toml_reader import IDENTIFIER, TableReader
from bayes_alliance.study.validate import check_study

MAX_BYTES = 2_000_000
MAX_LINE = 20_000
MAX_TABLES = 3_000
# Squares of the dots of each line, added up: some seconds of parsing if all are in keys.
MAX_DOTS = 500_000_000


def models_folder() -> Path:
    """Return the folder of the studies that ship with the package, installed or in a checkout."""
    package = Path(__file__).resolve().parents[1]
    installed, checkout = package / "models", package.parent / "models"
    return installed if installed.is_dir() else checkout


def list_studies() -> list[str]:
    """List the ids of the studies that ship with the package.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> "folmo2020" in ba.list_studies()
    True
    """
    return sorted(path.parent.name for path in models_folder().glob("*/study.toml"))


def load_study(study: str | Path) -> Study:
    """Load a study by the id of one that ships, or by the path of its folder or ``study.toml``.

    Parameters
    ----------
    study : str or Path
        ``"folmo2020"``, ``"path/to/folder"`` or ``"path/to/folder/study.toml"``.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        With every problem of the study's files.

    Examples
    --------
    >>> import bayes_alliance as ba
    >>> [model.id for model in ba.load_study("medication").models][:2]
    ['unconditional', 'growth']
    """
    path = _find(study)
    problems: list[Problem] = []
    raw = _read_bytes(path, problems)
    table = _parse_toml(raw, path, problems)
    if problems:
        raise InputError(str(path), problems)
    cells_path = path.with_name("cells.csv")
    cells_raw = _read_bytes(cells_path, problems) if cells_path.exists() else b""
    cells = read_cells(cells_raw, problems)
    facts_path = path.with_name("facts.csv")
    facts_raw = _read_bytes(facts_path, problems) if facts_path.exists() else b""
    facts = read_facts(facts_raw, problems)
    digest = hashlib.sha256(b"\0".join([raw, cells_raw] + ([facts_raw] if facts_raw else []))).hexdigest()
    built = spell_coefficients(
        build_study(TableReader(table, path.name, problems), cells, facts, path.parent, digest)
    )
    problems += check_study(built, path.name)
    if problems:
        raise InputError(str(path), problems)
    return built


def _find(study: str | Path) -> Path:
    path = Path(study)
    candidates = [path / "study.toml", path] if path.suffix != ".toml" else [path]
    if IDENTIFIER.fullmatch(str(study)):
        candidates.append(models_folder() / str(study) / "study.toml")
    for candidate in candidates:
        if is_file(candidate):
            return candidate
    problem = Problem(
        what="no such study",
        got=repr(str(study)[:200]),
        allowed=f"a folder with a study.toml, or one of {', '.join(list_studies())}",
        fix="; ".join(
            filter(
                None,
                [
                    did_you_mean(str(study), list_studies()),
                    "run 'bayes-alliance studies' to list those that ship",
                ],
            )
        ),
    )
    raise InputError("study", [problem])


def read_toml(path: Path, problems: list[Problem]) -> tuple[bytes, dict[str, Any]]:
    """Read a TOML file of a study folder: its bytes and its table; what is wrong goes to ``problems``."""
    raw = _read_bytes(path, problems)
    return raw, {} if problems else _parse_toml(raw, path, problems)


def _read_bytes(path: Path, problems: list[Problem]) -> bytes:
    try:
        if path.is_symlink() and not path.resolve().is_relative_to(path.parent.resolve()):
            problems.append(
                Problem(what="it is a link to a file outside the study's folder", where=path.name)
            )
            return b""
        size = path.stat().st_size
        if not is_file(path):
            problems.append(Problem(what="it is no regular file", where=path.name))
            return b""
        if size <= MAX_BYTES:
            return path.read_bytes()
    except OSError as error:
        problems.append(Problem(what=f"cannot be read ({error.strerror})", where=path.name))
        return b""
    allowed = f"at most {MAX_BYTES} bytes"
    problems.append(
        Problem(what="the file is too large", where=path.name, got=f"{size} bytes", allowed=allowed)
    )
    return b""


def _parse_toml(raw: bytes, path: Path, problems: list[Problem]) -> dict[str, Any]:
    # Parsing takes the square of the length of a dotted key, and checking that of the number of tables.
    lines = raw.splitlines()
    longest = max(map(len, lines), default=0)
    tables = raw.count(b"[[")
    dotted = sum(line.count(b".") ** 2 for line in lines) > MAX_DOTS
    if longest > MAX_LINE or tables > MAX_TABLES or dotted:
        found = f"a line of {longest} bytes" if longest > MAX_LINE else f"{tables} tables"
        found = "lines of thousands of dots" if dotted else found
        allowed = f"lines of at most {MAX_LINE} bytes, {MAX_TABLES} tables"
        problems.append(Problem(what="too large a study", where=path.name, got=found, allowed=allowed))
        return {}
    try:
        return tomllib.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        problem = Problem(what="not UTF-8 text", where=path.name, got=f"a bad byte at offset {error.start}")
    except (ValueError, RecursionError) as error:
        # ValueError and not only its child TOMLDecodeError: an integer of thousands of digits raises it.
        problem = Problem(what=f"not valid TOML ({error})", where=path.name)
    problems.append(problem)
    return {}


def build_study(
    top: TableReader, cells: tuple[Cell, ...], facts: tuple[Fact, ...], folder: Path, digest: str
) -> Study:
    """Build a study from its table, noting every problem there; cells, facts and digest are read already."""
    head = top.subtable("study", required=True)
    study = Study(
        id=head.identifier("id"),
        title=head.text("title"),
        citation=head.text("citation"),
        doi=head.text("doi", default=""),
        patient=head.text("patient"),
        time=head.text("time"),
        time_unit=head.text("time_unit"),
        horizon=head.number("horizon", above=0.0),
        reference_time=head.optional_number("reference_time"),
        descriptive_group=head.text("descriptive_group", default=""),
        design=head.text("design", default=""),
        folder=folder,
        digest=digest,
        data=read_data_section(top.subtable("data", required=True), folder),
        variables=tuple(_variable(name, reader) for name, reader in top.named_subtables("variables")),
        derived=tuple(_derived(name, reader) for name, reader in top.named_subtables("derived")),
        scoring=tuple(_scoring(reader) for reader in top.tables("scoring")),
        models=tuple(_model(reader, head.text("patient", default="")) for reader in top.tables("models")),
        priors=tuple(_prior_set(reader) for reader in top.tables("priors")),
        cells=cells,
        figures=tuple(_figure(reader) for reader in top.tables("figures")),
        facts=facts,
        publication=read_publication(top),
    )
    head.finish()
    top.finish()
    return replace(
        study,
        cells=follow_legends(cells, study.publication),
        facts=follow_legend(facts, study.publication),
    )


def follow_legends(cells: tuple[Cell, ...], publication: Publication) -> tuple[Cell, ...]:
    """Read every cell by the legend of its table, its column heading and the decimal mark of its table."""
    tables: dict[str, list[tuple[str, str]]] = {}
    for cell in cells:
        tables.setdefault(cell.table, []).append((cell.printed, cell.quantity))
    legends = {table: settle_decimal(texts, publication.legend(table)) for table, texts in tables.items()}
    return tuple(replace(cell, legend=follow_heading(cell.column, legends[cell.table])) for cell in cells)


def follow_legend(facts: tuple[Fact, ...], publication: Publication) -> tuple[Fact, ...]:
    """Read every fact by the legend of the table ``text`` and the decimal mark of the other facts."""
    numbers = [fact for fact in facts if fact.printed.strip() and fact.quantity not in IN_WORDS]
    texts = [(fact.printed, fact.reads_as) for fact in numbers]
    legend = settle_decimal(texts, publication.legend("text"))
    return tuple(replace(fact, legend=legend) for fact in facts)


def _variable(name: str, reader: TableReader) -> Variable:
    if not IDENTIFIER.fullmatch(name):
        reader.complain_of_name(name)
    variable = Variable(
        name=name,
        column=unicodedata.normalize("NFC", reader.text("column", default=name)).strip(),
        label=reader.text("label", default=name),
        unit=reader.text("unit", default=""),
        level=reader.text("level", choices=get_args(Level)),  # type: ignore[arg-type]
        kind=reader.text("kind", choices=get_args(Kind)),  # type: ignore[arg-type]
        minimum=reader.optional_number("minimum"),
        maximum=reader.optional_number("maximum"),
        step=reader.optional_number("step", above=0.0),
        categories=reader.texts("categories"),
        contrast=reader.number("contrast", default=1.0, above=0.0),
        reference=reader.optional_number("reference"),
        required=reader.flag("required", default=False),
    )
    reader.finish()
    return variable


def _derived(name: str, reader: TableReader) -> Derived:
    if not IDENTIFIER.fullmatch(name):
        reader.complain_of_name(name)
    derived = Derived(
        name=name,
        label=reader.text("label", default=name),
        unit=reader.text("unit", default=""),
        rule=reader.text("rule", choices=get_args(Rule)),  # type: ignore[arg-type]
        of=reader.texts("of", required=True),
        level=reader.text("level", choices=get_args(Level), default="patient"),  # type: ignore[arg-type]
        kind=reader.text("kind", choices=get_args(Kind)),  # type: ignore[arg-type]
        value=reader.optional_number("value"),
        categories=reader.texts("categories"),
        contrast=reader.number("contrast", default=1.0, above=0.0),
        reference=reader.optional_number("reference"),
    )
    reader.finish()
    return derived


def _scoring(reader: TableReader) -> Scoring:
    scoring = Scoring(
        instrument=reader.text("instrument", choices=("WAI",)),
        version=reader.text("version"),
        items=reader.text("items"),
        subscales=reader.texts("subscales", required=True),
        min_items=reader.integer("min_items", default=4, least=1, most=4),
    )
    if scoring.items and scoring.items.count("{item}") != 1:
        reader.complain("no place for the item number", "items", allowed="a pattern such as 'wai{item}'")
    reader.finish()
    return scoring


def _model(reader: TableReader, patient: str) -> Model:
    formula = _formula(reader, patient)
    model = Model(
        id=reader.identifier("id"),
        label=reader.text("label"),
        family=reader.text("family"),
        outcome=formula.split("~")[0].strip(),
        formula=formula,
        reference=reader.text("reference", default="") or None,
        where=reader.numbers_by_name("where"),
        comparison=reader.identifier("comparison", default=""),
        estimands=tuple(_estimand(item) for item in reader.tables("estimands")),
        note=reader.text("note", default=""),
    )
    reader.finish()
    return model


def _formula(reader: TableReader, patient: str) -> str:
    """Read a model's formula with its residual structure; what is wrong with the formula is said when it is checked."""
    text, residual = reader.text("formula"), reader.text("residual", default="")
    try:
        parse_residual(residual)
    except FormulaError as error:
        reader.complain(str(error), "residual", allowed="such as 'un(visit)' or 'ar1(visit) * var(arm)'")
        return text
    try:
        return complete_formula(text, residual, patient)
    except FormulaError as error:
        if residual:
            reader.complain(str(error), "formula")
        return text


def _estimand(reader: TableReader) -> Estimand:
    estimand = Estimand(
        name=reader.identifier("name"),
        label=reader.text("label"),
        weights=reader.numbers_by_name("weights"),
        kind=reader.text("kind", choices=get_args(EstimandKind)),  # type: ignore[arg-type]
    )
    if not estimand.weights:
        reader.complain("no weights", "weights", allowed="a table from coefficients to numbers")
    reader.finish()
    return estimand


def _prior_set(reader: TableReader) -> PriorSet:
    prior = PriorSet(
        name=reader.identifier("name"),
        label=reader.text("label"),
        tag=reader.text("tag", default=""),
        stance=reader.text("stance", default="", choices=get_args(Stance)),  # type: ignore[arg-type]
        estimands=tuple(
            (model, estimand, pair)
            for model, sub in reader.named_subtables("estimands")
            for estimand, pair in sub.pairs_by_name()
        ),
        scales=tuple((outcome, _scales(sub)) for outcome, sub in reader.named_subtables("outcomes")),
    )
    reader.finish()
    return prior


def _scales(reader: TableReader) -> PriorScales:
    scales = PriorScales(
        intercept=reader.pair("intercept"),
        slope=reader.pair("slope"),
        effect_intercept=reader.pair("effect_intercept"),
        effect_slope=reader.pair("effect_slope"),
        sd_intercept=reader.number("sd_intercept", above=0.0),
        sd_slope=reader.number("sd_slope", above=0.0),
        sigma=reader.number("sigma", above=0.0),
        lkj_eta=reader.number("lkj_eta", above=0.0),
        scale_family=reader.text("scale_family", choices=get_args(ScaleFamily), default="half_normal"),  # type: ignore[arg-type]
        scale_df=reader.number("scale_df", default=3.0, above=0.0),
    )
    reader.finish()
    return scales


def _figure(reader: TableReader) -> TrajectoryFigure:
    lines = []
    for line in reader.tables("lines"):
        lines.append((line.text("label"), line.values_by_name("values")))
        line.finish()
    figure = TrajectoryFigure(
        id=reader.identifier("id"),
        title=reader.text("title"),
        models=reader.texts("models", required=True),
        lines=tuple(lines),
    )
    reader.finish()
    return figure

"""Pages of the documentation that are made from the code: the study file's reference and the Python reference.

The first is made by the very functions that read a study file, run on a table that notes what it is asked for;
the second from docstrings. Tests hold the committed pages to what is made here.
"""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bayes_alliance
from bayes_alliance.dev.answer_page import answer_facts, answer_page, glossary_page
from bayes_alliance.dev.ensemble_page import cohorts_page, given_print_page
from bayes_alliance.dev.spellings import tabulate_spellings
from bayes_alliance.published.audit import audit_study
from bayes_alliance.published.findings import AuditVerdict
from bayes_alliance.study import prior_records, records
from bayes_alliance.study.load_cells import CELL_COLUMNS
from bayes_alliance.study.load_study import build_study, load_study
from bayes_alliance.study.publication import (
    Publication,
    RelatedStudy,
    Sample,
    StarRule,
    StatedEnds,
    StatedLevel,
    StatedShare,
    SumRule,
)
from bayes_alliance.study.table_legend import TableLegend
from bayes_alliance.study.toml_reader import TableReader

# The record whose docstring says what the keys of a table mean.
_RECORDS: dict[str, tuple[type, ...]] = {
    "": (records.Study,),
    "study": (records.Study,),
    "data": (records.DataDefault, records.ReadOptions),
    "variables": (records.Variable,),
    "derived": (records.Derived,),
    "scoring": (records.Scoring,),
    "models": (records.Model,),
    "estimands": (records.Estimand,),
    "priors": (prior_records.PriorSet,),
    "outcomes": (prior_records.PriorScales,),
    "figures": (records.TrajectoryFigure,),
    "published": (Publication,),
    "stars": (StarRule,),
    "sums": (SumRule,),
    "samples": (Sample,),
    "tables": (TableLegend,),
    "levels": (StatedLevel,),
    "related": (RelatedStudy,),
    "ends": (StatedEnds,),
    "shares": (StatedShare,),
}


_UNTOLD = ("<!-- cannot be told -->", "<!-- end of cannot be told -->")
_SPELLINGS = ("<!-- spellings -->", "<!-- end of spellings -->")


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key of a table: what it takes, and what holds without it."""

    name: str
    wanted: str
    required: bool
    default: str


class NotingReader(TableReader):
    """A table that notes every key it is asked for and gives defaults; its parts note too.

    Parameters
    ----------
    path : str
        Of the table, as its header would spell it.
    notes : dict of str to list of Key
        Collects the keys by table.
    """

    def __init__(self, path: str, notes: dict[str, list[Key]]) -> None:
        super().__init__({}, path, [])
        self.path = path
        self.notes = notes
        self.notes.setdefault(path, [])
        self._limit = ""

    def take(self, key: str, kinds: tuple[type, ...], wanted: str, default: Any, required: bool) -> Any:
        """Note a key."""
        if all(known.name != key for known in self.notes[self.path]):
            shown = "" if required or default in (None, "", [], {}) else _toml(default)
            self.notes[self.path].append(
                Key(name=key, wanted=wanted + self._limit, required=required, default=shown)
            )
        return default

    def number(self, key: str, *, default: float | None = None, above: float = -math.inf) -> float:
        """Note a number with its limit."""
        self._limit = "" if above == -math.inf else f" above {above:g}"
        value = 1.0 if default is None else default
        self.take(key, (float,), "a number", default, default is None)
        self._limit = ""
        return value

    def optional_number(self, key: str, *, above: float = -math.inf) -> float | None:
        """Note a number that may be absent."""
        self._limit = "" if above == -math.inf else f" above {above:g}"
        self.take(key, (float,), "a number", None, False)
        self._limit = ""
        return None

    def tables(self, key: str) -> list[TableReader]:
        """Note a list of tables, by one of them."""
        return [NotingReader(f"[[{self._under(key)}]]", self.notes)]

    def subtable(self, key: str, *, required: bool = False) -> TableReader:
        """Note a table."""
        return NotingReader(f"[{self._under(key)}]", self.notes)

    def named_subtables(self, key: str) -> list[tuple[str, TableReader]]:
        """Note tables with names of the user's choice, by one of them."""
        return [("name", NotingReader(f"[{self._under(key)}.NAME]", self.notes))]

    def every_text(self) -> tuple[tuple[str, str], ...]:
        """Note a table whose keys are the user's."""
        self.notes[self.path].append(
            Key(name="any key", wanted="a string or a whole number", required=False, default="")
        )
        return ()

    def pairs_by_name(self) -> tuple[tuple[str, tuple[float, float]], ...]:
        """Note a table whose keys are names of estimands."""
        self.notes[self.path].append(
            Key(name="name of an estimand", wanted="[mean, sd]", required=False, default="")
        )
        return ()

    def _under(self, key: str) -> str:
        inner = self.path.strip("[]")
        return f"{inner}.{key}" if inner else key


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return (
        f'"{value}"' if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
    )


def study_file_keys() -> dict[str, list[Key]]:
    """Return every key of a study file by table, by running the functions that read one."""
    notes: dict[str, list[Key]] = {}
    build_study(NotingReader("", notes), (), (), Path(), "")
    return {path: keys for path, keys in notes.items() if keys}


def _described(record: type) -> tuple[str, dict[str, str]]:
    """Take a record's docstring apart: its first paragraph, and what it says of each field."""
    doc = inspect.getdoc(record) or ""
    about = " ".join(doc.split("\n\n")[0].split())
    fields: dict[str, str] = {}
    block = re.search(r"Parameters\n-+\n(.*?)(?=\n\n\w|\Z)", doc, re.DOTALL)
    names: list[str] = []
    for line in block[1].splitlines() if block else []:
        if line and not line.startswith(" "):
            names = [name.strip() for name in line.split(" : ")[0].split(",")]
        else:
            for name in names:
                fields[name] = f"{fields.get(name, '')} {line.strip()}".strip()
    return about, fields


def meanings_of(path: str) -> tuple[str, dict[str, str]]:
    """Return what a table of the study file is, and what its keys mean, from the docstrings of its records."""
    name = path.strip("[]").removesuffix(".NAME").split(".")[-1]
    found = [_described(record) for record in _RECORDS.get(name, ())]
    said = {key: text for _, fields in reversed(found) for key, text in fields.items()}
    return (found[0][0] if found and name else ""), said


def study_file_page() -> str:
    """Write the reference of the study file."""
    lines = [
        "# Reference of the study file",
        "",
        "Made by `scripts/docs` from the functions that read `study.toml`; a test fails where they differ.",
        "An unknown key is an error. Every problem of a file is reported at once.",
        "The same as a JSON schema for editors: [study.schema.json](study.schema.json); an editor that knows TOML",
        "takes it from a first line `#:schema PATH/study.schema.json`.",
        "",
    ]
    for path, keys in study_file_keys().items():
        about, said = meanings_of(path)
        lines += [f"## `{path or 'top of the file'}`", "", *([about, ""] if about else [])]
        lines += ["| key | takes | without it | |", "|---|---|---|---|"]
        for key in keys:
            without = "**required**" if key.required else f"`{key.default}`" if key.default else "empty"
            lines.append(
                f"| `{key.name}` | {_cell(key.wanted)} | {without} | {_cell(said.get(key.name, ''))} |"
            )
        lines.append("")
    lines += [
        "## `cells.csv`",
        "",
        "Printed cells, beside the study file; UTF-8, one row a cell, with the columns "
        + ", ".join(f"`{name}`" for name in CELL_COLUMNS)
        + ".",
        "",
        _described(records.Cell)[0],
        "",
        "| column | |",
        "|---|---|",
        *(f"| `{name}` | {_cell(_described(records.Cell)[1].get(name, ''))} |" for name in CELL_COLUMNS),
        "",
    ]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def api_page() -> str:
    """Write the reference of the names that a notebook uses."""
    lines = [
        "# Python reference",
        "",
        "Made by `scripts/docs` from the docstrings of what `import bayes_alliance` gives.",
        "",
    ]
    for name in bayes_alliance.__all__:
        value = getattr(bayes_alliance, name)
        if name == "__version__":
            continue
        lines += [f"## `{name}`", "", *_documented(name, value)]
        if inspect.isclass(value):
            for member, item in vars(value).items():
                if not member.startswith("_") and (inspect.isfunction(item) or isinstance(item, property)):
                    lines += [f"### `{name}.{member}`", "", *_documented(member, item)]
    return "\n".join(lines)


def _documented(name: str, value: Any) -> list[str]:
    head = ""
    if inspect.isclass(value):
        fields = (
            ", ".join(field.name for field in dataclasses.fields(value))
            if dataclasses.is_dataclass(value)
            else ""
        )
        head = f"{name}({fields})"
    elif callable(value):
        head = f"{name}{inspect.signature(value)}"
    # Not as a block of Python: a signature alone is no program.
    parts = ["```text", head, "```", ""] if head else []
    return [*parts, "```text", inspect.getdoc(value) or "", "```", ""]


def printed_table_page(written: str) -> str:
    """Put the table of spellings into its page, between its two marks."""
    before, _, rest = written.partition(_SPELLINGS[0])
    after = rest.partition(_SPELLINGS[1])[2]
    return "\n".join([before + _SPELLINGS[0], "", *tabulate_spellings(), "", _SPELLINGS[1] + after])


def audit_page(written: str) -> str:
    """Put the findings that cannot be told into the page of the built-in study's audit, between its two marks."""
    before, _, rest = written.partition(_UNTOLD[0])
    after = rest.partition(_UNTOLD[1])[2]
    lines = []
    audit = audit_study(load_study("folmo2020"))
    for one in (*audit.of(AuditVerdict.CANNOT_TELL), *audit.of(AuditVerdict.NOT_TESTABLE)):
        numbers = "; ".join(f"{name}: {text}" for name, text in one.numbers)
        why = f"{one.reasoning}. {numbers}" if numbers else one.reasoning
        said = f"{one.check}, {one.where}: {one.printed}: {why}"
        lines.append("- " + _cell(said).replace("*", "\\*"))
    return "\n".join([before + _UNTOLD[0], "", *lines, "", _UNTOLD[1] + after])


def pages() -> dict[str, str]:
    """Return every page by its file name."""
    docs = Path(__file__).resolve().parents[2] / "docs"
    page, audit = "type_in_a_table.md", "audit_folmo2020.md"
    written = (docs / page).read_text(encoding="utf-8")
    return {
        "study_file.md": study_file_page(),
        "api.md": api_page(),
        page: printed_table_page(written),
        audit: audit_page((docs / audit).read_text(encoding="utf-8")),
        "cohorts.md": cohorts_page((docs / "cohorts.md").read_text(encoding="utf-8")),
        "given_print.md": given_print_page((docs / "given_print.md").read_text(encoding="utf-8")),
        "answer.md": answer_page(answer_facts()),
        "glossary.md": glossary_page(),
    }

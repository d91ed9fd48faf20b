"""Results of other commands on the same study (claims, stress tests, simulations), where their files lie.

Each leaves tables and figures in a folder of its own under the run's. What is not there is said in words, with the
command that makes it; nothing is run from here. Files are read as text and escaped like everything else.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import itertools
import math
from collections.abc import Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from bayes_alliance.assess.verdict_words import ORDER
from bayes_alliance.claims.change import FAMILY_LABELS, TESTS
from bayes_alliance.runtime.files import read_bounded
from bayes_alliance.show.claims_json import read_claims_json
from bayes_alliance.show.companion_files import CLAIMS_FILE, ROOMS, Room, files_of
from bayes_alliance.show.format_numbers import format_p
from bayes_alliance.show.id_names import name_page, spell_ids
from bayes_alliance.show.narrative import decide, explain_claim, format_part, measure_of, part_lines
from bayes_alliance.show.printed_scale import scale_text
from bayes_alliance.show.report.record import ClaimView, Companion, FigureView, TableView
from bayes_alliance.show.report.views import view_figure, view_table
from bayes_alliance.show.tables.record import Column, Table, Value
from bayes_alliance.show.verdict_definitions import FIRST_CHANGE
from bayes_alliance.study.records import Study

MAX_ROWS = 200
CLAIMS_INTRO = f"Each claim opens to its evidence, source by source. {FIRST_CHANGE}"


def read_companions(folder: Path, study: Study, *, data_digest: str = "") -> tuple[Companion, ...]:
    """Read what other commands left beside a run.

    Parameters
    ----------
    folder : Path
        Of the run.
    study : Study
        For labels, and the command that makes what is missing.
    data_digest : str
        Of the run's rows; results that say they are of others get a remark.

    Returns
    -------
    tuple of Companion
        One a room, in order.
    """
    return tuple(_read_room(room, folder, study, data_digest) for room in ROOMS)


def _read_room(room: Room, folder: Path, study: Study, data_digest: str) -> Companion:
    place = folder / room.folder
    found, _, _ = read_claims(folder / ROOMS[0].folder / CLAIMS_FILE, "")
    names = name_page(study, found)
    tables: list[TableView] = []
    figures: list[FigureView] = []
    remarks: list[str] = []
    for path in files_of(place):
        try:
            if path.suffix == ".svg":
                figures.append(view_figure(path))
            else:
                table = _read_table(path)
                tables += [view_table(table, prefix=room.key, names=names)] if table.rows else []
        except (OSError, ValueError) as error:
            remarks.append(f"{path.relative_to(folder).as_posix()} could not be read ({error}).")
    _, claims, said = read_claims(place / CLAIMS_FILE, data_digest)
    missing = ""
    if not tables and not figures and not claims:
        command = f"bayes-alliance {room.command} {study.id}"
        missing = f"Not run. “{command}” makes it."
        if room.key == "stress" and found is not None:
            missing = _say_stress(found, command) or missing
    return Companion(
        key=room.key,
        title=room.title,
        missing=missing,
        intro=CLAIMS_INTRO if claims else "",
        remarks=(*remarks, *said),
        claims=claims,
        tables=tuple(tables),
        figures=tuple(figures),
        tried=tuple(sorted(_families_tried(found))) if found is not None else (),
    )


def _families_tried(facts: Mapping[str, Any]) -> set[str]:
    tried = {str(change["family"]) for claim in facts["claims"] for change in claim["changes"]}
    return tried | {str(family) for claim in facts["claims"] for family in claim["kept"]}


def _say_stress(facts: Mapping[str, Any], command: str) -> str:
    """Return which stress tests were run with the claims and which were not; empty where none was."""
    tried = _families_tried(facts)
    kinds = [FAMILY_LABELS[family] for family in dict.fromkeys(TESTS.values())]
    ran, left = [kind for kind in kinds if kind in tried], [kind for kind in kinds if kind not in tried]
    if not ran:
        return ""
    about = "every claim about a slope" if facts["depth"] == "full" else "the models of the main findings"
    said = (
        f"Run with the claims, for {about}: {', '.join(ran)}. What they change stands in each claim’s card."
    )
    said += f" Not run: {', '.join(left)}." if left else ""
    return f"{said} “{command}” runs every stress test and adds their tables and figures to this page."


def _read_table(path: Path) -> Table:
    """Read a table of this package: as its HTML has it for readers, else from CSV with numbers rounded."""
    page = path.with_suffix(".html")
    return _from_html(page) if page.exists() else _from_csv(path)


class _TablePage(HTMLParser):
    """Takes the one table of a page of this package apart; whatever else stands there is passed over."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.numeric: list[bool] = []
        self.said: dict[str, list[str]] = {"caption": [], "provenance": [], "note": []}
        self._into: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a row, a cell or a paragraph."""
        kind = dict(attrs).get("class") or ""
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            if len(self.rows) == 1:
                self.numeric.append(kind == "number")
            self._into = self.rows[-1]
        elif tag == "caption" or (tag == "p" and kind in self.said):
            self._into = self.said["caption" if tag == "caption" else kind]
        else:
            return
        if self._into is not None and tag != "tr":
            self._into.append("")

    def handle_endtag(self, tag: str) -> None:
        """Close what is written into."""
        if tag in ("td", "th", "caption", "p"):
            self._into = None

    def handle_data(self, data: str) -> None:
        """Write text into what is open."""
        if self._into is not None:
            self._into[-1] += data


def _from_html(path: Path) -> Table:
    page = _TablePage()
    page.feed(read_bounded(path).decode("utf-8"))
    if not page.rows or any(len(row) != len(page.rows[0]) for row in page.rows):
        raise ValueError("no table of this package")
    columns = tuple(
        Column(name=f"column_{i}", heading=text, numeric=numeric)
        for i, (text, numeric) in enumerate(zip(page.rows[0], page.numeric, strict=True))
    )
    provenance = " ".join(page.said["provenance"])
    return shorten(
        Table(
            id=path.stem,
            title=" ".join(page.said["caption"]) or path.stem,
            columns=columns,
            rows=tuple(tuple(row) for row in page.rows[1:]),
            notes=tuple(page.said["note"]),
            provenance=provenance,
            stamp=provenance,
        )
    )


def _from_csv(path: Path) -> Table:
    text = io.StringIO(read_bounded(path).decode("utf-8"), newline="")
    try:
        rows = list(csv.reader(text))
    except csv.Error as error:
        raise ValueError("no table of this package") from error
    if not rows or not rows[0] or rows[0][0] != "provenance" or any(len(r) != len(rows[0]) for r in rows):
        raise ValueError("no table of this package")
    header = rows[0][1:]
    stamp = "; ".join(dict.fromkeys(row[0] for row in rows[1:]))
    values = [[_value(text) for text in row[1:]] for row in rows[1:]]
    columns = tuple(
        Column(name=name, heading=name.replace("_", " "), numeric=_is_numeric([row[i] for row in values]))
        for i, name in enumerate(header)
    )
    return shorten(
        Table(
            id=path.stem,
            title=path.stem.replace("_", " ").capitalize(),
            columns=columns,
            rows=tuple(tuple(row) for row in values),
            notes=(),
            provenance=stamp,
            stamp=stamp,
        )
    )


def shorten(table: Table) -> Table:
    """Return a table with its first rows only where it is too long for a page; the file holds all."""
    if len(table.rows) <= MAX_ROWS:
        return table
    note = f"The first {MAX_ROWS} of {len(table.rows)} rows; the CSV file of the table holds all."
    return dataclasses.replace(table, rows=table.rows[:MAX_ROWS], notes=(*table.notes, note))


def _value(text: str) -> Value:
    """Read a cell of CSV; a whole number stays as it is written, others are rounded for readers."""
    if text == "":
        return None
    try:
        return text if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        return text


def _is_numeric(cells: list[Value]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(isinstance(cell, float) or str(cell).lstrip("+-").isdigit() for cell in known)


def read_claims(
    path: Path, data_digest: str
) -> tuple[dict[str, Any] | None, tuple[ClaimView, ...], tuple[str, ...]]:
    """Read ``claims.json``: its content, every claim ready to be shown, and what is to be said of the file.

    Parameters
    ----------
    path : Path
        May be missing.
    data_digest : str
        Of the rows of the run; empty where none is known.

    Returns
    -------
    tuple
        None and no claim where the file is missing or cannot be read; the reason is among the remarks.
    """
    try:
        facts = read_claims_json(path)
        if facts is None:
            return None, (), ()
        views = view_claims(facts)
        rows = facts["rows_at_hand"]
        said = [str(remark) for remark in facts.get("remarks", ())]
        if data_digest and rows["digest"] != data_digest:
            said.append(f"The claims were judged on other rows than those of this run ({rows['origin']}).")
    except ValueError as error:
        return None, (), (f"{error}.",)
    except (KeyError, TypeError, AttributeError) as error:
        return None, (), (f"{path.name} could not be read ({type(error).__name__}: {error}).",)
    return facts, views, tuple(said)


def view_claims(facts: Mapping[str, Any]) -> tuple[ClaimView, ...]:
    """Return every claim ready to be shown, main findings first."""
    rows = facts["rows_at_hand"] or {}
    base_of = "one synthetic cohort" if rows.get("source") == "synthetic" else str(rows.get("source", ""))
    views = [_claim(claim, base_of, str(facts["horizon"])) for claim in facts["claims"]]
    return tuple(sorted(views, key=lambda view: not view.main))


def _claim(claim: Mapping[str, Any], base_of: str, horizon: str) -> ClaimView:
    spread = claim["synthetic"]["verdicts"]
    total = sum(spread.values())
    synthetic = ", ".join(f"{verdict} {count}/{total}" for verdict, count in spread.items() if count)
    real = claim["real"]
    multiverse = claim["multiverse"] or {}
    tested = sum(multiverse.get(verdict.value, 0) for verdict in ORDER)
    support = f"{100.0 * multiverse.get(ORDER[0].value, 0) / tested:.0f} % of {tested}" if tested else ""
    verdict, basis = decide(claim)
    published, measure = str(claim["published"] or ""), measure_of(claim)
    part_lines(claim["printed"])  # a malformed entry is refused here, before anything is shown
    return ClaimView(
        key=str(claim["id"]),
        says=str(claim["says"]),
        place=str(claim["place"]),
        published=scale_text(published, horizon) if measure.startswith("change") else published,
        main=bool(claim["main"]),
        verdict=verdict,
        basis=basis,
        printed=str(claim["printed"]["verdict"]),
        mixture=str(claim["mixture"]["verdict"]) if claim.get("mixture") else "",
        synthetic=synthetic,
        real=str(real["verdict"]) if real else "",
        together=explain_claim(claim),
        start=_say_start(claim, base_of, verdict, basis) if claim["first_change"] else "",
        first_change=spell_ids(str(claim["first_change"] or ""), {}),
        changes=tuple(spell_ids(f"{change['says']}: {change['verdict']}", {}) for change in claim["changes"]),
        by_reading=str(claim.get("by_reading") or ""),
        multiverse=support,
        reason=str(claim["printed"].get("reason") or claim["untestable"] or ""),
        parts=tuple(_part(source, part) for source, part in _claim_parts(claim)),
    )


def _say_start(claim: Mapping[str, Any], base_of: str, verdict: str, basis: str) -> str:
    """Say on which rows changes were tried, and that their verdict is not the one that stands where it is another."""
    base = str(claim.get("base") or "")
    if not base:
        return ""
    start = f"From {base} on {base_of}"
    if base == verdict or not basis:
        return start
    source = basis.partition(",")[0].replace("mixture", "the mixture")
    return f"{start} (the verdict above, {verdict}, is from {source})"


def _claim_parts(claim: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the parts of a claim with the source that each was judged from."""
    alike = [name for name, one in claim["printed_under"].items() if _is_alike(one, claim["printed"])]
    same = f" (the same under the {' and '.join(alike).replace('_', ' ')} prior)" if alike else ""
    judged = {f"printed numbers{same}": claim["printed"]}
    judged |= {
        f"printed numbers, {name.replace('_', ' ')} prior": one
        for name, one in claim["printed_under"].items()
        if name not in alike
    }
    judged |= {"mixture of synthetic cohorts": claim.get("mixture")}
    judged |= {
        f"synthetic {name}": one for name, one in itertools.islice(claim["synthetic"]["cohorts"].items(), 1)
    }
    judged |= {"real data": claim["real"]}
    for source, found in judged.items():
        for part in found["parts"] if found else ():
            yield source, part


def _is_alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two priors give every part the same verdict and the same numbers."""
    names = ("verdict", "median", "lower", "upper", "p_direction", "p_matters")
    return [[part.get(name) for name in names] for part in one["parts"]] == [
        [part.get(name) for name in names] for part in other["parts"]
    ]


def _part(source: str, part: Mapping[str, Any]) -> tuple[str, ...]:
    """Source, what is claimed, verdict, posterior, probabilities and draws of one part, as text."""
    trace = part.get("trace") or {}
    drawn = ""
    if trace:
        about = f"prior {trace.get('prior', '')}, {trace.get('n_draws', '')} draws"
        drawn = f"{trace.get('engine', '')} ({about})"
    return (
        source,
        f"{part['label']}: {part['claimed']}",
        str(part["verdict"]),
        format_part(part),
        _chance(part.get("p_direction")),
        _chance(part.get("p_matters")),
        drawn or str(part.get("reason", "")),
    )


def _chance(value: Any) -> str:
    return format_p(float(value)) if isinstance(value, int | float) and not math.isnan(float(value)) else ""

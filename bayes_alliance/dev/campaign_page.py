"""The section of docs/audit_folmo2020.md on invented publications, from the stored sums of a campaign."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from bayes_alliance.claims.register_calibration import clopper_pearson
from bayes_alliance.dev.dialects import DIALECTS, Dialect
from bayes_alliance.dev.published_campaign import DialectSummary
from bayes_alliance.dev.published_recovery import QUANTITIES

BEGIN, END = "<!-- campaign -->", "<!-- end of campaign -->"
PAGE, TABLE = "audit_folmo2020.md", "published_campaign.csv"
_HEADER = ("dialect", "what", "of", "quantity", "count", "total", "note")
_PRINTS: dict[Dialect, str] = {
    "stars": "b(SE)\\*, ns, AIC",
    "interval": "b (95 % CI), p, variances, −2LL",
    "t_df": "b, SE, t, df, p, SDs, AIC, AICc, BIC",
    "z": "b (SE), z, p, covariance",
    "f": "b, F(1, df), log likelihood",
    "comma": "decimal comma, b (SE) [90 % CI]",
    "dagger": "b (SE) with † and letters",
}
Row = Mapping[str, str]


def write_campaign(found: Sequence[DialectSummary], docs: Path) -> None:
    """Write the sums of a campaign, and the section of the page that is made from them."""
    (docs / TABLE).write_text(format_sums(found), encoding="utf-8")
    page = docs / PAGE
    page.write_text(put_campaign(page.read_text(encoding="utf-8"), docs / TABLE), encoding="utf-8")


def format_sums(found: Sequence[DialectSummary]) -> str:
    """Return every sum as a row of CSV."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_HEADER)
    for one in found:
        writer.writerow([one.dialect, "papers", "all within", "", one.papers_within, one.papers, ""])
        writer.writerow([one.dialect, "papers", "95 % within", "", one.papers_mostly, one.papers, ""])
        for check, made, inconsistent, untold in one.checks:
            writer.writerow([one.dialect, "inconsistent", check, "", inconsistent, made, ""])
            writer.writerow([one.dialect, "cannot tell", check, "", untold, made, ""])
        for kind, quantity, within, total in one.kinds:
            writer.writerow([one.dialect, "posterior", kind, quantity, within, total, ""])
        for seed, alarm in one.alarms:
            writer.writerow([one.dialect, "alarm", "", "", seed, "", alarm])
    return file.getvalue()


def put_campaign(page: str, table: Path) -> str:
    """Return the page with the section between its marks made from the stored sums."""
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    before, rest = page.split(BEGIN)
    lines = [*_by_dialect(rows), "", *_by_check(rows), "", *_by_kind(rows)]
    return before + BEGIN + "\n\n" + "\n".join(lines) + "\n\n" + END + rest.split(END)[1]


def _by_dialect(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| Printed | papers | checks | false alarms | at most (95 %) | cannot tell | numbers in their band | "
        "papers with all | papers with 95 % of theirs |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for dialect in DIALECTS:
        own = [row for row in rows if row["dialect"] == dialect]
        if not own:
            continue
        alarms, made = _sum(own, "inconsistent")
        untold, _ = _sum(own, "cannot tell")
        within, total = _sum(own, "posterior")
        every, most = (row for row in own if row["what"] == "papers")
        papers = int(every["total"])
        worst = 100 * clopper_pearson(alarms, made)[1]
        lines.append(
            f"| {_PRINTS[dialect]} | {papers} | {made:,} | {alarms} | {worst:.3f} % | {untold} | "
            f"{_share(within, total)} | {_share(int(every['count']), papers)} | {_share(int(most['count']), papers)} |"
        )
    return lines


def _by_check(rows: Sequence[Row]) -> list[str]:
    lines = ["| Check | made | inconsistent | cannot tell |", "| --- | ---: | ---: | ---: |"]
    for check in sorted({row["of"] for row in rows if row["what"] == "inconsistent"}):
        own = [row for row in rows if row["of"] == check]
        found, made = _sum(own, "inconsistent")
        lines.append(f"| {check} | {made:,} | {found} | {_sum(own, 'cannot tell')[0]} |")
    alarms = [row for row in rows if row["what"] == "alarm"]
    if alarms:
        lines += ["", "Every false alarm:", ""]
        lines += [
            f"* {row['dialect']}, seed {row['count']}: {row['note']}".replace("|", "\\|") for row in alarms
        ]
    return lines


def _by_kind(rows: Sequence[Row]) -> list[str]:
    lines = [
        "| Kind of cell, all dialects | cells | mean | SD | lower end | upper end | P(direction) |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for kind in sorted({row["of"] for row in rows if row["what"] == "posterior"}):
        own = [row for row in rows if row["of"] == kind]
        parts = [_sum([row for row in own if row["quantity"] == name], "posterior") for name in QUANTITIES]
        lines.append(f"| {kind} | {parts[0][1]:,} | {' | '.join(_share(*part) for part in parts)} |")
    return lines


def _sum(rows: Sequence[Row], what: str) -> tuple[int, int]:
    own = [row for row in rows if row["what"] == what]
    return sum(int(row["count"]) for row in own), sum(int(row["total"]) for row in own)


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.1f} %"

"""The page of the documentation on the register: what is computed for it, between text that is written by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.api.register import register
from bayes_alliance.claims.register import RegisterEntry
from bayes_alliance.show.plots.register import ALT, plot_agreement, tabulate_agreement
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.show.register_page import describe_register
from bayes_alliance.show.tables.register import (
    tabulate_again,
    tabulate_agreement_by_kind,
    tabulate_estimands,
    tabulate_mixtures,
    tabulate_studies,
    tabulate_verdicts,
)
from bayes_alliance.show.tables.text import format_markdown

SEED = 2020
MARKS = ("<!-- register -->", "<!-- end of register -->")
FIGURE = "register"


def computed_part(entries: Sequence[RegisterEntry]) -> str:
    """Return the summary, the figure and the tables in Markdown."""
    tables = [
        form(entries, SEED)
        for form in (
            tabulate_studies,
            tabulate_agreement_by_kind,
            tabulate_mixtures,
            tabulate_estimands,
            tabulate_verdicts,
            tabulate_again,
        )
    ]
    lines = [f"* {sentence}" for sentence in describe_register(entries)]
    lines += ["", f"![{ALT}]({FIGURE}.png)", ""]
    return "\n".join([*lines, *(format_markdown(table) for table in tables)])


def put_register(written: str, entries: Sequence[RegisterEntry]) -> str:
    """Put the computed part into the page, between its two marks."""
    before, _, rest = written.partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    return "\n".join([before + MARKS[0], "", computed_part(entries), MARKS[1] + after])


def write_register(docs: Path) -> None:
    """Write the computed part of ``register.md``, and its figure with the numbers that it plots."""
    entries = register(seed=SEED)
    page = docs / "register.md"
    page.write_text(put_register(page.read_text(encoding="utf-8"), entries), encoding="utf-8")
    save_figure(
        plot_agreement(entries),
        docs / FIGURE,
        rows=tabulate_agreement(entries),
        provenance=f"printed, synthetic and real data; run seed {SEED}",
        title="Print alone and mixture against the data",
        alt=ALT,
        kinds=("png",),
    )

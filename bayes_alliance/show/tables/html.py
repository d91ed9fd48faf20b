"""Tables as HTML: a fragment for pages of this package, and a page of its own that needs nothing else."""

from __future__ import annotations

from html import escape

from bayes_alliance.show.tables.readable import read_columns, read_rows
from bayes_alliance.show.tables.record import Table

STYLE = """\
:root { color-scheme: light dark; }
body { font: 0.95rem/1.45 system-ui, sans-serif; margin: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; border-top: 2px solid; border-bottom: 2px solid; }
caption { text-align: left; font-weight: 600; padding: 0 0 0.5rem; }
th, td { padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; font-weight: normal; }
thead th { border-bottom: 1px solid; font-weight: 600; vertical-align: bottom; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.provenance { font-style: italic; }
.provenance, .note { max-width: 60rem; margin: 0.5rem 0 0; }
"""


def html_fragment(table: Table, *, prefix: str = "table") -> str:
    """Return a table as HTML: caption, cells, provenance, notes; every text escaped.

    Parameters
    ----------
    table : Table
        What to show.
    prefix : str
        Of the table's ``id``, so that a page may hold it beside others.

    Returns
    -------
    str
        The table in a block that scrolls sideways by itself, and paragraphs below.
    """
    columns = read_columns(table)
    classes = [' class="number"' if column.numeric else "" for column in columns]
    head = "".join(
        f'<th scope="col"{kind}>{escape(column.heading)}</th>'
        for column, kind in zip(columns, classes, strict=True)
    )
    body = "\n".join(_row(row, classes) for row in read_rows(table))
    name = escape(f"{prefix}-{table.id}", quote=True)
    below = [f'<p class="provenance">{escape(table.provenance)}</p>']
    below += [f'<p class="note">{escape(note)}</p>' for note in table.notes]
    label = escape(table.title, quote=True)
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="Table: {label}">\n'
        f'<table id="{name}">\n<caption>{escape(table.title)}</caption>\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>\n" + "\n".join(below)
    )


def _row(cells: list[str], classes: list[str]) -> str:
    """Return a row; its first cell heads it."""
    parts = [
        f'<th scope="row"{kind}>{_cell(cell)}</th>' if place == 0 else f"<td{kind}>{_cell(cell)}</td>"
        for place, (cell, kind) in enumerate(zip(cells, classes, strict=True))
    ]
    return f"<tr>{''.join(parts)}</tr>"


def _cell(text: str) -> str:
    """Escape a cell; the formula of a model is code."""
    return f"<code>{escape(text)}</code>" if " ~ " in text else escape(text)


def format_html(table: Table) -> str:
    """Return a page that holds one table and nothing from elsewhere."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(table.title)}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f"{html_fragment(table)}\n</main>\n</body>\n</html>\n"
    )

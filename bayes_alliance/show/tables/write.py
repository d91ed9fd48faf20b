"""Write a table in every form."""

from __future__ import annotations

from pathlib import Path

from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.tables.record import Table
from bayes_alliance.show.tables.text import format_csv, format_markdown


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write one table as CSV, Markdown, LaTeX, HTML and Word into a folder that exists.

    Returns
    -------
    list of Path
        ``<id>.csv``, ``.md``, ``.tex``, ``.html``, ``.docx``.
    """
    # Here and not above, as these modules stand on this one.
    from bayes_alliance.show.tables.html import format_html
    from bayes_alliance.show.tables.latex import format_latex
    from bayes_alliance.show.tables.word import format_word

    forms = {"csv": format_csv, "md": format_markdown, "tex": format_latex, "html": format_html}
    written = []
    for ending, form in forms.items():
        path = folder / f"{table.id}.{ending}"
        write_whole(path, form(table))
        written.append(path)
    word = folder / f"{table.id}.docx"
    write_whole_bytes(word, format_word([table], title=table.title))
    return [*written, word]

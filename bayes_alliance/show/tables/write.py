"""Write a table in every form."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayes_alliance.runtime.files import write_whole, write_whole_bytes
from bayes_alliance.show.tables.record import Table
from bayes_alliance.show.tables.text import format_csv, format_markdown

ENDINGS = ("csv", "md", "tex", "html", "docx")


def write_table(table: Table, folder: Path, *, endings: Sequence[str] = ENDINGS) -> list[Path]:
    """Write one table into a folder that exists, by default as CSV, Markdown, LaTeX, HTML and Word.

    Parameters
    ----------
    table : Table
        What to write.
    folder : Path
        Where.
    endings : sequence of str
        Which forms, of ``ENDINGS``.

    Returns
    -------
    list of Path
        ``<id>.csv``, ``.md``, ``.tex``, ``.html``, ``.docx``, as far as asked for.
    """
    # Here and not above, as these modules stand on this one.
    from bayes_alliance.show.tables.html import format_html
    from bayes_alliance.show.tables.latex import format_latex
    from bayes_alliance.show.tables.word import format_word

    forms = {"csv": format_csv, "md": format_markdown, "tex": format_latex, "html": format_html}
    written = []
    for ending, form in forms.items():
        if ending not in endings:
            continue
        path = folder / f"{table.id}.{ending}"
        write_whole(path, form(table))
        written.append(path)
    if "docx" not in endings:
        return written
    word = folder / f"{table.id}.docx"
    write_whole_bytes(word, format_word([table], title=table.title))
    return [*written, word]

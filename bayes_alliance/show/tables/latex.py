r"""Tables as LaTeX: ``booktabs`` rules, ``longtable`` so that long ones break, every special character escaped.

A table file is a fragment to be read by ``\input``; :func:`format_document` gives a document that holds all
tables of a run and compiles as it stands, by pdfLaTeX, XeLaTeX or LuaLaTeX.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from bayes_alliance.show.tables.readable import LETTER, column_weights, is_wide, read_columns, read_rows
from bayes_alliance.show.tables.record import Table

PACKAGES = ("booktabs", "longtable", "array")
_ESCAPES = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_\allowbreak{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    # After the end of a row these would be read as its option or its starred form.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "`": r"\textasciigrave{}",
    "-": "-{}",
    "\N{MINUS SIGN}": r"\ensuremath{-}",
    "\N{PLUS-MINUS SIGN}": r"\ensuremath{\pm}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
    "\N{DAGGER}": r"\textdagger{}",
    "\N{EN DASH}": "--",
    "\N{EM DASH}": "---",
    "\N{RIGHT SINGLE QUOTATION MARK}": "'",
    "\N{LEFT SINGLE QUOTATION MARK}": "`",
    "\N{LEFT DOUBLE QUOTATION MARK}": "``",
    "\N{RIGHT DOUBLE QUOTATION MARK}": "''",
    "\N{HORIZONTAL ELLIPSIS}": r"\ldots{}",
    "\N{DEGREE SIGN}": r"\ensuremath{^\circ}",
    "\N{SUPERSCRIPT TWO}": r"\ensuremath{^2}",
    "\N{LESS-THAN OR EQUAL TO}": r"\ensuremath{\leq}",
    "\N{GREATER-THAN OR EQUAL TO}": r"\ensuremath{\geq}",
    "\N{NO-BREAK SPACE}": "~",
}
# As ArviZ writes the estimate of Pareto's k.
_K_HAT = "k\N{COMBINING CIRCUMFLEX ACCENT}"
_SIZES = ((7, "small", 9), (9, "footnotesize", 8), (11, "scriptsize", 7))
# Width of the text of class article, upright and in landscape.
_LINE_POINTS = {False: 345, True: 550}


def escape_latex(text: str) -> str:
    r"""Keep text from being read as LaTeX.

    Letters with accents stay (the document declares UTF-8 and T1); a character that pdfLaTeX's T1 fonts have not
    is given by its number, so that no label can stop a document from compiling.

    Examples
    --------
    >>> escape_latex("50 % of a_b & c")
    '50 \\% of a\\_\\allowbreak{}b \\& c'
    """
    hat = r"\ensuremath{\hat{k}}"
    parts = " ".join(text.split()).split(_K_HAT)
    return hat.join("".join(_escape(character) for character in part) for part in parts)


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    # ASCII, Latin-1 letters and Latin Extended-A are in T1.
    code = ord(character)
    if 0x20 <= code < 0x7F or (0xC0 <= code <= 0x17F and unicodedata.category(character)[0] == "L"):
        return character
    return f"{{[}}U+{code:04X}{{]}}"


def format_latex(table: Table) -> str:
    """Format a table as a LaTeX fragment: caption above, cells, provenance and notes below.

    Parameters
    ----------
    table : Table
        What to show.

    Returns
    -------
    str
        Ends in a line feed.
    """
    columns = read_columns(table)
    size, points = next(((name, size) for most, name, size in _SIZES if len(columns) <= most), ("tiny", 5))
    weights = column_weights(table, _LINE_POINTS[is_wide(table)] / points / LETTER)
    spec = "".join(
        f">{{\\{'raggedleft' if column.numeric else 'raggedright'}\\arraybackslash}}"
        f"p{{\\dimexpr {weight:.4f}\\linewidth-2\\tabcolsep\\relax}}"
        for column, weight in zip(columns, weights, strict=True)
    )
    head = _row([column.heading for column in columns])
    span = f"\\multicolumn{{{len(columns)}}}{{r}}"
    lines = [
        f"% {_comment(table.title)}",
        f"% Needs the packages {', '.join(PACKAGES)}, and fontenc with T1 under pdfLaTeX.",
        *(["% Wide: set it on a page in landscape."] if is_wide(table) else []),
        f"\\begingroup\\{size}\\setlength{{\\tabcolsep}}{{2.5pt}}",
        f"\\begin{{longtable}}{{{spec}}}",
        f"\\caption{{{escape_latex(table.title)}}}\\label{{tab:{_label(table.id)}}}\\\\",
        "\\toprule",
        head,
        "\\midrule\\endfirsthead",
        "\\toprule",
        head,
        "\\midrule\\endhead",
        f"\\midrule {span}{{\\emph{{continued on the next page}}}}\\tabularnewline\\endfoot",
        "\\bottomrule\\endlastfoot",
        *(_row(row) for row in read_rows(table)),
        "\\end{longtable}",
        f"\\noindent\\emph{{Note.}} {escape_latex(table.provenance)}\\par",
        *(f"\\noindent {escape_latex(note)}\\par" for note in table.notes),
        "\\endgroup",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return " & ".join(escape_latex(cell) for cell in cells) + r" \tabularnewline"


def _comment(text: str) -> str:
    return " ".join(text.split())


def _label(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text)


def format_document(tables: Sequence[Table]) -> str:
    r"""Return a document that reads the fragments of these tables, which lie beside it, by ``\input``."""
    inputs = [line for table in tables for line in (f"\\input{{{table.id}.tex}}", "\\clearpage")]
    return "\n".join(
        [
            "% Every table of the run; compile with pdflatex, xelatex or lualatex (twice).",
            "\\documentclass[10pt]{article}",
            "\\usepackage{iftex}",
            "\\ifpdftex\\usepackage[utf8]{inputenc}\\fi",
            "\\usepackage[T1]{fontenc}",
            "\\usepackage[a4paper,landscape,margin=15mm]{geometry}",
            f"\\usepackage{{{','.join(PACKAGES)}}}",
            "\\setlength{\\LTcapwidth}{\\linewidth}",
            "\\begin{document}",
            *inputs,
            "\\end{document}",
            "",
        ]
    )

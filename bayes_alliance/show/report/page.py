"""From the record of a report to one page of HTML: Jinja2 with escaping on, style and script inside."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import jinja2
from markupsafe import Markup

from bayes_alliance import __version__
from bayes_alliance.show.id_names import Names
from bayes_alliance.show.report.record import Companion, FirstScreen, Report
from bayes_alliance.show.report.typeset import typeset

_FOLDER = Path(__file__).parent
# Sections in the order of the page, with their names in its navigation; those that are absent have no link.
SECTIONS: tuple[tuple[str, str], ...] = (
    ("answer", "Answer"),
    ("claims", "Claims"),
    ("answers", "Effects"),
    ("audit", "Audit"),
    ("models", "Models"),
    ("stress", "Stress tests"),
    ("simulations", "Simulations"),
    ("figures", "Figures"),
    ("tables", "Tables"),
    ("warnings", "Warnings"),
    ("methods", "Methods"),
    ("checklist", "Checklist"),
    ("glossary", "Glossary"),
    ("rebuild", "Reproduce"),
)


def render_report(report: Report) -> str:
    """Return the page of a report.

    Parameters
    ----------
    report : Report
        Its texts are escaped here; only its fragments are taken as they are.

    Returns
    -------
    str
        A whole document that loads no other file. A policy in it forbids the browser to fetch one.
    """
    environment = _environment()
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    page = environment.get_template("page.html.jinja").render(
        report=report,
        part=_mark,
        links=(),
        version=__version__,
        # Both are files of this package.
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=_hash_script(f"\n{script}\n"),
    )
    return typeset(_link_sections(page), report.names)


def refresh_page(
    page: str, first: FirstScreen | None, companions: Mapping[str, Companion], names: Names
) -> str:
    """Return a page with the parts replaced that another command has made since.

    Parameters
    ----------
    page : str
        Of :func:`render_report`.
    first : FirstScreen or None
        New tally, findings and texts; None leaves those of the page.
    companions : mapping of str to Companion
        By key; all others stay as they are.
    names : mapping of str to str
        What ids are called.
    """
    macros = _environment().get_template("parts.html.jinja").module
    if first is not None:
        page = _replace(page, "first", Markup(typeset(macros.first_screen(first), names)))  # type: ignore[attr-defined]
    for key, companion in companions.items():
        section = Markup("") if companion.missing else macros.companion_section(companion)  # type: ignore[attr-defined]
        page = _replace(page, key, Markup(typeset(section, names)))
    return _link_sections(page)


def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _mark(key: str, fragment: Markup | str) -> Markup:
    """Put the marks around a part by which it is found again; a fragment that is no markup is escaped."""
    return Markup("<!--part {0}-->\n{1}\n<!--end {0}-->").format(key, fragment)


def _replace(page: str, key: str, fragment: Markup) -> str:
    pattern = re.compile(f"<!--part {key}-->.*?<!--end {key}-->", re.DOTALL)
    return pattern.sub(lambda match: str(_mark(key, fragment)), page, count=1)


def _link_sections(page: str) -> str:
    """Write the navigation anew: a link for each section that the page has."""
    links = [(key, title) for key, title in SECTIONS if f'<section id="{key}"' in page]
    macros = _environment().get_template("parts.html.jinja").module
    return _replace(page, "navigation", macros.navigation(links))  # type: ignore[attr-defined]


def _hash_script(text: str) -> str:
    """Return the source expression by which the page's policy lets this very script run, and no other."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"

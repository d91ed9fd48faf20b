"""From the record of a report to one page of HTML: Jinja2 with escaping on, style and script inside."""

from __future__ import annotations

from pathlib import Path

import jinja2
from markupsafe import Markup

from bayes_alliance import __version__
from bayes_alliance.show.report.record import Report

_FOLDER = Path(__file__).parent


def render_report(report: Report) -> str:
    """Give the page of a report.

    Parameters
    ----------
    report : Report
        Its texts are escaped here; only its fragments are taken as they are.

    Returns
    -------
    str
        A whole document without any address of another file. A policy in it forbids the browser to fetch one.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.jinja").render(
        report=report,
        version=__version__,
        # Both are files of this package.
        style=Markup((_FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup((_FOLDER / "page.js").read_text(encoding="utf-8")),
    )

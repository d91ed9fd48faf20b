"""Nothing from a folder enters the page but drawings, and the page runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from pathlib import Path

import pytest

from bayes_alliance.show.companion_files import digest_companions
from bayes_alliance.show.report.companions import read_companions
from bayes_alliance.show.report.page import _hash_script
from bayes_alliance.show.report.views import view_figure
from tests.small_study import small_study

OPEN = (
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="400pt" height="300pt" '
    'viewBox="0 0 400 300">'
)
EVIL = {
    "script": "<script>alert(2)</script>",
    "handler": '<rect width="9" height="9" onload="alert(1)"/>',
    "handler in capitals": '<rect width="9" height="9" onLoad="alert(1)"/>',
    "foreign object": "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'>x</body></foreignObject>",
    "link": '<a xlink:href="https://example.org/"><text>x</text></a>',
    "outside use": '<use xlink:href="https://example.org/x.svg#a"/>',
    "script address": '<use xlink:href="java script:alert(1)"/>',
    "data page": '<image xlink:href="data:text/html;base64,PHNjcmlwdD4="/>',
    "style import": "<style>@import url(https://example.org/x.css);</style>",
    "style end": "<style>&lt;/style>&lt;script></style>",
    "animation": '<set attributeName="onload" to="alert(1)"/>',
    "not closed": "<g>",
    "entity": "&xxe;",
    "declaration": "<!ENTITY x 'y'>",
    # What XML takes for text and HTML for elements.
    "instruction": "<?x ><form action='https://example.org'></form>?>",
    "character data": "<desc><![CDATA[><form action='https://example.org'></form>]]></desc>",
    "style in a description": "<desc><style><g/></style></desc>",
}


@pytest.mark.parametrize("inner", EVIL.values(), ids=EVIL)
def test_a_drawing_with_more_than_shapes_is_refused(inner: str, tmp_path: Path) -> None:
    """Scripts, handlers, links, foreign content, animations, styles that load, and what is not well-formed."""
    path = tmp_path / "evil.svg"
    path.write_text(f"{OPEN}{inner}</svg>")
    with pytest.raises(ValueError, match=r"evil\.svg"):
        view_figure(path)


def test_no_comment_enters_the_page(tmp_path: Path) -> None:
    """HTML ends ``<!-->`` at once, where XML goes on: what follows would be elements of the page."""
    path = tmp_path / "comment.svg"
    path.write_text(f"{OPEN}<!--><form action='https://example.org'></form>--><g/></svg>")
    assert "form" not in view_figure(path).svg


@pytest.mark.parametrize("name", ["claims/claims.json", "stress/a.csv", "stress/a.svg", "simulate/x/a.csv"])
@pytest.mark.parametrize("content", ["pipe", "nested", "long cell", "nothing"])
def test_a_file_beside_a_run_that_cannot_be_read_is_a_remark(name: str, content: str, tmp_path: Path) -> None:
    """A pipe is not waited for, and nothing that is damaged ends the run."""
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    if content == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(
            {"nested": "[" * 100_000, "long cell": f"provenance,a\nx,{'9' * 200_000}"}.get(content, "")
        )
    digest_companions(tmp_path)
    found = read_companions(tmp_path, small_study())
    assert [f"{path.name} " in remark for one in found for remark in one.remarks] == [True]


def test_the_page_sends_nothing_anywhere() -> None:
    """No form, and no address from which relative ones count."""
    folder = Path(__file__).resolve().parents[2] / "bayes_alliance" / "show" / "report"
    assert "form-action 'none'; base-uri 'none'" in (folder / "page.html.jinja").read_text()


def test_a_plain_drawing_is_shown(tmp_path: Path) -> None:
    """Shapes, text and references within the drawing."""
    path = tmp_path / "plain.svg"
    path.write_text(f'{OPEN}<defs><path id="a" d="M 0 0"/></defs><use xlink:href="#a"/><text>x</text></svg>')
    assert 'xlink:href="#plain-a"' in view_figure(path).svg


def test_the_figures_of_the_built_in_study_are_drawings() -> None:
    """All of those that the repository shows."""
    figures = list((Path(__file__).resolve().parents[2] / "figures").glob("*.svg"))
    assert figures
    assert all(view_figure(path).svg for path in figures)


def test_the_policy_names_the_very_script_of_the_page() -> None:
    """Its digest is that of the text between the tags of the template."""
    folder = Path(__file__).resolve().parents[2] / "bayes_alliance" / "show" / "report"
    template = (folder / "page.html.jinja").read_text()
    assert re.search(r"<script>\n\{\{ script \}\}\n</script>", template)
    assert "script-src '{{ script_hash }}'" in template
    assert "unsafe-inline'; script" not in template.split("script-src")[1]
    text = "\n" + (folder / "page.js").read_text() + "\n"
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert _hash_script(text) == f"sha256-{digest}"

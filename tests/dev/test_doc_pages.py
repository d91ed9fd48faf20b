"""The documentation is current, its code runs, and its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

from bayes_alliance.dev.answer_page import answer_facts, put_answer
from bayes_alliance.dev.doc_pages import pages, study_file_keys

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


@pytest.mark.parametrize("name", ["study_file.md", "api.md", "answer.md", "glossary.md"])
def test_pages_made_from_the_code_are_current(name: str) -> None:
    """What is committed is what the code gives now; 'scripts/docs' makes it anew."""
    assert (DOCS / name).read_text(encoding="utf-8") == pages()[name]


def test_the_numbers_of_the_readme_are_current_and_it_stays_short() -> None:
    """The table of main findings is what the printed numbers give now, and the file has at most 6 kB."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text == put_answer(text, answer_facts())
    assert len(text.encode()) <= 6000


def test_every_key_of_the_studies_that_ship_is_in_the_reference() -> None:
    """Read back from the TOML files, table by table."""
    import tomllib

    known = {path: {key.name for key in keys} for path, keys in study_file_keys().items()}
    for path in (ROOT / "models").glob("*/study.toml"):
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert set(table["study"]) <= known["[study]"]
        assert set(table["data"]) <= known["[data]"] | {"wide", "visits", "recode"}
        for variable in table["variables"].values():
            assert set(variable) <= known["[variables.NAME]"]
        for model in table["models"]:
            assert set(model) <= known["[[models]]"] | {"estimands"}
        for prior in table["priors"]:
            for scales in prior["outcomes"].values():
                assert set(scales) <= known["[priors.outcomes.NAME]"]


def test_required_keys_are_marked_and_unknown_ones_absent() -> None:
    """A study without a horizon is refused, so it is marked; a key that nothing asks for is not listed."""
    keys = {key.name: key for key in study_file_keys()["[study]"]}
    assert keys["horizon"].required and not keys["doi"].required
    assert "above 0" in keys["horizon"].wanted
    assert "colour" not in keys


def test_python_blocks_of_the_documentation_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Page by page, in order, each page in a namespace of its own; not one that needs what is not installed."""
    monkeypatch.chdir(ROOT)
    ran = 0
    for page in sorted(DOCS.glob("*.md")):
        names: dict[str, Any] = {}
        for block in re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
            needed = re.findall(r"^(?:from|import) (\w+)", block, re.MULTILINE)
            if all(importlib.util.find_spec(name) for name in needed):
                exec(compile(block, str(page), "exec"), names)
                ran += 1
    assert ran >= 5


def test_links_between_pages_lead_somewhere() -> None:
    """Every relative link of a page is a file."""
    for page in [*DOCS.glob("*.md"), ROOT / "README.md", ROOT / "figures" / "README.md"]:
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_contents_of_the_site_are_pages() -> None:
    """mkdocs.yml lists pages of docs/ only, each once, the ones made from the code among them."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    listed = re.findall(r": (\w+\.md)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert set(listed) <= {page.name for page in DOCS.glob("*.md")}
    assert set(pages()) <= set(listed)

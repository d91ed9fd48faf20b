#!/usr/bin/env python
"""Put the verdicts of version 0.1.0 beside today's into docs/claims.md."""

from pathlib import Path

from bayes_alliance.dev.ensemble_page import put_between
from bayes_alliance.dev.verdicts_since import MARKS, format_verdicts, read_verdicts

docs = Path(__file__).resolve().parent.parent / "docs"
page = docs / "claims.md"
table = "\n".join(format_verdicts(read_verdicts(docs / "verdicts_since_0_1_0.csv")))
page.write_text(put_between(page.read_text(encoding="utf-8"), MARKS, table), encoding="utf-8")

#!/usr/bin/env python
"""Put the operating characteristics of the verdicts into docs/priors.md."""

from pathlib import Path

from bayes_alliance.dev.verdict_rates import tabulate_verdict_rates
from bayes_alliance.study.load_study import load_study

FIRST, LAST = "<!-- verdict rates -->", "<!-- end of verdict rates -->"

page = Path(__file__).resolve().parent.parent / "docs" / "priors.md"
before, _, rest = page.read_text(encoding="utf-8").partition(FIRST)
table = "\n".join(tabulate_verdict_rates(load_study("folmo2020")))
page.write_text(f"{before}{FIRST}\n\n{table}\n\n{LAST}{rest.partition(LAST)[2]}", encoding="utf-8")

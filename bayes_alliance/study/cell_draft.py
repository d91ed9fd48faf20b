"""A printed cell in the making, while its parts are taken one by one."""

from __future__ import annotations

from dataclasses import dataclass

from bayes_alliance.study.printed_cell import PrintedNumber, PrintedP, PrintedRange, PrintedTest


@dataclass(kw_only=True)
class Draft:
    """A cell in the making."""

    value: PrintedNumber | None = None
    spread: PrintedNumber | None = None
    spread_kind: str = ""
    stars: int = 0
    ci: PrintedRange | None = None
    tests: tuple[PrintedTest, ...] = ()
    df: PrintedNumber | None = None
    p: tuple[PrintedP, ...] = ()
    total: PrintedNumber | None = None
    percent: PrintedNumber | None = None
    marks: tuple[str, ...] = ()
    silent: bool = False

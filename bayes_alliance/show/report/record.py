"""What a report says, as frozen records: text that is still to be escaped, and fragments that are safe already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

Status = Literal["filled", "in part", "open"]
Level = Literal["failed", "not checked", "remark", "note"]


@dataclass(frozen=True, kw_only=True)
class PriorLine:
    """What one prior makes of one printed cell, in words and numbers for a reader."""

    prior: str
    mean: str
    interval: str
    direction: str
    matters: str
    bayes_factor: str


@dataclass(frozen=True, kw_only=True)
class ReportAnswer:
    """What was found on one question.

    Parameters
    ----------
    key : str
        For the address within the page.
    question : str
        The estimand and its model.
    printed, ml, bayes : str
        Each in its own words; empty where there is none.
    sentence : str
        All of it as prose.
    marked : bool
        Whether a check failed that the answer rests on.
    facts : tuple of (str, str)
        The evidence, named.
    priors : tuple of PriorLine
        From the printed cell alone, by prior set.
    """

    key: str
    question: str
    printed: str
    ml: str
    bayes: str
    sentence: str
    marked: bool
    facts: tuple[tuple[str, str], ...]
    priors: tuple[PriorLine, ...]


@dataclass(frozen=True, kw_only=True)
class FigureView:
    """One figure: its drawing as inline SVG, and what it shows in words."""

    name: str
    title: str
    alt: str
    svg: Markup


@dataclass(frozen=True, kw_only=True)
class TableView:
    """One table as HTML."""

    name: str
    title: str
    n_rows: int
    html: Markup


@dataclass(frozen=True, kw_only=True)
class Caution:
    """One warning that anything raised."""

    level: Level
    where: str
    what: str
    advice: str


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One item of the reporting checklist, filled or open with the reason."""

    number: int
    topic: str
    source: str
    status: Status
    answer: str


@dataclass(frozen=True, kw_only=True)
class ClaimView:
    """One claim of the publication with its verdict in each source, which are never pooled.

    Parameters
    ----------
    key, says, place, published : str
        What is claimed, in our words, and where.
    printed, synthetic, real : str
        Verdict from the printed numbers alone, over the synthetic cohorts, and from real data (empty without).
    first_change : str
        The first assumption that would change the verdict, and into what.
    changes : tuple of str
        All of those that were found.
    multiverse : str
        Share of the specifications that support it.
    parts : tuple of tuple of str
        Source, what is claimed, verdict, posterior, P(direction), P(matters), draws; line by line.
    """

    key: str
    says: str
    place: str
    published: str
    printed: str
    synthetic: str
    real: str
    first_change: str
    changes: tuple[str, ...]
    multiverse: str
    reason: str
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Companion:
    """Results of another command on the same study, where its files lie beside the run's.

    Parameters
    ----------
    key, title : str
        What it is.
    missing : str
        Why there is nothing, and the command that makes it; empty where there is something.
    remarks : tuple of str
        What is to be said of the files.
    claims : tuple of ClaimView
        Of the command ``claims``.
    """

    key: str
    title: str
    missing: str
    remarks: tuple[str, ...] = ()
    claims: tuple[ClaimView, ...] = ()
    tables: tuple[TableView, ...] = ()
    figures: tuple[FigureView, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AuditView:
    """What the printed numbers say of each other."""

    counts: tuple[tuple[str, int], ...]
    findings: tuple[tuple[str, str, str, str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Methods:
    """The methods text of the run.

    Parameters
    ----------
    paragraphs : tuple of str
        Prose.
    latex : str
        The model.
    formulas : tuple of (str, str)
        Model and its formula.
    lme4, python : str
        The run as code of lme4 and of this package.
    priors : TableView
        Every prior with what it implies.
    predictive : TableView or None
        Prior predictive shares outside the scale.
    versions : tuple of (str, str)
        Of the packages.
    """

    paragraphs: tuple[str, ...]
    latex: str
    formulas: tuple[tuple[str, str], ...]
    lme4: str
    python: str
    priors: TableView
    predictive: TableView | None
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the page shows, in its order."""

    title: str
    citation: str
    doi: str
    synthetic: bool
    provenance: str
    asked: tuple[str, ...]
    printed: tuple[str, ...]
    headline: tuple[str, ...]
    companions: tuple[Companion, ...]
    answers: tuple[ReportAnswer, ...]
    prior_names: tuple[str, ...]
    default_prior: str
    audit: AuditView | None
    figures: tuple[FigureView, ...]
    tables: tuple[TableView, ...]
    cautions: tuple[Caution, ...]
    methods: Methods
    checklist: tuple[ChecklistItem, ...]
    command: str
    run_facts: tuple[tuple[str, str], ...]

"""What a report says, as frozen records: text that is still to be escaped, and fragments that are safe already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from markupsafe import Markup

from bayes_alliance.show.narrative import Finding, Tally
from bayes_alliance.show.questions import Answered

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
    """One figure: its drawing as inline SVG, what it shows in words, and its caption if that is not in the picture."""

    name: str
    title: str
    alt: str
    caption: str
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
    main : bool
        Whether it is a main finding.
    verdict, basis : str
        The verdict that stands, and the source it is from.
    printed, mixture, synthetic, real : str
        Verdict from the printed numbers alone, from the mixture of synthetic cohorts (empty without), over the single
        cohorts, and from real data (empty without).
    together : str
        How the verdict follows from those of several parts; empty with one.
    start : str
        The verdict that changes start from and of which rows it is, set against the one that stands.
    first_change : str
        The first assumption that would change the verdict, and into what.
    changes : tuple of str
        All of those that were found.
    by_reading : str
        Readings of the publication under which the verdict of a source would be another, with their weights.
    multiverse : str
        Share of the specifications that support it.
    parts : tuple of tuple of str
        Source, what is claimed, verdict, posterior, P(direction), P(matters), draws; line by line.
    """

    key: str
    says: str
    place: str
    published: str
    main: bool
    verdict: str
    basis: str
    printed: str
    mixture: str
    synthetic: str
    real: str
    together: str
    start: str
    first_change: str
    changes: tuple[str, ...]
    by_reading: str
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
    intro : str
        What the section shows, and what its terms mean.
    remarks : tuple of str
        What is to be said of the files.
    claims : tuple of ClaimView
        Of the command ``claims``.
    tried : tuple of str
        Kinds of departures that the claims tried.
    """

    key: str
    title: str
    missing: str
    intro: str = ""
    remarks: tuple[str, ...] = ()
    claims: tuple[ClaimView, ...] = ()
    tables: tuple[TableView, ...] = ()
    figures: tuple[FigureView, ...] = ()
    tried: tuple[str, ...] = ()


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
    implications : TableView or None
        What every prior of the suite implies over the horizon and before data.
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
    implications: TableView | None
    versions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class FirstScreen:
    """What a reader sees first; empty parts do not show.

    Parameters
    ----------
    questions : tuple of Answered
        What every reader asks, with answers of a sentence.
    verdict_names, tallies, n_claims : tuple of str, tuple of Tally, int
        Claims by verdict and source.
    findings, other_heading, scales : tuple of Finding, str, str
        Main findings, heading of the column beside print, the outcomes' scales and which difference matters.
    reading : str
        What the synthetic cohorts take for granted though the printed numbers do not favour it.
    overturn_title, why, overturn, overturn_means, rows : str, str, tuple of str, str, str
        The finding asked about, why it has its verdict, what would overturn it, what that word means, and on which rows
        that was tried.
    audit, checks : str
        The audit of print and the diagnostics of the fits, a line each.
    effects : tuple of ReportAnswer
        In place of findings, for a study without.
    figure : FigureView or None
        The one that answers best.
    summary, paragraph, methods : str
        Texts to be copied.
    """

    questions: tuple[Answered, ...] = ()
    verdict_names: tuple[str, ...] = ()
    tallies: tuple[Tally, ...] = ()
    n_claims: int = 0
    findings: tuple[Finding, ...] = ()
    other_heading: str = ""
    scales: str = ""
    reading: str = ""
    overturn_title: str = ""
    why: str = ""
    overturn: tuple[str, ...] = ()
    overturn_means: str = ""
    rows: str = ""
    audit: str = ""
    checks: str = ""
    effects: tuple[ReportAnswer, ...] = ()
    figure: FigureView | None = None
    summary: str = ""
    paragraph: str = ""
    methods: str = ""


@dataclass(frozen=True, kw_only=True)
class ComparisonView:
    """Models compared on the same rows: what leads, by how much, and the verdict in words.

    Over ``n_cohorts`` synthetic cohorts, ``led`` names the models that predict best in some of them, and ``clearly``
    counts the cohorts in which any leads clearly.
    """

    title: str
    n_models: int
    n_patients: int
    verdict: str
    lead: str
    aic: str
    led: str = ""
    clearly: int = 0
    n_cohorts: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything that the page shows, in its order; a part that does not apply is empty or None.

    ``names``: what ids are called in all of it.
    """

    study: str
    title: str
    citation: str
    doi: str
    published: bool
    synthetic: bool
    kind: str
    provenance: str
    pending: str = ""
    horizon: str
    unit: str = "points"
    first: FirstScreen
    asked: tuple[str, ...] = ()
    printed: tuple[str, ...]
    comparisons: tuple[ComparisonView, ...] = ()
    lead_points: str = ""
    lead_errors: str = ""
    companions: tuple[Companion, ...]
    answers: tuple[ReportAnswer, ...] = ()
    prior_names: tuple[str, ...] = ()
    default_prior: str = ""
    audit: AuditView | None = None
    figures: tuple[FigureView, ...] = ()
    tables: tuple[TableView, ...]
    cautions: tuple[Caution, ...]
    methods: Methods | None = None
    downloads: tuple[tuple[str, str], ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()
    command: str
    run_facts: tuple[tuple[str, str], ...]
    glossary: tuple[tuple[str, str, str], ...]
    names: Mapping[str, str] = field(default_factory=dict)

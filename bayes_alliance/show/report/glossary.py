"""Terms that the page uses, each in a sentence or two."""

from __future__ import annotations

from bayes_alliance.assess.verdict_rules import SAME_SURE
from bayes_alliance.show.verdict_definitions import FIRST_CHANGE, OVERTURNED, define_verdicts

GLOSSARY: tuple[tuple[str, str, str], ...] = (
    (
        "claim",
        "Claim",
        "A finding that the publication states, written as a statement about estimands of its models.",
    ),
    (
        "verdict",
        "Verdict",
        f"What posterior probabilities say of a claim, by one set of rules for all. {define_verdicts()}",
    ),
    (
        "survive",
        "Survive",
        "A finding survives if its verdict is supported or likely. Verdicts from synthetic cohorts alone do not count.",
    ),
    (
        "overturn",
        "Overturn",
        OVERTURNED,
    ),
    (
        "change",
        "First change",
        FIRST_CHANGE,
    ),
    (
        "printed",
        "Printed numbers",
        "A posterior computed from a published estimate and its standard error alone, over all values that round to "
        "what was printed. No data are needed.",
    ),
    (
        "cohort",
        "Synthetic cohort",
        "A made-up data set that reproduces the published tables; they are numbered from 1. "
        "It shows how fragile a finding is; it is not "
        "evidence about the patients.",
    ),
    (
        "mixture",
        "Mixture",
        "The posteriors of all synthetic cohorts pooled with equal weights, so that their differences widen the "
        "interval.",
    ),
    (
        "horizon",
        "Horizon",
        "The time over which change is expressed, so that slopes are in points of the outcome.",
    ),
    (
        "prior",
        "Prior: neutral, sceptical",
        "What is assumed about an effect before the data. The neutral prior is centred on no effect and wide; the "
        "sceptical one is narrow, so that only strong evidence moves it.",
    ),
    (
        "interval",
        "95 % interval",
        "Equal-tailed credible interval (CrI): the effect lies in it with posterior probability 0.95. For ML, the "
        "95 % confidence interval (CI).",
    ),
    (
        "rope",
        "Smallest difference that matters, ROPE",
        "A difference declared before any fit. Effects between minus and plus that size form the region of practical "
        "equivalence (ROPE); P(matters) is the probability of an effect beyond it. P(direction) is the probability of "
        "the sign claimed, or of the more probable one.",
    ),
    (
        "elpd",
        "elpd",
        "Expected log pointwise predictive density: how well a model predicts a new patient, by leave-one-patient-out "
        "cross-validation. Only differences between models on the same rows have a meaning.",
    ),
    (
        "ns",
        "ns",
        "Printed as not significant, without a number. Such a cell bounds the test statistic only; it is not evidence "
        "of no difference. Claims that rest on it have one of two standards, named beside each. Report: the text says "
        "that something was not significant; supported if that is reproduced. Equivalence: the text says that there "
        "was no difference; supported only if a difference below the smallest that matters has probability "
        f"{SAME_SURE:g} or more.",
    ),
)

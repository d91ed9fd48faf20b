"""Where the numbers of a table or figure come from: printed, real data or synthetic."""

from __future__ import annotations

from bayes_alliance.run.results import StudyResults
from bayes_alliance.show.disclosure import SIGNIFICANT_DIGITS
from bayes_alliance.show.format_numbers import INTERVAL_NAME
from bayes_alliance.show.labels import name_cohorts
from bayes_alliance.stress.run import StressResults
from bayes_alliance.study.records import Source, Study

STAMP = "printed"


def cite_study(study: Study) -> str:
    """Cite the publication as shortly as can be found again: its DOI, else its title."""
    return f"doi:{study.doi}" if study.doi else study.title


def describe_provenance(results: StudyResults, *, printed: bool = False) -> str:
    """Return where the numbers of a table or figure come from.

    Parameters
    ----------
    results : StudyResults
        Source, origin and seed.
    printed : bool
        Whether printed numbers stand among them.

    Returns
    -------
    str
        One or more sentences. For a synthetic cohort they say that agreement with printed cells is partly by
        construction.
    """
    sentences = [f"Printed: {cite_study(results.study)}."] if printed else []
    if results.source == Source.SYNTHETIC:
        sentences.append(f"Computed: SYNTHETIC DATA ({name_cohorts(results.origin)}), not patients’ data.")
        if results.study.cells:
            sentences.append(
                "The cohort was built to reproduce printed tables: agreement is partly by construction."
            )
    else:
        sentences.append(f"Computed: {results.source.value} ({results.origin}).")
    sentences.append(f"Random seed of the run: {results.seed}.")
    return " ".join(sentences)


def stamp_provenance(results: StudyResults | StressResults) -> str:
    """Return the provenance of computed numbers as one short cell: source, origin and seed."""
    return f"{results.source.value}: {results.origin}; run seed {results.seed}"


def origin_of(results: StudyResults, *, printed: str = "") -> tuple[str, str]:
    """Return provenance and stamp of a table; ``printed``: the columns in which printed numbers stand, if any."""
    stamp = stamp_provenance(results)
    return (
        describe_provenance(results, printed=bool(printed)),
        f"{printed} printed: printed; others: {stamp}" if printed else stamp,
    )


def describe_inference(results: StudyResults) -> tuple[str, ...]:
    """Return notes on how ML, REML and Bayes numbers are made and rounded."""
    notes = [
        "ML and REML: estimate(SE); stars by t test on Satterthwaite degrees of freedom: * p < 0.05, "
        f"** p < 0.01, *** p < 0.001. {describe_covariances(results)}"
    ]
    posteriors = [run.posterior for run in results.runs if run.posterior is not None]
    if posteriors:
        kinds = sorted({p.covariance for p in posteriors if len(p.z_names) != 1}) or ["ID"]
        names = {
            "UN": "unstructured (UN)",
            "VC": "independent (VC)",
            "ID": "a single random effect (ID)",
            "by formula": "as the formulas state them",
        }
        notes.append(
            f"Bayes: posterior median [{INTERVAL_NAME}]; P(direction): posterior probability of the more "
            f"probable sign. Prior set '{results.prior}', engine {results.engine}, random effects "
            f"{' and '.join(names[k] for k in kinds)}."
        )
    else:
        notes.append("No posterior was asked for: the columns for Bayes are empty.")
    digits = f"holds {SIGNIFICANT_DIGITS} digits" if results.source is Source.REAL else "is not rounded"
    notes.append(f"Rounded so that the SE or posterior SD shows two digits; the CSV file {digits}.")
    return tuple(notes)


def describe_covariances(results: StudyResults) -> str:
    """Return what the covariance of ML and REML fits is, in a sentence or two."""
    structured = [run for run in results.runs if run.design.structured is not None]
    plain = "Random intercept and slope with unstructured covariance (UN)."
    if not structured:
        return plain
    by_formula = "Several levels and correlated residuals as the formulas state them (by formula)."
    return by_formula if len(structured) == len(results.runs) else f"{plain} {by_formula}"


def provenance(study: Study) -> str:
    """Return where the numbers come from."""
    return f"From the printed cells and text of {cite_study(study)} alone; no patient’s data were used."


def describe_stress(results: StressResults, *, printed: bool = False) -> str:
    """Return where the numbers come from, in the words of the other tables."""
    sentences = [f"Printed: {cite_study(results.study)}."] if printed else []
    if results.source == Source.SYNTHETIC:
        sentences.append(f"Computed: SYNTHETIC DATA ({name_cohorts(results.origin)}), not patients’ data.")
    else:
        sentences.append(f"Computed: {results.source.value} ({results.origin}).")
    sentences.append(f"Prior set '{results.prior}'. Random seed of the run: {results.seed}.")
    return " ".join(sentences)

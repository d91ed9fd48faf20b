"""From frozen rows and the formula of a study's model to the arrays of several levels and correlated residuals."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd

from bayes_alliance.inference.design import Design
from bayes_alliance.inference.lmm.design import StructuredDesign
from bayes_alliance.inference.lmm.model import build_model
from bayes_alliance.inference.lmm.patterns import Rows
from bayes_alliance.inference.lmm.structure import Structure
from bayes_alliance.run.levels import number_groups, one_cluster_a_patient, random_columns, tell_levels
from bayes_alliance.run.residual_rows import residual_rows


def add_structure(design: Design, rows: pd.DataFrame, time: str) -> Design:
    """Add the structured part to a design.

    Parameters
    ----------
    design : Design
        Of the fixed part.
    rows : pandas.DataFrame
        The frozen rows of the design, in its order; the groups of an upper level may be missing where its random
        columns are zero.
    time : str
        Variable of time.

    Raises
    ------
    InputError
        If groups are not nested, a column does not suit, or a patient repeats a visit.
    FitError
        If the rows cannot identify the variance parameters.
    """
    formula = design.formula
    patient, cluster = tell_levels(formula.parts, formula.group, rows)
    z, patient_shape = random_columns([part for part in formula.parts if part.group == patient], rows)
    w, cluster_shape = random_columns([part for part in formula.parts if part.group == cluster], rows)
    own = design.patient_index
    clusters = one_cluster_a_patient(number_groups(rows, cluster), w, own, ":".join(cluster))
    position, residual, group = residual_rows(formula.residual, rows, own)
    order = np.lexsort((position, own, clusters))
    sorted_patients = np.cumsum(np.diff(own[order], prepend=own[order][0]) != 0)
    arrays = Rows(
        y=design.y[order],
        x=design.x[order],
        z=z[order],
        w=w[order],
        patient=sorted_patients,
        cluster=clusters[order],
        position=position[order],
        group=group[order],
    )
    structure = Structure(patient=patient_shape, cluster=cluster_shape, residual=residual)
    build_model(arrays, structure, design.x_names)
    starts = np.flatnonzero(np.diff(sorted_patients, prepend=-1))
    return dataclasses.replace(
        design,
        structured=StructuredDesign(
            rows=arrays,
            structure=structure,
            order=order,
            patient_of=own[order][starts],
            patient=":".join(patient),
            cluster=":".join(cluster),
            n_clusters=len(set(clusters[clusters >= 0].tolist())) if cluster else 0,
            time=time,
            middle=tuple((name, design.reference[name][0]) for name in formula.slopes),
        ),
    )

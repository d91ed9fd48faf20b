r"""What each printed part of a row says of the pair (estimate, standard error), as straight lines.

An estimate and its SE bound the pair directly. A confidence interval with limits :math:`L, U` at a quantile
:math:`c` says :math:`b - cs = L` and :math:`b + cs = U`; with the limits only known to lie in
:math:`[L_0, L_1]` and :math:`[U_0, U_1]` and the quantile, by the degrees of freedom, in :math:`[c_0, c_1]`, it
leaves the convex set

.. math:: b - c_1 s \le L_1, \quad b + c_1 s \ge U_0, \quad b - c_0 s \ge L_0, \quad b + c_0 s \le U_1, \quad
          \tfrac{L_0 + U_0}{2} \le b \le \tfrac{L_1 + U_1}{2}.

A negative t or z leaves :math:`t_0 s \le b \le t_1 s`; a positive one, which may have lost its sign, an F or
chi-square on one degree of freedom, a p value, stars and ``ns`` leave a wedge of :math:`|b|/s`. All parts of a row
bound one region, and parts that cannot stand together leave none: the audit asks which.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from scipy import special

from bayes_alliance.published.rounding_region import Plane, Region, build_region
from bayes_alliance.published.stars import PBounds, TBounds, bound_t, two_sided
from bayes_alliance.study.printed_cell import (
    Interval,
    PrintedCell,
    PrintedNumber,
    PrintedTest,
    Rounding,
)

SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What one printed part leaves of the pair (estimate, SE).

    Parameters
    ----------
    part : str
        ``estimate``, ``SE``, ``interval``, ``t``, ``z``, ``F``, ``chi-square``, ``p``, ``marking``.
    planes : tuple of (float, float, float)
        ``a * estimate + c * se <= d``.
    t : TBounds
        Bounds on the size of the test statistic.
    """

    part: str
    planes: tuple[Plane, ...] = ()
    t: TBounds = field(default_factory=TBounds)


def constrain(
    parsed: PrintedCell, rounding: Rounding, df: tuple[float, float], marking: PBounds | None = None
) -> tuple[Constraint, ...]:
    """Turn the printed parts of a row into constraints.

    Parameters
    ----------
    parsed : PrintedCell
        Everything printed of one effect.
    rounding : str
        Rule of the publication.
    df : (float, float)
        Fewest and most degrees of freedom that its test may have had.
    marking : PBounds, optional
        What stars, ``ns`` or the text say of p.

    Returns
    -------
    tuple of Constraint
        One for each part.
    """
    df = degrees_of_freedom(parsed, df)
    found = []
    if parsed.value is not None:
        low, high = parsed.value.interval(rounding).ends
        found.append(Constraint(part="estimate", planes=((1.0, 0.0, high), (-1.0, 0.0, -low))))
    if parsed.spread is not None:
        low, high = parsed.spread.interval(rounding).ends
        found.append(Constraint(part="SE", planes=((0.0, 1.0, high), (0.0, -1.0, -max(low, 0.0)))))
    if parsed.ci is not None and parsed.ci.level is not None:
        ends = parsed.ci.ends(rounding)
        if parsed.ci.symmetric:
            planes = _interval(ends, float(parsed.ci.level), df)
        else:
            planes = ((1.0, 0.0, ends[1].ends[1]), (-1.0, 0.0, -ends[0].ends[0]))
        found.append(Constraint(part="interval", planes=planes))
    found += [one for test in parsed.tests if (one := _test(test, rounding)) is not None]
    found += [Constraint(part="p", t=bound_t(two_sided(p), *df)) for p in parsed.p]
    if marking is not None:
        found.append(Constraint(part="marking", t=bound_t(marking, *df)))
    return tuple(found)


def degrees_of_freedom(parsed: PrintedCell, df: tuple[float, float]) -> tuple[float, float]:
    """Narrow the degrees of freedom by those that are printed; a z or chi-square has infinitely many."""
    stated: list[PrintedNumber] = [] if parsed.df is None else [parsed.df]
    for test in parsed.tests:
        if test.kind in ("z", "chi2"):
            return math.inf, math.inf
        stated += test.df[-1:]
    if not stated:
        return df
    low, high = stated[0].interval().ends
    return max(low, 1.0), max(high, 1.0)


def _interval(ends: tuple[Interval, Interval], level: float, df: tuple[float, float]) -> tuple[Plane, ...]:
    (l0, l1), (u0, u1) = (end.ends for end in ends)
    c0, c1 = quantile(level, df[1]), quantile(level, df[0])
    return (
        (1.0, -c1, l1),
        (-1.0, -c1, -u0),
        (-1.0, c0, -l0),
        (1.0, c0, u1),
        (1.0, 0.0, 0.5 * (l1 + u1)),
        (-1.0, 0.0, -0.5 * (l0 + u0)),
    )


def quantile(level: float, df: float) -> float:
    """Two-sided quantile of t at a level of confidence; of the Normal for infinite degrees of freedom."""
    tail = 0.5 * (1.0 - level)
    return float(-special.ndtri(tail)) if math.isinf(df) else float(-special.stdtrit(df, tail))


def _test(test: PrintedTest, rounding: Rounding) -> Constraint | None:
    low, high = test.value.interval(rounding).ends
    if test.kind in ("t", "z") and low < 0.0:
        return Constraint(part=test.kind, planes=((1.0, -high, 0.0), (-1.0, low, 0.0)))
    if test.kind in ("t", "z"):
        # Tables often leave the sign of a test out.
        return Constraint(part=test.kind, t=TBounds(low=low, high=high))
    if test.df and not 0.5 < float(test.df[0].value) < 1.5:
        return None
    bounds = TBounds(low=math.sqrt(max(low, 0.0)), high=math.sqrt(max(high, 0.0)))
    return Constraint(part="F" if test.kind == "f" else "chi-square", t=bounds)


def bounds_of(constraints: Iterable[Constraint]) -> tuple[list[Plane], TBounds]:
    """Gather the lines and the narrowest wedge of several constraints."""
    planes: list[Plane] = []
    low, high = 0.0, math.inf
    for one in constraints:
        planes += one.planes
        low, high = max(low, one.t.low), min(high, one.t.high)
    return planes, TBounds(low=low, high=high)


def region_of(constraints: Sequence[Constraint]) -> Region | None:
    """Build the region that all constraints leave.

    Returns
    -------
    Region or None
        None where no pair is left.

    Raises
    ------
    ValueError
        If nothing bounds the estimate or its SE.
    """
    planes, t = bounds_of(constraints)
    corners = []
    for sign in (1.0, -1.0):
        half = _half_planes(planes, t, sign)
        vertices = _vertices(half)
        if vertices and _directions(half):
            raise ValueError("what is printed bounds neither the estimate nor its SE")
        corners += vertices
    if not corners:
        return None
    estimate = min(b for b, _ in corners), max(b for b, _ in corners)
    se = min(s for _, s in corners), max(s for _, s in corners)
    return build_region(estimate, se, t, planes)


def can_stand_together(constraints: Sequence[Constraint]) -> bool:
    """Whether some pair (estimate, SE) satisfies every constraint, their ends included."""
    planes, t = bounds_of(constraints)
    if t.low > t.high * (1.0 + SLACK) + SLACK:
        return False
    for sign in (1.0, -1.0):
        half = _half_planes(planes, t, sign)
        vertices = _vertices(half)
        # A test and a p value alone leave a cone, whose only corner has no SE.
        if any(s > 0.0 for _, s in vertices) or (vertices and any(v > 0.0 for _, v in _directions(half))):
            return True
    return False


def t_range(constraints: Sequence[Constraint]) -> tuple[float, float]:
    """Smallest and largest size of the test statistic that constraints leave; empty as (nan, nan)."""
    planes, t = bounds_of(constraints)
    sizes = []
    for sign in (1.0, -1.0):
        half = _half_planes(planes, t, sign)
        vertices = _vertices(half)
        reached = [*vertices, *(_directions(half) if vertices else ())]
        sizes += [abs(b) / s if s > 0.0 else math.inf for b, s in reached if b or s]
    return (min(sizes), max(sizes)) if sizes else (math.nan, math.nan)


def _half_planes(planes: Sequence[Plane], t: TBounds, sign: float) -> list[Plane]:
    """Lines of the part on one side of zero, with the wedge and a positive SE among them."""
    found = [*planes, (-sign, 0.0, 0.0), (0.0, -1.0, 0.0)]
    if t.low > 0.0:
        found.append((-sign, t.low, 0.0))
    if math.isfinite(t.high):
        found.append((sign, -t.high, 0.0))
    return found


def _vertices(planes: Sequence[Plane]) -> list[tuple[float, float]]:
    """Corners of the set that all lines leave."""
    finite = [plane for plane in planes if all(math.isfinite(part) for part in plane)]
    found = []
    for (a, c, d), (e, f, g) in combinations(finite, 2):
        determinant = a * f - c * e
        if determinant == 0.0:
            continue
        b, s = (d * f - c * g) / determinant, (a * g - d * e) / determinant
        if all(u * b + v * s <= w + SLACK * (abs(u * b) + abs(v * s) + abs(w)) for u, v, w in finite):
            found.append((b, s))
    return found


def _directions(planes: Sequence[Plane]) -> list[tuple[float, float]]:
    """Return the directions of lines in which the set that they leave goes on for ever."""
    found = [(sign * -c, sign * a) for a, c, _ in planes for sign in (1.0, -1.0)]
    return [(u, v) for u, v in found if all(a * u + c * v <= SLACK for a, c, _ in planes)]

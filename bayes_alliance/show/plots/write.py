"""Write all figures of a run, in other processes where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.pool import Pool, Promise
from bayes_alliance.show.plots.plan import plan_figures
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.show.plots.style import KINDS, choose_style, use_style


def write_figures(
    results: StudyResults,
    folder: Path,
    *,
    style: str = "journal",
    kinds: Sequence[str] = KINDS,
    workers: Pool | None = None,
) -> Promise[list[Path]]:
    """Write every figure as PDF, SVG and PNG with the numbers it shows as CSV.

    Parameters
    ----------
    results : StudyResults
        What to show.
    folder : Path
        Made where it does not exist.
    style : str
        Key of ``style.STYLES``.
    kinds : sequence of str
        Which drawings.
    workers : Pool, optional
        Processes that draw, each its share; no byte depends on them.

    Returns
    -------
    promise of list of Path
        Four files a figure. Other processes begin at once; without them the figures are drawn when the result is
        asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pool = workers or Pool(1)
    shares = [
        pool.submit(_write_share, results, folder, style, kinds, first, pool.jobs)
        for first in range(pool.jobs)
    ]
    return Promise(partial(_gather_shares, shares))


def _gather_shares(shares: Sequence[Promise[list[tuple[int, list[Path]]]]]) -> list[Path]:
    # All are waited for before a full disk is told, so that none is ended in the middle of a file.
    ended = [_outcome(share) for share in shares]
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome
    by_number = {number: paths for share in ended if isinstance(share, list) for number, paths in share}
    return [path for number in sorted(by_number) for path in by_number[number]]


def _outcome(share: Promise[list[tuple[int, list[Path]]]]) -> list[tuple[int, list[Path]]] | Exception:
    """Wait for a share; give what it wrote, or why it could not."""
    try:
        return share.result()
    except Exception as error:
        return error


def _write_share(
    results: StudyResults, folder: Path, style: str, kinds: Sequence[str], first: int, step: int
) -> list[tuple[int, list[Path]]]:
    """Write every ``step``-th figure from ``first`` on, each with its number."""
    # The last digits of what is worked out here depend on how many threads there are: other processes have one.
    with threadpool_limits(limits=1, user_api="blas"), choose_style(style), use_style():
        planned = list(enumerate(plan_figures(results)))
        return [
            (
                number,
                save_figure(
                    figure.draw(),
                    folder / figure.name,
                    rows=figure.rows,
                    provenance=figure.stamp,
                    title=figure.title,
                    alt=figure.alt,
                    kinds=kinds,
                ),
            )
            for number, figure in planned[first::step]
        ]

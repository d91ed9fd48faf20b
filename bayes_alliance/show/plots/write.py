"""Write all figures of a run, in other processes where there are some."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from bayes_alliance.run.results import StudyResults
from bayes_alliance.runtime.files import write_whole
from bayes_alliance.runtime.pool import Pool, Promise
from bayes_alliance.show.plots.plan import PlannedFigure, plan_figures
from bayes_alliance.show.plots.save import save_figure
from bayes_alliance.show.plots.style import KINDS, choose_style, take_caption, use_style

# Number of the figure, its files, its caption.
_Drawn = tuple[int, list[Path], str]


def write_figures(
    results: StudyResults,
    folder: Path,
    *,
    style: str = "journal",
    kinds: Sequence[str] = KINDS,
    everything: bool = True,
    captions: str = "inside",
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
    everything : bool
        Whether to draw all figures, or those of a default run only.
    captions : {"inside", "file"}
        Whether title and note stand in the picture, or in ``captions.md`` beside the figures, as journals want them.
    workers : Pool, optional
        Processes that draw, each its share; no byte depends on them.

    Returns
    -------
    promise of list of Path
        Four files a figure, and ``captions.md`` where asked for. Other processes begin at once; without them the
        figures are drawn when the result is asked for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pool = workers or Pool(1)
    shares = [
        pool.submit(
            _write_share, results, folder, (style, tuple(kinds), everything, captions), first, pool.jobs
        )
        for first in range(pool.jobs)
    ]
    return Promise(partial(_gather_shares, shares, folder))


def _gather_shares(shares: Sequence[Promise[list[_Drawn]]], folder: Path) -> list[Path]:
    # All are waited for before a full disk is told, so that none is ended in the middle of a file.
    ended = [_outcome(share) for share in shares]
    for outcome in ended:
        if isinstance(outcome, Exception):
            raise outcome
    drawn = sorted(one for share in ended if isinstance(share, list) for one in share)
    written = [path for _, paths, _ in drawn for path in paths]
    captions = [caption for _, _, caption in drawn if caption]
    if captions:
        path = folder / "captions.md"
        write_whole(path, "\n\n".join(["# Captions of the figures", *captions]) + "\n")
        written.append(path)
    return written


def _outcome(share: Promise[list[_Drawn]]) -> list[_Drawn] | Exception:
    """Wait for a share; return what it wrote, or why it could not."""
    try:
        return share.result()
    except Exception as error:
        return error


def _write_share(
    results: StudyResults, folder: Path, how: tuple[str, tuple[str, ...], bool, str], first: int, step: int
) -> list[_Drawn]:
    """Write every ``step``-th figure from ``first`` on, each with its number."""
    style, kinds, everything, captions = how
    # The last digits of what is worked out here depend on how many threads there are: other processes have one.
    with threadpool_limits(limits=1, user_api="blas"), choose_style(style), use_style():
        planned = list(enumerate(plan_figures(results, everything=everything)))
        return [(number, *_write(figure, folder, kinds, captions)) for number, figure in planned[first::step]]


def _write(
    figure: PlannedFigure, folder: Path, kinds: Sequence[str], captions: str
) -> tuple[list[Path], str]:
    drawn = figure.draw()
    caption = take_caption(drawn) if captions == "file" else ""
    paths = save_figure(
        drawn,
        folder / figure.name,
        rows=figure.rows,
        provenance=figure.stamp,
        title=figure.title,
        alt=figure.alt,
        caption=caption,
        kinds=kinds,
    )
    return paths, f"**{figure.name}.** {caption}" if caption else ""

"""The folder of a new study: its id, its file, and what lies beside it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from bayes_alliance.errors import InputError, Problem
from bayes_alliance.runtime.files import write_whole


def study_identifier(name: str) -> str:
    """Make the id of a study from the name of its folder.

    Examples
    --------
    >>> study_identifier("my data-2024")
    'my_data_2024'
    """
    text = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:60]
    return text if text and text[0].isalpha() else f"study_{text}".rstrip("_")


def write_study_folder(
    folder: Path, text: str, data: Path, *, beside: Mapping[str, str] | None = None
) -> Path:
    """Write ``study.toml`` into a folder, with a copy of the data and other files beside it.

    Parameters
    ----------
    folder : Path
        Made where it does not exist; must not hold a study yet.
    text : str
        Of the study file.
    data : Path
        The data file.
    beside : mapping of str to str
        Names and texts of files that are written where they do not exist yet.

    Returns
    -------
    Path
        Of the study file.

    Raises
    ------
    InputError
        If there is a study already.
    """
    path = folder / "study.toml"
    if path.exists():
        problem = Problem(what="there is a study.toml already", got=str(folder), fix="choose another --out")
        raise InputError("option --out", [problem])
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / data.name).exists():
        shutil.copyfile(data, folder / data.name)
    elif not (folder / data.name).samefile(data):
        problem = Problem(
            what="another file of that name is there", got=data.name, fix="choose another --out"
        )
        raise InputError("option --out", [problem])
    for name, content in (beside or {}).items():
        if not (folder / name).exists():
            write_whole(folder / name, content)
    write_whole(path, text)
    return path

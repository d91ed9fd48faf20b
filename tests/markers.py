"""A study whose every number and identifier can be found again, commands run under watch, and a search in files.

A number is looked for as text, to ten digits and whole, and as eight bytes of either order; an identifier as text of
two encodings. Containers (zip with its children, gzip, zlib inside of PDF and PNG, NetCDF, Parquet) are opened.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bayes_alliance.data.rows import read_data
from bayes_alliance.inference.ml import estimate_effect, fit_mixed
from bayes_alliance.run.plan import PlannedModel, plan_model
from bayes_alliance.study.formula import parse_formula
from bayes_alliance.study.load_study import load_study
from bayes_alliance.study.records import Source
from tests.claims_study import STUDY, toy_frame, write_toy

MARKER = "Qz7Kmark"
N_PATIENTS = 12
# Columns whose numbers have digits of their own.
MARKED = ("months", "score", "end", "other_end")
# Notes each file that Python opens for writing.
_WATCH = """
import os, sys
busy = []
def watch(event, args):
    if event != "open" or busy:
        return
    path, mode, flags = args
    writes = any(c in (mode or "") for c in "wax+") or (flags or 0) & (os.O_WRONLY | os.O_RDWR)
    if writes and isinstance(path, (str, bytes)):
        busy.append(1)
        try:
            log = os.open(os.environ["WATCHED_OPENS"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
            os.write(log, os.path.abspath(os.fsdecode(path)).encode() + b"\\n")
            os.close(log)
        finally:
            busy.pop()
sys.addaudithook(watch)
"""

# Runs commands one after another in one process; of each, what it prints and its exit code go to files of their own.
_ONE_AFTER_ANOTHER = """
import json, os, sys
from bayes_alliance.cli.main import main
for number, words in enumerate(json.loads(sys.argv[1])):
    said = os.open(f"{sys.argv[2]}/{number}.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.close(said)
    code = main(words)
    sys.stdout.flush()
    sys.stderr.flush()
    with open(f"{sys.argv[2]}/{number}.code", "w") as file:
        file.write(str(code))
"""


def marked_rows() -> pd.DataFrame:
    """Draw rows of twelve patients, each number with sixteen digits."""
    rng = np.random.default_rng(11)
    frame = toy_frame(N_PATIENTS, seed=11)
    frame["patient"] = [f"{MARKER}{name}" for name in frame["patient"]]
    frame["months"] = np.minimum(
        frame["months"] + rng.uniform(0.1, 0.9, len(frame)), 36.0 - rng.uniform(0, 0.1, len(frame))
    )
    for name in ("end", "other_end"):
        shift = dict(zip(frame["patient"].unique(), rng.uniform(0.1, 0.9, N_PATIENTS), strict=True))
        frame[name] = frame[name] + frame["patient"].map(shift)
    return frame


@dataclass(frozen=True, kw_only=True)
class Place:
    """A folder with the study in it, where commands are run and everything that they write is seen.

    HOME, temporary files and caches of compilers lie in it too.
    """

    root: Path
    frame: pd.DataFrame

    @property
    def work(self) -> Path:
        """The working folder, with the study and its rows."""
        return self.root / "work"

    def run(self, commands: Sequence[Sequence[str]]) -> list[tuple[int | None, bytes]]:
        """Run commands of the package one after another in a process; return exit codes and what each printed.

        The code of a command that ended the process, and of those after it, is None.
        """
        names = ("home", "tmp", "cache", "config", "share", "state", "numba")
        home, tmp, cache, config, share, state, numba = (self.root / name for name in names)
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "MPL"))
        }
        environment |= {
            "HOME": str(home), "TMPDIR": str(tmp), "XDG_CACHE_HOME": str(cache), "XDG_CONFIG_HOME": str(config),
            "XDG_DATA_HOME": str(share), "XDG_STATE_HOME": str(state), "NUMBA_CACHE_DIR": str(numba),
            "PYTENSOR_FLAGS": "", "WATCHED_OPENS": str(self.root / "opens.log"),
            "PYTHONPATH": os.pathsep.join([str(self.root / "watch"), str(Path(__file__).parents[1])]),
        }  # fmt: skip
        said = self.root / "said"
        subprocess.run(
            [sys.executable, "-c", _ONE_AFTER_ANOTHER, json.dumps(commands), str(said)],
            cwd=self.work,
            env=environment,
            check=False,
        )
        found: list[tuple[int | None, bytes]] = []
        for number in range(len(commands)):
            code, text = said / f"{number}.code", said / f"{number}.txt"
            found.append(
                (
                    int(code.read_text()) if code.exists() else None,
                    text.read_bytes() if text.exists() else b"not run",
                )
            )
        return found


def make_place(root: Path) -> Place:
    """Write the study with printed numbers that its rows print, and its rows as CSV, Excel and Parquet."""
    for name in ("home", "tmp", "cache", "config", "share", "state", "numba", "said", "watch", "work"):
        (root / name).mkdir(parents=True)
    (root / "watch" / "sitecustomize.py").write_text(_WATCH)
    frame = marked_rows()
    work = root / "work"
    folder = write_toy(work / "toy", frame=frame)
    (folder / "study.toml").write_text(STUDY.replace('source = "synthetic"', 'source = "real data"'))
    (folder / "cells.csv").write_text(_cells(folder))
    frame.to_csv(work / "rows.csv", index=False)
    frame.to_excel(work / "rows.xlsx", index=False)
    frame.assign(poor=(frame["end"] < 60.0).astype(float)).to_parquet(work / "rows.parquet")
    return Place(root=root, frame=frame)


def _cells(folder: Path) -> str:
    """Return the printed table of the growth model on the rows, to one decimal."""
    study = load_study(folder)
    data = read_data(study, folder / "rows.csv", source=Source.REAL)
    model = study.model("growth")
    planned = plan_model(data, model, parse_formula(model.formula).names)
    assert isinstance(planned, PlannedModel)
    fit = fit_mixed(planned.design, planned.rows)
    lines = ["table,row,column,printed,quantity,model,coefficient,variable,group,note"]
    for name in fit.x_names:
        effect = estimate_effect(fit, ((name, 1.0),))
        lines.append(f"I,{name},Score,{effect.estimate:.2f} ({effect.se:.2f}),estimate,growth,{name},,,")
    return "\n".join(lines) + "\n"


def spellings(frame: pd.DataFrame) -> set[bytes]:
    """How an identifier or a number of marked rows would look in a file."""
    found = {MARKER.encode(), MARKER.encode("utf-16-le"), MARKER[::-1].encode()}
    for value in np.unique(frame[list(MARKED)].to_numpy(dtype=float)):
        number = float(value)
        found |= {repr(number).encode(), repr(number)[:11].encode(), f"{number:.9g}".encode()}
        found |= {struct.pack("<d", number), struct.pack(">d", number)}
    return found


def holds(raw: bytes, spelled: Iterable[bytes]) -> list[bytes]:
    """Return which spellings are in some bytes or in what is packed in them."""
    parts = list(unpacked(raw))
    return [one for one in spelled if any(one in part for part in parts)]


def unpacked(raw: bytes, depth: int = 3) -> Iterator[bytes]:
    """Yield bytes, and the bytes of everything packed in them."""
    yield raw
    if depth == 0:
        return
    inner: list[bytes] = []
    if raw.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            inner += [name.encode() for name in archive.namelist()]
            inner += [archive.read(name) for name in archive.namelist()]
    elif raw.startswith(b"\x1f\x8b"):
        inner.append(gzip.decompress(raw))
    elif raw.startswith(b"\x89HDF"):
        inner += list(_of_hdf5(raw))
    elif raw.startswith(b"PAR1"):
        table = pd.read_parquet(io.BytesIO(raw))
        inner += [_as_bytes(table[name].to_numpy()) for name in table.columns]
    else:
        for match in re.finditer(b"\x78[\x01\x5e\x9c\xda]", raw):
            try:
                inner.append(zlib.decompressobj().decompress(raw[match.start() :]))
            except zlib.error:
                continue
        yield from inner
        return
    for part in inner:
        yield from unpacked(part, depth - 1)


def _of_hdf5(raw: bytes) -> Iterator[bytes]:
    found: list[bytes] = []

    def visit(name: str, item: object) -> None:
        assert isinstance(item, h5py.Group | h5py.Dataset)
        found.append(name.encode())
        found.extend(
            _as_bytes(np.asarray(value)) for value in item.attrs.values() if not isinstance(value, h5py.Empty)
        )
        if isinstance(item, h5py.Dataset) and item.shape is not None:
            found.append(_as_bytes(np.asarray(item[()])))

    with h5py.File(io.BytesIO(raw), "r") as file:
        found.extend(
            _as_bytes(np.asarray(value)) for value in file.attrs.values() if not isinstance(value, h5py.Empty)
        )
        file.visititems(visit)
    yield from found


def _as_bytes(values: NDArray[Any]) -> bytes:
    if values.dtype.kind in "OSUV":
        return "\n".join(
            v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values.ravel()
        ).encode()
    return np.ascontiguousarray(values).tobytes()

"""Spoil data files and study files byte by byte, and see that nothing but an InputError ever comes of it.

``python -m tests.fuzz --cases 100000`` runs every kind in forked processes, so that a crash or a hang of a library is
seen too; a failure is named by kind and seed, which make it again.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import unittest.mock
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bayes_alliance.data.readers import READERS, Reader
from bayes_alliance.data.rows import read_data
from bayes_alliance.errors import InputError
from bayes_alliance.study.load_study import load_study
from tests.corpus import frame, sheet
from tests.corpus_study import join, sound_rows, write_study

ROOT = Path(__file__).resolve().parent.parent
SECONDS_A_CASE = 20
MEMORY = 6 * 2**30
TEXT_TOKENS = (
    *'",;\t \n\r\0.-+',
    *[
        "1e999",
        "NaN",
        "NA",
        "inf",
        "99",
        "999",
        "-9",
        "7",
        "8",
        "0",
        "id",
        "month",
        "goals",
        "wai1",
        "é",
        "\u202e",
        "٣",
        "2020-01-01",
    ],
)
TOML_TOKENS = (
    *"[]{}=\"'\n.,#~|():*+",
    *[
        "[[",
        "]]",
        '"""',
        "nan",
        "inf",
        "true",
        "1e999",
        "-1",
        "0x10",
        "1979-05-27",
        "\\u0000",
        "months",
        "patient",
        "goals",
        "formula",
    ],
    *["__import__", "../", "[data]", 'wide={goals="{visit}"}', "recode", 'encoding="zip"'],
)
BYTES = (b"\0", b"\xff", b"\x80", b"\xef\xbb\xbf", b"\xff\xfe", b"\x7f\xff\xff\xff", b"\xff" * 8, b"\0" * 8)


def spoil_bytes(raw: bytes, rng: random.Random, tokens: tuple[bytes, ...]) -> bytes:
    """Make one to six small changes."""
    data = bytearray(raw)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0 and data:
            data[at % len(data)] = rng.randrange(256)
        elif kind == 1 and data:
            data[at % len(data)] ^= 1 << rng.randrange(8)
        elif kind == 2:
            data[at:at] = rng.choice(tokens)
        elif kind == 3:
            del data[at : at + rng.randint(1, 40)]
        elif kind == 4:
            data[at:at] = data[at : at + rng.randint(1, 60)]
        elif kind == 5 and rng.random() < 0.2:
            del data[at:]
        else:
            token = rng.choice(tokens)
            data[at : at + len(token)] = token
    return bytes(data)


def _tokens(texts: tuple[str, ...]) -> tuple[bytes, ...]:
    return (*(text.encode() for text in texts), *BYTES)


def _made(write: Callable[[Path], object], suffix: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"x{suffix}"
        write(path)
        return path.read_bytes()


def _typed() -> list[list[object]]:
    from tests.corpus import typed_rows

    return typed_rows()


def seeds_of(kind: str) -> list[bytes]:
    """Sound files to begin with."""
    import pyreadstat

    text = join(sound_rows())
    if kind == "csv":
        return [text.encode(), text.replace(",", ";").encode("utf-8-sig"), text.encode("utf-16")]
    if kind == "study":
        from tests.corpus_study import STUDY

        wide = 'file = "sound.csv"\nmissing = ["99"]\n[data.wide]\ngoals = "goals_{visit}"\n[data.visits]\npre = 0\n'
        return [STUDY.encode(), STUDY.replace('file = "sound.csv"\n', wide).encode()]
    labels = {"relapse": {0.0: "no", 1.0: "yes"}}
    writers: dict[str, Callable[[Path], object]] = {
        "xlsx": sheet(_typed()),
        "sav": lambda path: pyreadstat.write_sav(frame(), str(path), variable_value_labels=labels),
        "zsav": lambda path: pyreadstat.write_sav(frame(), str(path), compress=True),
        "dta": lambda path: pyreadstat.write_dta(frame(), str(path), variable_value_labels=labels),
        "parquet": lambda path: frame().to_parquet(path),
    }
    if kind == "rds":
        import gzip

        return [gzip.decompress((ROOT / "tests/reference/data/frame.rds").read_bytes())]
    return [_made(writers[kind], f".{kind}")]


def spoil_file(kind: str, seed: int, sound: list[bytes]) -> bytes:
    """Return the spoilt file of a seed."""
    rng = random.Random(f"{kind} {seed}")
    raw = rng.choice(sound)
    if kind == "xlsx" and rng.random() < 0.7:
        return _spoil_member(raw, rng)
    texts = TOML_TOKENS if kind == "study" else TEXT_TOKENS
    return spoil_bytes(raw, rng, _tokens(texts) if kind in ("csv", "study") else BYTES)


def _spoil_member(raw: bytes, rng: random.Random) -> bytes:
    """Spoil one part of a workbook, which stays a sound archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(stream, "w") as new:
        victim = rng.choice(old.namelist())
        for name in old.namelist():
            content = old.read(name)
            new.writestr(name, spoil_bytes(content, rng, _tokens(TEXT_TOKENS)) if name == victim else content)
    return stream.getvalue()


CONTAINED = ("sav", "zsav", "dta", "parquet")
KINDS = ("csv", "study", "xlsx", "sav", "zsav", "dta", "parquet", "rds")


def parse_here(kind: str) -> Reader:
    """Return a reader that parses a contained kind in this very process, which is quick."""
    from bayes_alliance.data.readers import parquet_file, readstat
    from bayes_alliance.data.readers.labelled import labelled_table
    from bayes_alliance.data.readers.parquet import parquet_table

    if kind == "parquet":
        return lambda path, _: parquet_table(path.name, parquet_file.parse_file(path))
    return lambda path, _: labelled_table(path.name, kind, readstat.parse_file(kind.lstrip("z"), path))


def work(kind: str, first: int, last: int, folder: Path, *, apart: bool = False) -> dict[str, Any]:
    """Try the seeds from ``first`` to before ``last`` in this process.

    SPSS, Stata and Parquet files are parsed in this very process too, to be quick, unless they are to be parsed
    ``apart``, as the program does it. The seed at work is kept in a file, and failures in another.
    """
    if kind not in CONTAINED or apart:
        return _work(kind, first, last, folder)
    with unittest.mock.patch.dict(READERS, {f".{kind}": parse_here(kind)}):
        return _work(kind, first, last, folder)


def _work(kind: str, first: int, last: int, folder: Path) -> dict[str, Any]:
    study = load_study(write_study(folder / "study"))
    sound = seeds_of(kind)
    refused, failures = 0, []
    for seed in range(first, last):
        (folder / "seed").write_text(str(seed))
        path = folder / "spoilt" / "study.toml" if kind == "study" else folder / f"d.{kind}"
        if kind == "study":
            path.parent.mkdir(exist_ok=True)
            path.with_name("sound.csv").write_bytes(b"id\n")
        path.write_bytes(spoil_file(kind, seed, sound))
        signal.alarm(SECONDS_A_CASE)
        try:
            load_study(path) if kind == "study" else read_data(study, path)
        except InputError:
            refused += 1
        except Exception:
            failures.append({"seed": seed, "what": traceback.format_exc()[-1500:]})
            (folder / "failures").write_text(json.dumps(failures))
        signal.alarm(0)
    return {"cases": last - first, "refused": refused, "failures": failures}


def run_kind(kind: str, cases: int, first: int) -> dict[str, Any]:
    """Try seeds in a forked process, and in another one behind each crash."""
    total, crashes = 0, 0
    failures: list[dict[str, Any]] = []
    seed, last = first, first + cases
    while seed < last and len(failures) <= 20:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            code = _forked(lambda seed=seed, folder=folder: work(kind, seed, last, folder))  # type: ignore[misc]
            if (found := folder / "failures").exists():
                failures += json.loads(found.read_text())
            if code == 0:
                total, seed = total + last - seed, last
                continue
            at = int((folder / "seed").read_text())
            total, seed = total + at + 1 - seed, at + 1
            # A crash of a library is no failure where the program holds it off: see whether it does.
            if kind in CONTAINED and _is_contained(kind, at):
                crashes += 1
            else:
                failures.append({"seed": at, "what": f"ended by {code}"})
    return {"cases": total, "crashes": crashes, "failures": failures}


def _forked(function: Callable[[], object]) -> int:
    """Run a function in a process that has everything imported already, and return how it ended: 0 if well."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        function()
    except BaseException:
        os._exit(1)
    os._exit(0)


def _is_contained(kind: str, seed: int) -> bool:
    """Whether the program as it is refuses a file on which the parser crashes."""
    with tempfile.TemporaryDirectory() as folder:
        return bool(work(kind, seed, seed + 1, Path(folder), apart=True)["refused"] == 1)


def main() -> int:
    """Run every kind and print what was found; exit code 1 where anything failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000, help="in all kinds together (%(default)s)")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--first", type=int, default=0, help="first seed (%(default)s)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    kinds = options.kinds.split(",")
    failed = 0
    for kind in kinds:
        started = time.perf_counter()
        found = run_kind(kind, -(-options.cases // len(kinds)), options.first)
        failures = found["failures"]
        failed += len(failures)
        seconds = time.perf_counter() - started
        line = f"{kind}: {found['cases']} cases, {len(failures)} failed, {seconds:.0f} s"
        if kind in CONTAINED:
            line += f" ({found['crashes']} crashed the library and were refused by the program)"
        print(line, flush=True)  # noqa: T201
        for failure in failures:
            print(f"  seed {failure['seed']}: {failure['what']}", flush=True)  # noqa: T201
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

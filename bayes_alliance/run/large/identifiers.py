"""Patients of a large file under one spelling in all its parts, by the rules of small data.

Whole numbers stay numbers where every part has them. Otherwise all become text, spelled as
:func:`bayes_alliance.data.codes.canonical_identifiers` spells a column: what a column may drop depends on all of it, so
columns of text are looked through once before anything is summed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bayes_alliance.data.alike_identifiers import by_difference, find_alike, look
from bayes_alliance.data.codes import MISSING, are_numbered, clean_text, without_decimals
from bayes_alliance.errors import InputError, Problem

Spelling = Literal["numbers", "text", "text of numbers"]
_ROWS = 250_000
MAX_TEXT = 1_000
_LEADING_ZERO = re.compile(r"0\d+", re.ASCII)


def fits_number(kind: Any) -> bool:
    """Whether every value of an Arrow type is a 64-bit signed whole number."""
    import pyarrow as pa

    return bool(pa.types.is_integer(kind)) and kind != pa.uint64()


def choose_spelling(paths: Sequence[Path], header: str) -> Spelling:
    """Choose how to spell the identifiers of some files.

    Returns
    -------
    {"numbers", "text", "text of numbers"}
        The last where every text is a whole number, maybe followed by ``.0``, which is then dropped.

    Raises
    ------
    InputError
        If some parts hold numbers and others digits with leading zeros.
    """
    import pyarrow.parquet as pq

    as_text = [path for path in paths if not fits_number(pq.read_schema(path).field(header).type)]
    if not as_text:
        return "numbers"
    mixed = len(as_text) < len(paths)
    numbered = True
    for path in as_text:
        for words in _distinct(path, header):
            numbered = numbered and are_numbered(words)
            if mixed and any(_LEADING_ZERO.fullmatch(word) for word in words):
                raise InputError(path.name, [_two_spellings(header)])
            if not numbered and not mixed:
                return "text"
    return "text of numbers" if numbered else "text"


def _two_spellings(header: str) -> Problem:
    return Problem(
        what="its identifiers are digits with leading zeros, those of another part are numbers",
        where=f"column {header!r}",
        allowed="one spelling of a patient in all parts",
        fix="write the column as text, with its zeros, in all parts",
    )


def warn_of_alike(paths: Sequence[Path], header: str, spelling: Spelling) -> list[str]:
    """Count identifiers that differ from others only in what is hardly seen; they stay patients of their own.

    Returns
    -------
    list of str
        A sentence for each way of differing; none shows an identifier.
    """
    if spelling == "numbers":
        return []
    looks = _looks_of_several((words for _, words in _spelled(paths, header, spelling)))
    files: dict[str, str] = {}
    for path, words in _spelled(paths, header, spelling) if len(looks) else ():
        for word in words:
            if hash(look(word)) in looks:
                files.setdefault(word, path.name)
    found = []
    for how, pairs in by_difference(find_alike(files)).items():
        example = pairs[0]
        where = " and ".join(dict.fromkeys((files[example.earlier], files[example.later])))
        found.append(
            f"{where}, column {header!r}: {len(pairs)} identifiers differ from others {how}{example.in_brackets}; "
            "to do: are they the same patients? If so, spell them alike"
        )
    return found


def _looks_of_several(pieces: Iterable[list[str]]) -> set[int]:
    """Find what several identifiers look like; a word is two numbers here, as there may be millions."""
    seen = np.empty((0, 2), dtype=np.int64)
    waiting: list[NDArray[np.int64]] = []
    for words in pieces:
        pairs = [(hash(look(word)), hash(word)) for word in words]
        waiting.append(np.array(pairs, dtype=np.int64).reshape(-1, 2))
        if sum(map(len, waiting)) > max(_ROWS, len(seen)):
            seen, waiting = np.unique(np.concatenate([seen, *waiting]), axis=0), []
    seen = np.unique(np.concatenate([seen, *waiting]), axis=0)
    looks, counts = np.unique(seen[:, 0], return_counts=True)
    return set(looks[counts > 1].tolist())


def _spelled(paths: Sequence[Path], header: str, spelling: Spelling) -> Iterator[tuple[Path, list[str]]]:
    """Yield the identifiers of each file as they are told apart."""
    for path in paths:
        for words in _distinct(path, header):
            there = [word for word in words if word.lower() not in MISSING]
            yield path, [without_decimals(word) for word in there] if spelling != "text" else there


def _distinct(path: Path, header: str) -> Iterator[list[str]]:
    import pyarrow.parquet as pq

    texts = [] if fits_number(pq.read_schema(path).field(header).type) else [header]
    with pq.ParquetFile(path, read_dictionary=texts) as file:
        for batch in file.iter_batches(_ROWS, columns=[header]):
            check_lengths(batch.column(0), header, path)
            yield [clean_text(word) for word in batch.column(0).unique().to_pylist() if word is not None]


def check_lengths(column: Any, header: str, path: Path) -> None:
    """Refuse texts that no identifier and no category has: one of a megabyte would be that in every row.

    Raises
    ------
    InputError
        If there is one.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    words = column.dictionary if pa.types.is_dictionary(column.type) else column
    if not pa.types.is_string(words.type) and not pa.types.is_large_string(words.type):
        return
    longest = pc.max(pc.binary_length(words)).as_py() or 0
    if longest > MAX_TEXT:
        what, allowed = f"a text of {longest} bytes", f"identifiers and categories of at most {MAX_TEXT}"
        raise InputError(path.name, [Problem(what=what, where=f"column {header!r}", allowed=allowed)])


def read_identifiers(column: Any, spelling: Spelling) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Return the identifiers of an Arrow array under one spelling, and where there are any.

    Returns
    -------
    ids : ndarray
        Whole numbers, or text as UTF-8 bytes.
    valid : ndarray of bool
        False where there is none, or a word for a missing value.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    valid = np.asarray(pc.is_valid(column))
    if spelling == "numbers":
        return np.asarray(pc.fill_null(column, 0).cast(pa.int64())), valid
    coded = pc.fill_null(column.cast(pa.large_string()), "").dictionary_encode()
    words = [clean_text(word) for word in coded.dictionary.to_pylist()]
    there = np.array([word.lower() not in MISSING for word in words], dtype=bool)
    if spelling == "text of numbers":
        words = [without_decimals(word) if seen else word for word, seen in zip(words, there, strict=True)]
    index = np.asarray(coded.indices)
    spelled = np.array([word.encode() for word in words], dtype=np.bytes_)
    return spelled[index], valid & there[index]

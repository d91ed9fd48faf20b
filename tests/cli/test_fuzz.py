"""A few spoilt files of every kind; ``scripts/fuzz`` tries a hundred thousand."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz import BYTES, KINDS, seeds_of, spoil_bytes, spoil_file, work


@pytest.mark.parametrize(
    ("kind", "cases"), [("csv", 60), ("study", 60), ("xlsx", 40), ("parquet", 40), ("rds", 20)]
)
def test_nothing_but_a_message_comes_of_a_spoilt_file(tmp_path: Path, kind: str, cases: int) -> None:
    """No exception but InputError; most of the files are refused."""
    found = work(kind, 0, cases, tmp_path)
    assert found["failures"] == []
    assert isinstance(found["refused"], int)
    assert found["refused"] > cases / 3


def test_a_file_that_crashes_its_library_is_refused_in_words(tmp_path: Path) -> None:
    """Seed 73 of SPSS files kills the parser's process, and only that (version 1.3.7 of pyreadstat)."""
    found = work("sav", 73, 74, tmp_path, apart=True)
    assert (found["refused"], found["failures"]) == (1, [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_makes_the_same_file_again_and_another_one_another(kind: str) -> None:
    """So that a failure can be made again by kind and seed; some spoilt files differ from the sound one."""
    sound = seeds_of(kind)
    assert spoil_file(kind, 5, sound) == spoil_file(kind, 5, sound)
    assert len({spoil_file(kind, seed, sound) for seed in range(20)}) > 10


def test_spoiling_changes_few_bytes() -> None:
    """A spoilt file stays near the sound one, where the deep branches of readers are."""
    raw = bytes(range(256)) * 8
    spoilt = [spoil_bytes(raw, random.Random(seed), BYTES) for seed in range(200)]
    assert sum(abs(len(made) - len(raw)) < 400 for made in spoilt) > 150

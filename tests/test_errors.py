"""Messages of the error tree."""

from __future__ import annotations

import inspect
import pickle

import pytest

from bayes_alliance import errors
from bayes_alliance.errors import AllianceError, InputError, Problem


def test_order_of_a_message() -> None:
    """A problem says where, what, what was found, what is allowed and what to do, in this order."""
    problem = Problem(what="unknown rule", where="study.toml", got="'x'", allowed="a, b", fix="use a")
    assert problem.format() == "study.toml: unknown rule; found: 'x'; allowed: a, b; to do: use a"


def test_empty_parts_are_left_out() -> None:
    """Parts that are not known leave no trace in the message."""
    assert Problem(what="no models").format() == "no models"
    assert Problem(what="no models", fix="add one").format() == "no models; to do: add one"


@pytest.mark.parametrize(("count", "noun"), [(1, "1 problem"), (3, "3 problems")])
def test_every_problem_is_said(count: int, noun: str) -> None:
    """An InputError names its subject, counts its problems and gives each a line."""
    error = InputError("file.csv", (Problem(what=f"fault {i}") for i in range(count)))
    lines = str(error).splitlines()
    assert lines == [f"file.csv: {noun}", *(f"  - fault {i}" for i in range(count))]
    assert len(error.problems) == count


def test_one_tree() -> None:
    """Every exception of the module descends from AllianceError and is drawn in the module's docstring."""
    tree = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    assert len(tree) == 5
    for error in tree:
        assert issubclass(error, AllianceError)
        assert error.__name__ in (errors.__doc__ or "")


def test_exit_codes() -> None:
    """Bad input leaves the program with code 2, everything else of ours with 1."""
    assert InputError("x", [Problem(what="y")]).exit_code == 2
    assert errors.FitError("x").exit_code == 1


def test_input_errors_travel_between_processes() -> None:
    """What a worker raises arrives whole: made anew from its message alone, it would break the pool."""
    error = InputError("file.csv", [Problem(what="unknown rule", got="'x'", fix="use a")])
    arrived = pickle.loads(pickle.dumps(error))
    assert (arrived.subject, arrived.problems, str(arrived)) == (error.subject, error.problems, str(error))

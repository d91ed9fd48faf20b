"""What can go wrong that a user can mend, and how it is said.

::

    AllianceError               anything this package raises on purpose
    +-- InputError              a file or an option is wrong: every problem of it at once (exit code 2)
    +-- RowsDifferError         models that rest on different rows were to be compared
    +-- FitError                a fit could not be made from valid input
    +-- MissingPackageError     an optional package is needed for what was asked

A message says, in this order: what is wrong, where, what was found, what is allowed, what to do.
Imports nothing of this package.
"""

from __future__ import annotations

import difflib
import importlib.util
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in a file or an option.

    Parameters
    ----------
    what : str
        What is wrong.
    where : str
        File, table, line or column, as far as known; empty for none.
    got : str
        What was found; empty where showing it would not help or would reveal a patient's value.
    allowed : str
        What would have been right.
    fix : str
        What to do about it.
    """

    what: str
    where: str = ""
    got: str = ""
    allowed: str = ""
    fix: str = ""

    def format(self) -> str:
        """Return the problem as one line."""
        text = f"{self.where}: {self.what}" if self.where else self.what
        for label, part in (("found", self.got), ("allowed", self.allowed), ("to do", self.fix)):
            if part:
                text += f"; {label}: {part}"
        return text


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Suggest the option that a mistyped word comes nearest to; empty where none is near.

    Examples
    --------
    >>> did_you_mean("folmo2002", ["folmo2020", "medication"])
    "did you mean 'folmo2020'?"
    """
    close = difflib.get_close_matches(word, list(options), n=1)
    return f"did you mean {close[0]!r}?" if close else ""


def no_such(what: str, name: str, options: Iterable[str], *, where: str = "", fix: str = "") -> Problem:
    """Describe a name that is not among those allowed, with the nearest of them.

    Parameters
    ----------
    what : str
        What is named: ``"model"``, ``"prior set"``, ...
    name : str
        What was asked for.
    options : iterable of str
        What there is.
    where, fix : str
        As of :class:`Problem`; a suggestion comes before ``fix``.
    """
    listed = list(options)
    advice = "; ".join(filter(None, [did_you_mean(name, listed), fix]))
    return Problem(
        what=f"no such {what}", where=where, got=repr(name[:200]), allowed=", ".join(listed), fix=advice
    )


# Of one message: more than this nobody reads, and a hostile file could make it endless.
MAX_LISTED = 100
MAX_LETTERS = 2_000


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_LETTERS else f"{text[:MAX_LETTERS]} ..."


class AllianceError(Exception):
    """Base of every error that this package raises on purpose."""

    exit_code = 1


class InputError(AllianceError):
    """Input that a user can mend. Carries every problem found, not only the first.

    Parameters
    ----------
    subject : str
        What was being read, such as a file name.
    problems : iterable of Problem
        At least one.
    """

    exit_code = 2

    def __init__(self, subject: str, problems: Iterable[Problem]) -> None:
        self.subject = subject
        self.problems: Sequence[Problem] = tuple(problems)
        super().__init__(self.format())

    def __reduce__(self) -> tuple[type[InputError], tuple[str, Sequence[Problem]]]:
        """Travel between processes whole: an exception is otherwise made anew from its message alone."""
        return type(self), (self.subject, self.problems)

    def format(self) -> str:
        """Return the whole message: a headline and one line a problem."""
        count = len(self.problems)
        noun = "problem" if count == 1 else "problems"
        lines = [f"{self.subject}: {count} {noun}"]
        lines += [f"  - {_shorten(problem.format())}" for problem in self.problems[:MAX_LISTED]]
        if count > MAX_LISTED:
            lines.append(f"  - and {count - MAX_LISTED} more")
        return "\n".join(lines)


class RowsDifferError(AllianceError):
    """Fits that rest on different rows cannot be compared."""


class FitError(AllianceError):
    """A fit could not be made from valid input."""


class MissingPackageError(AllianceError):
    """An optional package is needed; the message names the command that installs it."""


def require_package(name: str, *, extra: str, purpose: str, instead: str = "") -> None:
    """Refuse to go on without an optional package, with the command that installs it.

    Parameters
    ----------
    name : str
        Of the module to import.
    extra : str
        Of this package's extras that brings it.
    purpose : str
        What needs it, as the subject of a sentence.
    instead : str
        What does without the package, if anything.

    Raises
    ------
    MissingPackageError
        If it is not installed.
    """
    if importlib.util.find_spec(name) is None:
        raise MissingPackageError(
            f"{purpose} needs the package {name}, which is not installed; to do: "
            f"pip install 'bayes-alliance[{extra}]'" + (f", or {instead}" if instead else "")
        )


def printable(text: str) -> str:
    r"""Replace what could steer a terminal: text from files (headers, labels, names of sheets) is untrusted.

    Examples
    --------
    >>> printable("a\x1b[31mb")
    'a?[31mb'
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)

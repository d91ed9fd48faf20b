"""The parser of the command line, and readers of single options."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from bayes_alliance.errors import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser that suggests the nearest command, option or choice to one that it does not know."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is not known at once, with the usage of the command that it was given to."""
        if args is not None and self._subparsers is None:
            # Before argparse misses an argument that is only mistyped.
            self._refuse([text for text in _options_among(args) if not self._knows(text)])
        found, unknown = super().parse_known_args(args, namespace)
        self._refuse(unknown)
        return found, unknown

    def _knows(self, option: str) -> bool:
        return any(known.startswith(option) for known in self._option_string_actions)

    def _refuse(self, unknown: Sequence[str]) -> None:
        if unknown:
            known = list(self._option_string_actions)
            hints = [did_you_mean(text.split("=")[0], known) for text in unknown if text.startswith("--")]
            self.error("; ".join([f"unrecognized arguments: {' '.join(unknown)}", *filter(None, hints)]))

    def error(self, message: str) -> NoReturn:
        """Print the usage and the message, with the nearest choice where one was mistyped; exit code 2."""
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        if choice is not None:
            hint = did_you_mean(choice[1], re.findall(r"[\w-]+", choice[2]))
            message = f"{message}; {hint}" if hint else message
        super().error(message)


def _options_among(arguments: Sequence[str]) -> list[str]:
    """Return the long options of a command line, without their values."""
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return [text.split("=")[0] for text in before if text.startswith("--")]


def whole_number(lowest: int, highest: int) -> Callable[[str], int]:
    """Make a reader of whole numbers within limits, for ``type=``."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() and len(text) < 20 else lowest - 1
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {lowest} to {highest}")
        return value

    return read


def split_names(text: str) -> list[str]:
    """Split names between commas; the same name counts once."""
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))

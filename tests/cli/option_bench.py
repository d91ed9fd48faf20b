"""What tests of options need: a small study, and commands that stop where an option has arrived."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayes_alliance.cli.main import main
from tests.claims_study import toy_frame, write_toy


class Reached(BaseException):
    """A command came to a function; what it called it with, or what the function returned."""

    def __init__(self, found: Any) -> None:
        super().__init__()
        self.found = found


@dataclass(frozen=True, kw_only=True)
class Bench:
    """A study of twelve patients in a folder of its own, and ways to run commands on it."""

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    @property
    def study(self) -> Path:
        return self.folder / "toy"

    @property
    def out(self) -> Path:
        return self.folder / "out"

    def run(self, *words: object) -> tuple[int, str, str]:
        """Run a command to its end."""
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:
            code = int(stop.code or 0)
        said = self.capsys.readouterr()
        assert "Traceback" not in said.err
        return code, said.out, said.err

    def facts(self, *words: object) -> Any:
        """Run a command with ``--json``; return what it prints."""
        code, out, err = self.run(*words, "--json")
        assert code in (0, 3), err
        return json.loads(out)

    def refused(self, *words: object) -> str:
        """Run a command that must be refused; return its message."""
        code, out, err = self.run(*words)
        assert (code, out) == (2, "")
        return err

    def reach(self, target: str, *words: object) -> dict[str, Any]:
        """Run a command until it calls a function; return the arguments by name."""
        module, _, name = target.rpartition(".")
        function = getattr(importlib.import_module(module), name)
        signature = inspect.signature(function)

        def stop(*args: Any, **kwargs: Any) -> None:
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            raise Reached(dict(bound.arguments))

        found: dict[str, Any] = self._until(target, stop, words)
        return found

    def read(self, target: str, *words: object) -> Any:
        """Run a command until a function has returned; return what it returned."""
        module, _, name = target.rpartition(".")
        function = getattr(importlib.import_module(module), name)

        def stop(*args: Any, **kwargs: Any) -> None:
            raise Reached(function(*args, **kwargs))

        return self._until(target, stop, words)

    def _until(self, target: str, stop: Callable[..., None], words: tuple[object, ...]) -> Any:
        with self.monkeypatch.context() as patch:
            patch.setattr(target, stop)
            with pytest.raises(Reached) as reached:
                code = main([str(word) for word in words])
                pytest.fail(f"{target} was not reached: exit code {code}: {self.capsys.readouterr().err}")
        self.capsys.readouterr()
        return reached.value.found


def frame() -> pd.DataFrame:
    """Rows of twelve patients."""
    return toy_frame(12)


def make_bench(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Write the study."""
    write_toy(folder / "toy", frame=frame())
    monkeypatch.chdir(folder)
    return Bench(folder=folder, capsys=capsys, monkeypatch=monkeypatch)

"""Tasks, their results and failures, and the files that keep them."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bayes_alliance.errors import AllianceError, InputError
from bayes_alliance.runtime.files import whole_file

if TYPE_CHECKING:
    import pandas as pd

Columns = Mapping[str, Sequence[Any]]
Function = Callable[..., Columns]
_METADATA = b"bayes_alliance.task"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One call of the function.

    Parameters
    ----------
    key : str
        Unique among the tasks; also the name of its file, so letters, digits and ``_.=+-`` only.
    arguments : tuple
        What the function gets; can be pickled.
    size : int
        How many of the units that progress is counted in (simulated studies, say) it holds.
    """

    key: str
    arguments: tuple[Any, ...] = ()
    size: int = 1


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A task without a result, and why; ``error`` where its input was wrong."""

    key: str
    reason: str
    error: InputError | None = None


@dataclass(frozen=True, kw_only=True)
class Workers:
    """Where tasks run.

    Parameters
    ----------
    jobs : int
        Processes at a time; 1 runs one task after another in this process. Of a scheduler that is not local,
        its own workers count.
    scheduler : str
        Empty for no Dask, ``local`` for a Dask cluster of ``jobs`` processes on this machine, or the address of a
        running one such as ``tcp://host:8786``.
    """

    jobs: int = 1
    scheduler: str = ""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What became of all tasks.

    Parameters
    ----------
    keys : tuple of str
        In the order of the tasks.
    n_reused : int
        Tasks whose results lay in the store already.
    failures : tuple of Failure
        Tasks without a result, in the order of the tasks.
    seconds : float
        Wall time.
    """

    keys: tuple[str, ...]
    n_reused: int
    failures: tuple[Failure, ...]
    seconds: float
    results: Mapping[str, Path | Columns]

    def columns(self, key: str) -> dict[str, Any]:
        """Return the columns of one task that has a result, as NumPy arrays or lists."""
        found = self.results[key]
        return _read_columns(found) if isinstance(found, Path) else dict(found)

    def table(self) -> pd.DataFrame:
        """Put the results of all tasks below each other, in the order of the tasks, whatever order they came in."""
        import pandas as pd

        frames = [pd.DataFrame(self.columns(key)) for key in self.keys if key in self.results]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


@dataclass(frozen=True, kw_only=True)
class _Outcome:
    key: str
    columns: Columns | None
    reason: str = ""
    error: InputError | None = None


def _path(store: Path, key: str) -> Path:
    return store / f"{key}.parquet"


@contextlib.contextmanager
def _storing(store: Path, results: Mapping[str, Any], total: int) -> Iterator[None]:
    """Return what is kept after an error of the disk and how to go on."""
    try:
        yield
    except OSError as error:
        raise AllianceError(
            f"results cannot be stored in {store}: {error.strerror or error}; {len(results)} of {total} tasks are "
            "finished and kept there; to do: make room (or choose another folder) and give the same command again"
        ) from error


def _write(path: Path, outcome: _Outcome, record: str) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({name: pa.array(values) for name, values in (outcome.columns or {}).items()})
    stamp = json.dumps({"key": outcome.key, "record": record}, sort_keys=True).encode()
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({_METADATA: stamp}), sink, compression="zstd")
    with whole_file(path) as part:
        part.write_bytes(sink.getvalue().to_pybytes())
    return path


def _is_stored(path: Path, record: str, key: str) -> bool:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not path.exists():
        return False
    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return False
    return bool(found.get(_METADATA) == json.dumps({"key": key, "record": record}, sort_keys=True).encode())


def _read_columns(path: Path) -> dict[str, Any]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        table = file.read()
    return {
        name: column.to_pylist()
        if str(column.type) in ("string", "binary", "large_string", "large_binary")
        else column.to_numpy()
        for name, column in zip(table.column_names, table.columns, strict=True)
    }

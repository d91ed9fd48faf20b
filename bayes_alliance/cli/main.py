"""The command line: read options, call the pipeline, print.

Heavy modules are imported inside the commands, so ``--help`` answers at once. Exit codes: 0 done; 2 the
input is wrong; 3 done, but a gate failed (said on stderr and in the tables); 130 interrupted; 1 anything else
that this package foresaw.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

from bayes_alliance import __version__
from bayes_alliance.cli.cells import add_commands as add_cell_commands
from bayes_alliance.cli.claims import add_commands as add_claims_commands
from bayes_alliance.cli.cohorts import add_commands as add_cohort_commands
from bayes_alliance.cli.data import add_commands as add_data_commands
from bayes_alliance.cli.large import add_commands as add_large_commands
from bayes_alliance.cli.lists import add_commands as add_list_commands
from bayes_alliance.cli.options import EXIT_INTERRUPTED
from bayes_alliance.cli.outputs import check_outputs
from bayes_alliance.cli.parser import Parser
from bayes_alliance.cli.published import add_commands as add_published_commands
from bayes_alliance.cli.reanalyse import _add_fit, _add_reanalyse
from bayes_alliance.cli.register import add_commands as add_register_commands
from bayes_alliance.cli.simulation import add_commands as add_simulate_commands
from bayes_alliance.cli.stress import add_commands as add_stress_commands
from bayes_alliance.errors import AllianceError, printable
from bayes_alliance.runtime.interrupts import no_interrupt_lost
from bayes_alliance.runtime.own_files import forget_claimed, record_claimed


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    _prepare_streams()
    options = _parser().parse_args(arguments)
    try:
        with no_interrupt_lost(), _drawing_as(getattr(options, "figure_style", "journal")):
            check_outputs(options)
            code: int = options.run(options)
            record_claimed()
        sys.stdout.flush()
    except AllianceError as error:
        print(printable(f"bayes-alliance: {error}"), file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("bayes-alliance: interrupted; stored posteriors are kept and will be reused", file=sys.stderr)
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has gone; without this Python complains once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryError:
        said = "out of memory; to do: fewer draws or chains, fewer models at a time (--models), or --jobs 1"
        print(f"bayes-alliance: {said}", file=sys.stderr)
        return 1
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        print(f"bayes-alliance: {error.strerror or error}{place}", file=sys.stderr)
        return 1
    finally:
        forget_claimed()
    return code


def _prepare_streams() -> None:
    """Let nothing that is printed end a command: a closed stream, or one that cannot spell a letter.

    A crash leaves no core dump, which would hold patients' data.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _drawing_as(style: str) -> AbstractContextManager[None]:
    """Draw in a style for a while; without one, matplotlib need not be imported for it."""
    if style == "journal":
        return nullcontext()
    from bayes_alliance.show.plots.style import choose_style

    return choose_style(style)


def _parser() -> Parser:
    parser = Parser(
        prog="bayes-alliance",
        description="Reanalyse a published longitudinal mixed-model study: printed | ML | Bayes on the same "
        "rows.",
        epilog="Exit codes: 0 done, 1 not done, 2 wrong input, 3 done but an essential check failed, 130 interrupted.",
    )
    parser.add_argument("--version", action="version", version=f"bayes-alliance {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_reanalyse(commands)
    _add_fit(commands)
    add_data_commands(commands)
    add_cell_commands(commands)
    add_published_commands(commands)
    add_cohort_commands(commands)
    add_simulate_commands(commands)
    add_large_commands(commands)
    add_stress_commands(commands)
    add_claims_commands(commands)
    add_register_commands(commands)
    add_list_commands(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())

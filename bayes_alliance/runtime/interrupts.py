"""Ctrl-C that is not lost in a library.

Python raises `KeyboardInterrupt` wherever the main thread happens to be. Inside a callback from C (a compiler
that tells of a finished function) or a finaliser there is nobody to hand it to: Python reports "Exception
ignored" and goes on, and a run that its user has stopped samples for an hour.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

# Long enough to be out of the callback, too short to be noticed; where it is not, the next one comes.
AGAIN_AFTER_SECONDS = 0.05


class _Interrupts:
    """Counts what Python could raise, so that what it could not is sent until it was."""

    def __init__(self) -> None:
        self.raised = 0
        self.report_before = sys.unraisablehook
        self.over = threading.Event()

    def raise_here(self, number: int, frame: FrameType | None) -> NoReturn:
        """Do what the default handler does, counted."""
        self.raised += 1
        raise KeyboardInterrupt

    def report(self, ignored: UnraisableHookArgs) -> None:
        """Take a lost Ctrl-C; hand on every other report."""
        if ignored.exc_type is None or not issubclass(ignored.exc_type, KeyboardInterrupt):
            self.report_before(ignored)
            return
        threading.Thread(target=self._send_until_raised, args=(self.raised,), daemon=True).start()

    def _send_until_raised(self, raised_before: int) -> None:
        # One signal is not enough: it may come just before a wait begins, which then does not end for it.
        while not self.over.wait(AGAIN_AFTER_SECONDS) and self.raised == raised_before:
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            if signal.getsignal(signal.SIGINT) != self.raise_here:
                return  # A library listens for itself just now, and is told once.


@contextmanager
def no_interrupt_lost() -> Iterator[None]:
    """Send Ctrl-C once more when it came where Python had to ignore it; every other report goes on as before.

    It does nothing outside the main thread, and where Ctrl-C is not Python's own affair (a job in the
    background, a program that listens itself).
    """
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    interrupts = _Interrupts()
    signal.signal(signal.SIGINT, interrupts.raise_here)
    sys.unraisablehook = interrupts.report
    try:
        yield
    finally:
        interrupts.over.set()
        sys.unraisablehook = interrupts.report_before
        signal.signal(signal.SIGINT, signal.default_int_handler)

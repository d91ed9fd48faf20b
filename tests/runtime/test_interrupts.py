"""Ctrl-C that comes where Python cannot raise it is raised a moment later."""

from __future__ import annotations

import ctypes
import gc
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bayes_alliance.runtime.interrupts import no_interrupt_lost


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[type[BaseException] | None]:
    """What Python reports as ignored, in place of printing it."""
    seen: list[type[BaseException] | None] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda ignored: seen.append(ignored.exc_type))
    return seen


@pytest.fixture(autouse=True)
def python_raises_on_ctrl_c() -> Iterator[None]:
    """Tests in the background of a shell inherit a SIGINT that is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@ctypes.CFUNCTYPE(None)
def pressed_in_a_callback() -> None:
    """Ctrl-C while C has called Python, as a compiler does that tells of each function it has finished."""
    signal.raise_signal(signal.SIGINT)


@ctypes.CFUNCTYPE(None)
def broken_callback() -> None:
    """Any other fault of a callback."""
    raise ValueError("a fault of its own")


class Held:
    """Ctrl-C while something is cleared away."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


def clear_away() -> None:
    """Make such a thing and drop it."""
    held = Held()
    del held
    gc.collect()


@pytest.mark.parametrize("lose", [pressed_in_a_callback, clear_away], ids=["callback", "finaliser"])
def test_a_lost_interrupt_comes_again(lose, reports):
    """Without help Python goes on; with it the work ends at once, a blocking wait too."""
    lose()
    time.sleep(0.2)
    assert reports == [KeyboardInterrupt]
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
        lose()
        time.sleep(30.0)
    assert time.monotonic() - started < 15.0
    assert reports == [KeyboardInterrupt]


def test_it_comes_until_it_is_heard(reports):
    """Lost a second time, it is sent a third."""
    with pytest.raises(KeyboardInterrupt), no_interrupt_lost():
        for _ in range(3):
            pressed_in_a_callback()
        until = time.monotonic() + 0.3
        while time.monotonic() < until:
            busy_callback()
        time.sleep(30.0)
    assert reports == []


@ctypes.CFUNCTYPE(None)
def busy_callback() -> None:
    """Python that is nearly always inside a callback, so that what is sent is mostly lost."""
    for _ in range(200_000):
        pass


def test_what_was_heard_is_not_sent_after_the_end(reports):
    """An interrupt on its way when the work ends is not let loose on what comes after."""
    with no_interrupt_lost():
        pressed_in_a_callback()
    time.sleep(0.2)
    assert reports == []


def test_what_ctrl_c_does_is_as_before_afterwards():
    """Python's own handler is there again; a program that listens for itself is left alone."""
    with no_interrupt_lost():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with no_interrupt_lost():
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with ThreadPoolExecutor(1) as elsewhere:
        assert elsewhere.submit(handler_within).result() is signal.default_int_handler


def handler_within() -> object:
    """The handler while the helper is at work, from whatever thread this runs in."""
    with no_interrupt_lost():
        return signal.getsignal(signal.SIGINT)


def test_other_reports_go_on_as_before(reports):
    """Only Ctrl-C is kept; the hook that was there sees the rest, and is there again afterwards."""
    hook = sys.unraisablehook
    with no_interrupt_lost():
        assert sys.unraisablehook is not hook
        broken_callback()
    assert sys.unraisablehook is hook
    assert reports == [ValueError]

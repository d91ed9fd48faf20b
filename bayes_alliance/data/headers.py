"""Headers: which one was meant, and whether the headers are those of a wide file.

Looks at headers alone, which are no patient's; gives words for messages.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Collection, Iterable, Sequence

from bayes_alliance.data.codes import clean_text

MAX_HEADERS = 30
_NUMBERED = re.compile(r"(?P<head>[^\W\d](?:.*?[^\d])?)(?P<number>\d{1,4})(?P<tail>(?:[^\d].*)?)")


def list_headers(headers: Iterable[object]) -> str:
    """Return the headers of a file for a message, a long list cut short."""
    names = [str(head) for head in headers]
    more = f" and {len(names) - MAX_HEADERS} more" if len(names) > MAX_HEADERS else ""
    return "one of the headers found: " + ", ".join(names[:MAX_HEADERS]) + more


def nearest_header(wanted: str, headers: Sequence[object]) -> str:
    """Return the header that was probably meant, in words; empty if none is near.

    Examples
    --------
    >>> nearest_header("month", ["ID", "Month ", "gaf"])
    "did you mean 'Month ' (it differs in capitals, blanks or invisible characters)?"
    """
    names = [str(head) for head in headers]
    plain = {_plain(name): name for name in reversed(names)}
    if _plain(wanted) in plain:
        return f"did you mean {plain[_plain(wanted)]!r} (it differs in capitals, blanks or invisible characters)?"
    close = difflib.get_close_matches(_plain(wanted), list(plain), n=1, cutoff=0.7)
    return f"did you mean {plain[close[0]]!r}?" if close else ""


def _plain(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", clean_text(name).casefold())


def propose_wide(headers: Iterable[object], wanted: Collection[str] = ()) -> list[tuple[str, str]]:
    """Find headers that differ in one number only, as those of the visits of a wide file do.

    Parameters
    ----------
    headers : iterable
        Of the file.
    wanted : collection of str
        Long headers that the study wants; a proposal for one of these bears its name. Without any, every family of
        headers is proposed.

    Returns
    -------
    list of (str, str)
        Long header and pattern, as ``--wide`` takes them.

    Examples
    --------
    >>> propose_wide(["id", "wai_0", "wai_6", "wai_12", "age"])
    [('wai', 'wai_{visit}')]
    """
    families: dict[tuple[str, str], set[int]] = {}
    for header in map(str, headers):
        if match := _NUMBERED.fullmatch(header):
            families.setdefault((match["head"], match["tail"]), set()).add(int(match["number"]))
    found = []
    for (head, tail), numbers in families.items():
        if len(numbers) < 2:
            continue
        name = _long_name(head, tail)
        meant = next((w for w in wanted if _plain(w) in (_plain(name), _plain(head + tail))), "")
        if meant or not wanted:
            found.append((meant or name, f"{head}{{visit}}{tail}"))
    return found


def _long_name(head: str, tail: str) -> str:
    """Return the part of a wide header that is not about the visit: ``wai_t`` gives wai, ``t`` and ``_wai`` wai."""
    rest = tail.strip("._- ")
    if rest:
        return rest
    stem = head.rstrip("._- ")
    shorter = re.sub(
        r"[._ -]+(t|m|w|d|v|visit|time|wave|month|week|day|mnd|uke|dag|år|year|y)$",
        "",
        stem,
        flags=re.IGNORECASE,
    )
    return shorter or stem


def wide_options(proposals: Iterable[tuple[str, str]]) -> str:
    """Return the options that read a wide file so.

    Examples
    --------
    >>> wide_options([("wai", "wai_{visit}")])
    "--wide 'wai=wai_{visit}'"
    """
    return " ".join(f"--wide {shlex.quote(f'{name}={pattern}')}" for name, pattern in proposals)

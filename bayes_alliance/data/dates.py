"""Dates of assessments, as every program writes them, and the time that has passed between two of them.

Reads a column of text as moments; says nothing of a study. Where a patient has several assessments on one day, or time
counts in hours, the time of day counts; elsewhere only the date does, so that a questionnaire answered at noon is not
half a day late. Months, quarters, half-years and weeks as Stata writes them (``2020m3``, ``2020q1``, ``2020h2``,
``2020w10``), and years, are counted on the calendar.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from bayes_alliance.data.codes import MISSING, clean_text

# Days in a unit of time: a month is a twelfth of 365.25 days.
DAYS = {
    "minutes": 1.0 / 1440,
    "hours": 1.0 / 24,
    "days": 1.0,
    "weeks": 7.0,
    "months": 365.25 / 12,
    "years": 365.25,
}
DATE_FORMATS = (
    "%Y-%m-%d",
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d.%m.%y",
    "%d%b%Y",
    "%d-%b-%Y",
    "%d %b %Y",
    "%d %B %Y",
)
# Numbers of days that stand for a date, by the name under which one states them, and the day that is 0.
SERIALS = {
    "excel": datetime(1899, 12, 30),
    "excel1904": datetime(1904, 1, 1),
    "stata": datetime(1960, 1, 1),
    "sas": datetime(1960, 1, 1),
    "r": datetime(1970, 1, 1),
}
# Periods of the calendar as Stata shows them, by the letter between year and number; its last week has 8 or 9 days.
PERIODS = {"%Ym%m": ("m", 12), "%Yq%q": ("q", 4), "%Yh%h": ("h", 2), "%Yw%w": ("w", 52)}
WEEKS = "%Yw%w"
# Dates in these formats differ by whole months.
MONTHLY = (*(form for form in PERIODS if form != WEEKS), "%Y")
YEARS = range(1900, 2101)
_SERIAL = re.compile(r"\d{4,5}(\.\d{1,12})?", re.ASCII)
_PERIOD = re.compile(r"(\d{4})([mqhw])(\d{1,2})", re.ASCII)
_YEAR = re.compile(r"(19|20)\d\d", re.ASCII)
_TIME_OF_DAY = re.compile(
    r"[ T,]+(?P<hour>\d{1,2})[:.](?P<minute>\d{2})(?:[:.](?P<second>\d{2}(?:[.,]\d{1,9})?))?"
    r"(?:\s*(?P<half>[AaPp])\.?[Mm]\.?)?\s*(?P<zone>Z|UTC|GMT|[+-]\d{2}:?\d{2})?$",
    re.ASCII,
)


@dataclass(frozen=True, kw_only=True)
class Dates:
    """A column of dates as read.

    Parameters
    ----------
    moments : tuple of datetime or None
        None where the cell is blank or unreadable. With a time zone each, or none of them.
    unreadable : tuple of int
        Places of cells that are no date in ``date_format``.
    date_format : str
        The format that most of the cells are written in.
    rival : str
        Another format in which every cell can be read as another date; empty where there is none.
    timed : bool
        Whether any cell has a time of day.
    zones : int
        How many of the cells that are dates state a time zone.
    serials : bool
        Whether the cells are plain numbers that look like days counted from some day.
    years : bool
        Whether they are plain numbers that could be years.
    """

    moments: tuple[datetime | None, ...]
    unreadable: tuple[int, ...]
    date_format: str
    rival: str = ""
    timed: bool = False
    zones: int = 0
    serials: bool = False
    years: bool = False


def read_dates(cells: Iterable[object], stated: str = "") -> Dates:
    """Read a column of dates.

    Parameters
    ----------
    cells : iterable
        As found.
    stated : str
        Directives of ``strptime``, one of ``SERIALS``, or empty to find the format out.

    Returns
    -------
    Dates

    Examples
    --------
    >>> read_dates(["2023-03-02 09:00:00", "2023-03-02 14:30:00"]).moments[1].hour
    14
    >>> read_dates(["43892"], "excel").moments[0].date().isoformat()
    '2020-03-02'
    """
    texts = [clean_text(cell) for cell in cells]
    texts = ["" if text.lower() in MISSING else text for text in texts]
    distinct = sorted({text for text in texts if text})
    known = {text: _read_one(text, stated) for text in distinct} if stated else {}
    chosen, rival = stated, ""
    if not stated:
        chosen, rival = _choose_format(distinct)
        known = {text: _read_one(text, chosen) for text in distinct}
    moments = tuple(known[text] if text else None for text in texts)
    bad = tuple(place for place, text in enumerate(texts) if text and known[text] is None)
    found = [moment for moment in known.values() if moment is not None]
    return Dates(
        moments=moments,
        unreadable=bad,
        date_format=chosen,
        rival=rival,
        timed=any((m.hour, m.minute, m.second, m.microsecond) != (0, 0, 0, 0) for m in found),
        zones=sum(moment.tzinfo is not None for moment in found),
        serials=bool(distinct) and not stated and all(_SERIAL.fullmatch(text) for text in distinct),
        years=bool(distinct) and not stated and all(_YEAR.fullmatch(text) for text in distinct),
    )


def elapsed(
    moments: Sequence[datetime | None],
    starts: Sequence[datetime | None],
    *,
    unit: str,
    timed: bool,
    date_format: str = "",
) -> list[float | None]:
    """Return the time from each start to each moment.

    Parameters
    ----------
    moments, starts : sequence of datetime or None
        Of the same length.
    unit : str
        One of ``DAYS``.
    timed : bool
        Whether times of day count; else only the dates do.
    date_format : str
        How the dates are written: a month of the calendar then counts as 1 in months and as 1/12 in years, a quarter as
        3 and 1/4, a week of Stata's as 1 in weeks.

    Returns
    -------
    list of float or None
        None where either is missing.
    """
    found: list[float | None] = []
    for moment, start in zip(moments, starts, strict=True):
        if moment is None or start is None:
            found.append(None)
        elif date_format == WEEKS and unit == "weeks":
            found.append(float(52 * (moment.year - start.year) + _week(moment) - _week(start)))
        elif date_format in MONTHLY and unit in ("months", "years"):
            months = 12 * (moment.year - start.year) + moment.month - start.month
            found.append(months / (12.0 if unit == "years" else 1.0))
        else:
            days = (
                (moment - start).total_seconds() / 86400.0
                if timed
                else float((moment.date() - start.date()).days)
            )
            found.append(days / DAYS[unit])
    return found


def _week(moment: datetime) -> int:
    """Return Stata's week of the year, from 0: the first begins on 1 January, the last has 8 or 9 days."""
    return min((moment.timetuple().tm_yday - 1) // 7, 51)


def _choose_format(distinct: Sequence[str]) -> tuple[str, str]:
    """Find the format that reads most cells, and another that reads all of them as well but otherwise."""
    sample = distinct[:: max(1, len(distinct) // 100)]
    formats = [f for f in (*DATE_FORMATS, *PERIODS) if any(_read_one(text, f) for text in sample)]
    formats = formats or [DATE_FORMATS[0]]
    read = {f: [_read_one(text, f) for text in distinct] for f in formats}
    hits = {f: sum(moment is not None for moment in moments) for f, moments in read.items()}
    best = max(hits, key=lambda f: hits[f])
    rivals = [
        f
        for f in formats
        if distinct and f != best and hits[f] == hits[best] == len(distinct) and read[f] != read[best]
    ]
    return best, rivals[0] if rivals else ""


def _read_one(text: str, date_format: str) -> datetime | None:
    """Read one cell; None if it is no date in the format, or not from the years that studies are from."""
    moment: datetime | None
    if date_format in SERIALS:
        moment = SERIALS[date_format] + timedelta(days=float(text)) if _SERIAL.fullmatch(text) else None
        if moment is not None:  # a fraction of a day is exact to the second at best
            moment = (moment + timedelta(microseconds=500_000)).replace(microsecond=0)
    elif date_format in PERIODS:
        moment = _first_day(text, *PERIODS[date_format])
    elif re.search(r"%[HIXcMSTf]", date_format):
        moment = _strptime(text, date_format)
    else:
        moment = _with_time_of_day(text, date_format)
    return moment if moment is not None and moment.year in YEARS else None


def _first_day(text: str, letter: str, a_year: int) -> datetime | None:
    """Return the first day of a period of which there are so many a year."""
    match = _PERIOD.fullmatch(text)
    if not match or match[2] != letter or not 1 <= int(match[3]) <= a_year or int(match[1]) not in YEARS:
        return None
    year, number = int(match[1]), int(match[3]) - 1
    if letter == "w":
        return datetime(year, 1, 1) + timedelta(days=7 * number)
    return datetime(year, 1 + 12 // a_year * number, 1)


def _with_time_of_day(text: str, date_format: str) -> datetime | None:
    """Read a date that a time of day and a time zone may follow."""
    match = _TIME_OF_DAY.search(text)
    day = _strptime(text[: match.start()] if match else text, date_format)
    if day is None or match is None:
        return day
    hour, minute = int(match["hour"]), int(match["minute"])
    if match["half"]:
        hour = hour % 12 + (12 if match["half"] in "Pp" else 0)
    second = float((match["second"] or "0").replace(",", "."))
    if hour > 23 or minute > 59 or second >= 60:
        return None
    moment = day + timedelta(hours=hour, minutes=minute, seconds=second)
    zone = match["zone"]
    if not zone:
        return moment
    if not zone[-1].isdigit():
        return moment.replace(tzinfo=UTC)
    sign = -1 if zone[0] == "-" else 1
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[-2:]))
    if offset >= timedelta(hours=24):
        return None
    return moment.replace(tzinfo=timezone(sign * offset))


def _strptime(text: str, date_format: str) -> datetime | None:
    try:
        return datetime.strptime(text, date_format)
    except (ValueError, re.error):
        return None

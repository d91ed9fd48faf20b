"""Every option of every command is run once and does what its help says.

``ENTRIES`` has an entry for each pair of command and option; the parser is asked for all that there are, so that an
option without an entry fails. Where an option only changes what a long computation is asked for, the command is
stopped where that begins, and what arrived there is asserted; what the computation makes of it is tested elsewhere.
"""

from __future__ import annotations

import argparse
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bayes_alliance.data.rows import StudyData
from tests.cli.option_bench import Bench, frame, make_bench
from tests.cli.test_options import commands

Entry = Callable[[Bench], None]
ENTRIES: dict[tuple[str, str], Entry] = {}
SLOW: set[tuple[str, str]] = set()


def entry(command: str, *options: str, slow: bool = False) -> Callable[[Entry], Entry]:
    """Enter a check of one or several options of a command."""

    def enter(check: Entry) -> Entry:
        for option in options:
            assert (command, option) not in ENTRIES
            ENTRIES[command, option] = check
            if slow:
                SLOW.add((command, option))
        return check

    return enter


def all_options() -> list[tuple[str, str]]:
    """Every pair of command and option, by the first of its spellings."""
    return [
        (words, action.option_strings[0])
        for words, parser in commands().items()
        for action in parser._actions
        if action.option_strings and not isinstance(action, argparse._HelpAction)
    ]


# How each command that reads rows is asked to read a file, and the function that reads it.
_LOAD, _READ = "bayes_alliance.cohorts.study_rows.load_data", "bayes_alliance.data.rows.read_data"
READERS: dict[str, tuple[str, tuple[object, ...], tuple[object, ...]]] = {
    **{name: (_LOAD, (name, "toy", "--data"), ()) for name in ("reanalyse", "claims", "stress")},
    "fit": (_LOAD, ("fit", "toy", "--models", "growth", "--data"), ()),
    **{
        f"simulate {kind}": (_LOAD, ("simulate", kind, "toy", "--data"), ())
        for kind in ("sbc", "power", "compare")
    },
    "check-data": (_READ, ("check-data", "toy"), ()),
    "cohort": (_READ, ("cohort", "toy", "--keep-design", "--design"), ()),
}
LONG = ["patient", "months", "score", "end", "other_end", "female"]


def write(name: str, table: pd.DataFrame, **how: Any) -> Path:
    """Write a table into the working folder."""
    path = Path(name)
    if path.suffix == ".xlsx":
        with pd.ExcelWriter(path) as book:
            pd.DataFrame({"note": ["the data are on the other sheet"]}).to_excel(book, sheet_name="read me")
            table.to_excel(book, sheet_name="rows", index=False)
    else:
        table.to_csv(path, index=False, **how)
    return path


def wide_table() -> pd.DataFrame:
    """Scores side by side, named by visits."""
    table = frame()
    table["visit"] = "score_" + table["months"].map({0: "pre", 6: "b", 12: "c", 24: "d", 36: "post"})
    scores = table.pivot_table(index="patient", columns="visit", values="score").reset_index()
    return scores.merge(table[["patient", "end", "other_end", "female"]].drop_duplicates(), on="patient")


def dated_table(*, days: str = "%Y-%m-%d") -> pd.DataFrame:
    """Dates in place of months: the first visit half a year after referral."""
    table = frame()
    start = pd.Timestamp("2020-01-10")
    table["seen"] = [(start + pd.DateOffset(months=6 + int(m))).strftime(days) for m in table.pop("months")]
    return table.assign(referred=start.strftime(days))


def check_reading(bench: Bench, command: str, option: str) -> None:
    """The rows that a command reads are those that the option asks for, and others or none without it."""
    target, words, last = READERS[command]

    def read(path: Path, *more: str) -> StudyData:
        found = bench.read(target, *words, path, *last, *more)
        assert isinstance(found, StudyData)
        return found

    def refuse(path: Path, *more: str) -> str:
        return bench.refused(*words, path, *last, *more)

    table = frame()
    if option in ("--data", "--design"):
        data = read(write("eight.csv", table.head(40)))
        assert (data.origin, data.rows["patient"].nunique()) == ("eight.csv", 8)
    elif option == "--patients":
        patients = write("p.csv", table[["patient", "end", "other_end", "female"]].drop_duplicates())
        visits = write("v.csv", table[["patient", "months", "score"]])
        assert "end" in read(visits).absent
        assert not read(visits, "--patients", str(patients)).rows["end"].isna().any()
    elif option == "--sheet":
        path = write("two.xlsx", table)
        assert "no column" in refuse(path, "--sheet", "read me")
        assert len(read(path, "--sheet", "rows").rows) == len(table)
    elif option == "--encoding":
        raw = table.assign(patient=table["patient"].str.replace("p", "Ø")).to_csv(index=False)
        Path("dos.csv").write_bytes(raw.encode("cp850"))
        assert read(Path("dos.csv"), "--encoding", "cp850").rows["patient"].str.startswith("Ø").all()
        assert not read(Path("dos.csv"), "--encoding", "mac-roman").rows["patient"].str.startswith("Ø").any()
    elif option == "--delimiter":
        path = write("semi.csv", table, sep=";")
        assert len(read(path, "--delimiter", "semicolon").rows) == len(table)
        assert "no column" in refuse(path, "--delimiter", "tab")
    elif option == "--decimal":
        numbers = ["months", "end", "other_end", "female"]
        text = table.astype(dict.fromkeys(numbers, int))
        text["score"] = [f"{5 + i / 1000:.3f}" for i in range(len(table))]
        path = write("thousands.csv", text, sep=";")
        assert read(path, "--decimal", "point").rows["score"].mean() == pytest.approx(5.03, abs=0.01)
        assert read(path, "--decimal", "comma").rows["score"].mean() == pytest.approx(5030, abs=10)
    elif option == "--missing":
        path = write("coded.csv", table.assign(score=table["score"].where(table["months"] > 0, 99.0)))
        assert read(path).rows["score"].max() == 99.0
        assert read(path, "--missing", "99").rows["score"].isna().sum() == 12
    elif option in ("--wide", "--visits"):
        path = write("wide.csv", wide_table())
        times = "pre=0,b=6,c=12,d=24,post=36"
        data = read(path, "--wide", "score=score_{visit}", "--visits", times)
        assert sorted(set(data.rows["months"])) == [0.0, 6.0, 12.0, 24.0, 36.0]
        data = read(path, "--wide", "score=score_{visit}", "--visits", times.replace("36", "30"))
        assert data.rows["months"].max() == 30.0
    elif option == "--date":
        assert read(write("d.csv", dated_table()), "--date", "seen").rows["months"].max() == pytest.approx(
            36.0, abs=0.1
        )
    elif option == "--baseline":
        path = write("b.csv", dated_table()[table["months"] < 30])
        data = read(path, "--date", "seen", "--baseline", "referred")
        assert data.rows["months"].min() == pytest.approx(6.0, abs=0.1)
    elif option == "--date-format":
        path = write("f.csv", dated_table(days="%d/%m/%Y"))
        assert read(path, "--date", "seen", "--date-format", "%d/%m/%Y").rows["months"].max() < 37
        assert "not a date" in refuse(path, "--date", "seen", "--date-format", "%Y/%m/%d")
    elif option == "--show-values":
        path = write(
            "bad.csv", table.assign(score=table["score"].astype(str).where(table.index > 0, "fnord"))
        )
        assert "fnord" not in refuse(path)
        assert "fnord" in refuse(path, "--show-values")
    else:
        raise AssertionError(f"no check of {option}")


READING = (
    "--patients", "--sheet", "--encoding", "--delimiter", "--decimal", "--missing", "--wide", "--visits", "--date",
    "--baseline", "--date-format", "--show-values",
)  # fmt: skip
for _command in READERS:
    for _option in READING:
        if (_command, _option) != ("cohort", "--patients"):
            entry(_command, _option)(
                lambda bench, c=_command, o=_option: check_reading(bench, c, o)  # type: ignore[misc]
            )
    if _command != "check-data":
        _given = "--design" if _command == "cohort" else "--data"
        entry(_command, _given)(lambda bench, c=_command, o=_given: check_reading(bench, c, o))  # type: ignore[misc]


def _cohort_of(bench: Bench, command: str) -> None:
    """Rows are those of the cohort asked for; one that there is not is refused with what there is."""
    words = command.split()
    given = ("--models", "tasks_growth") if command == "fit" else ()
    data = bench.read(_LOAD, *words, "folmo2020", *given, "--cohort", "1")
    assert "001" in data.origin
    assert "cohort" in bench.refused(*words, "folmo2020", *given, "--cohort", "9999")


for _command in (
    "reanalyse",
    "fit",
    "claims",
    "stress",
    "simulate sbc",
    "simulate power",
    "simulate compare",
):
    entry(_command, "--cohort", slow=True)(lambda bench, c=_command: _cohort_of(bench, c))  # type: ignore[misc]


# Where each command arrives with its settings, and how they are called there.
_RUN = "bayes_alliance.run.pipeline.run_study"
ARRIVES: dict[str, tuple[str, tuple[object, ...]]] = {
    "reanalyse": (_RUN, ("reanalyse", "toy", "--out", "out", "--models", "growth")),
    "fit": (_RUN, ("fit", "toy", "--models", "growth")),
    "claims": ("bayes_alliance.claims.run.run_claims", ("claims", "toy", "--out", "out", "--stress", "none")),
    "stress": ("bayes_alliance.stress.run.run_stress", ("stress", "toy", "--out", "out")),
    "simulate sbc": (
        "bayes_alliance.simulation.sbc.simulate_sbc", ("simulate", "sbc", "toy", "--out", "out")
    ),
    "simulate power": (
        "bayes_alliance.simulation.run.simulate_power", ("simulate", "power", "toy", "--out", "out")
    ),
    "simulate compare": (
        "bayes_alliance.simulation.run.simulate_comparison", ("simulate", "compare", "toy", "--out", "out")
    ),
    "cohort": ("bayes_alliance.cohorts.ensemble.build_ensemble", ("cohort", "folmo2020", "--out", "out")),
}  # fmt: skip


def arrived(bench: Bench, command: str, *more: object) -> Any:
    """Return the settings of a command, or for ``cohort`` what it is called with."""
    target, words = ARRIVES[command]
    found = bench.reach(target, *words, *more)
    return argparse.Namespace(**found) if command == "cohort" else found["settings"]


def _enter_setting(command: str, option: str, value: str, get: Callable[[Any], object], want: object) -> None:
    def check(bench: Bench) -> None:
        assert get(arrived(bench, command)) != want
        assert get(arrived(bench, command, option, value)) == want

    entry(command, option)(check)


for _command in ARRIVES:
    _enter_setting(_command, "--seed", "4711", lambda found: found.seed, 4711)
for _command in ("claims", "cohort"):
    _enter_setting(_command, "--jobs", "7", lambda found: found.jobs, 7)
for _kind in ("sbc", "power", "compare"):
    _name = f"simulate {_kind}"
    _enter_setting(_name, "--jobs", "7", lambda found: found.workers.jobs, 7)
    _enter_setting(
        _name, "--scheduler", "tcp://nowhere:1", lambda found: found.workers.scheduler, "tcp://nowhere:1"
    )
    _enter_setting(_name, "--studies", "3", lambda found: found.studies, 3)
    _enter_setting(_name, "--models", "outcome", lambda found: found.model, "outcome")
    _enter_setting(_name, "--prior", "sceptical", lambda found: found.priors, ("sceptical",))
    if _kind != "sbc":
        _enter_setting(_name, "--estimand", "level", lambda found: found.estimand, "level")
_enter_setting("cohort", "--count", "3", lambda found: found.count, 3)
_enter_setting("stress", "--models", "outcome", lambda found: found.models, ("outcome",))
_enter_setting("stress", "--stress", "missing", lambda found: found.what, ("missing",))
_enter_setting("stress", "--likelihoods", "student", lambda found: found.likelihoods, ("student",))
_enter_setting("stress", "--prior", "sceptical", lambda found: found.prior, "sceptical")
for _command in ("reanalyse", "fit"):
    _enter_setting(_command, "--prior", "sceptical", lambda found: found.prior, "sceptical")
    _enter_setting(_command, "--engine", "collapsed", lambda found: found.engine, "collapsed")
    _enter_setting(_command, "--chains", "3", lambda found: found.sampler.chains, 3)
    _enter_setting(_command, "--sampler", "pymc", lambda found: found.sampler.sampler, "pymc")
    entry(_command, "--sample-effects")(
        lambda bench, c=_command: _flag(bench, c, "--sample-effects", lambda s: not s.sampler.marginal)  # type: ignore[misc]
    )
    entry(_command, "--draws")(lambda bench, c=_command: _draws_are_per_chain(bench, c))  # type: ignore[misc]


def _flag(bench: Bench, command: str, option: str, is_set: Callable[[Any], bool]) -> None:
    assert is_set(arrived(bench, command, option)) and not is_set(arrived(bench, command))


def _draws_are_per_chain(bench: Bench, command: str) -> None:
    """Of each of the chains for NUTS; as many in all without chains."""
    found = arrived(bench, command, "--draws", "60", "--chains", "3")
    assert (found.sampler.draws, found.sampler.chains, found.collapsed.draws) == (60, 3, 180)
    assert arrived(bench, command, "--draws", "60").collapsed.draws == 240


entry("reanalyse", "--exact")(lambda bench: _flag(bench, "reanalyse", "--exact", lambda s: s.exact))


@entry("reanalyse", "--spaghetti", slow=True)
def _(bench: Bench) -> None:
    """Whether patients' own lines are drawn, as the writer of the run's folder is told."""
    words = ("reanalyse", "toy", "--models", "growth", "--engine", "none", "--jobs", "1", "--out", "out")
    target = "bayes_alliance.show.run_folder.write_run"
    told = [bench.reach(target, *words, *more)["shown"].spaghetti for more in ((), ("--spaghetti",))]
    assert told == [False, True]


@entry("reanalyse", "--models")
def _(bench: Bench) -> None:
    """Two of the study's models, in the order asked for."""
    found = arrived(bench, "reanalyse", "--models", "outcome")
    assert set(found.models) == {"growth", "outcome"}


@entry("fit", "--models")
def _(bench: Bench) -> None:
    """The model whose numbers are given."""
    (found,) = bench.facts("fit", "toy", "--models", "outcome", "--engine", "none")["models"]
    assert found["model"] == "outcome"


@entry("reanalyse", "--jobs")
def _(bench: Bench) -> None:
    """As many processes as were asked for."""
    words = ("reanalyse", "toy", "--out", "out", "--models", "growth", "--engine", "none")
    assert bench.reach("bayes_alliance.runtime.pool.Pool", *words, "--jobs", "7")["jobs"] == 7


def _depth(bench: Bench, *more: str) -> object:
    return bench.reach(
        "bayes_alliance.cli.reanalyse.judge_claims", "reanalyse", "toy", "--out", "out", *more
    )["depth"]


@entry("reanalyse", "--quick", "--full")
def _(bench: Bench) -> None:
    """How far the claims are followed."""
    assert [_depth(bench, *more) for more in ((), ("--quick",), ("--full",))] == ["main", "verdicts", "full"]
    assert "not allowed with" in bench.refused("reanalyse", "toy", "--quick", "--full")


@entry("claims", "--quick", "--stress", slow=True)
def _(bench: Bench) -> None:
    """No multiverse and no stress tests, or those that are named."""
    words = ("claims", "toy", "--out", "out")
    target = "bayes_alliance.claims.run.run_claims"
    quick = bench.reach(target, *words, "--quick")
    assert (quick["settings"].depth, quick["more"]) == ("priors", None)
    assert bench.reach(target, *words)["settings"].depth == "full"
    assert bench.reach(target, *words, "--stress", "none")["more"] is None
    more = bench.reach(target, *words, "--stress", "conditioning")["more"]
    assert "conditioning" in str([cell.cell_contents for cell in more.__closure__])
    assert "did you mean 'missing'?" in bench.refused(*words, "--stress", "mising")


def _styled(bench: Bench, words: tuple[object, ...]) -> None:
    found = bench.reach("bayes_alliance.show.plots.style.choose_style", *words, "--style", "apa")
    assert list(found.values()) == ["apa"]


for _command, (_target, _words) in ARRIVES.items():
    if _command.startswith(("simulate", "claims", "stress")):
        entry(_command, "--style")(lambda bench, w=_words: _styled(bench, w))  # type: ignore[misc]
entry("printed", "--style")(lambda bench: _styled(bench, ("printed", "kokkeler2020")))


@entry("reanalyse", "--style", "--figures", "--captions", "--everything", "--share", "--no-share-draws", "--again",
       "--min-cell", "--out", "--quiet", "--json", slow=True)  # fmt: skip
def _(bench: Bench) -> None:
    """What a run leaves: a plain one, and one with every option on files."""
    words = (
        "reanalyse",
        "toy",
        "--engine",
        "collapsed",
        "--draws",
        "50",
        "--models",
        "growth",
        "--jobs",
        "1",
    )
    code, out, err = bench.run(*words, "--out", "plain")
    assert code in (0, 3) and out.startswith("toy: 1 models") and "[1/1] growth" in err
    plain, full = bench.folder / "plain", bench.folder / "full"
    code, out, err = bench.run(
        *words, "--out", "full", "--style", "column", "--figures", "pdf", "--captions", "inside", "--everything",
        "--share", "all.zip", "--min-cell", "7", "--quiet", "--json",
    )  # fmt: skip
    assert code in (0, 3) and json.loads(out)["folder"] == "full" and "[1/1]" not in err
    shown = [json.loads((folder / "manifest.json").read_text())["presentation"] for folder in (plain, full)]
    assert [one["style"] for one in shown] == ["journal", "column"]
    assert [one["min_cell"] for one in shown] == [0, 7]
    assert (
        not list(plain.rglob("*.pdf")) and list(full.rglob("*.pdf")) and not list(full.rglob("figures/*.png"))
    )
    assert (plain / "figures" / "captions.md").exists() and not (full / "figures" / "captions.md").exists()
    assert len(list(full.rglob("*.tex"))) > 5 > len(list(plain.rglob("tables/*.tex")))
    bench.run(*words, "--out", "plain", "--share", "few.zip", "--no-share-draws")
    names = [zipfile.ZipFile(bench.folder / f"{name}.zip").namelist() for name in ("all", "few")]
    assert [any(name.endswith(".nc") for name in found) for found in names] == [True, False]
    assert "nothing has changed" in bench.run(*words, "--out", "plain")[2]
    before = (plain / "report.html").stat().st_mtime_ns
    assert "nothing has changed" not in bench.run(*words, "--out", "plain", "--again")[2]
    assert (plain / "report.html").stat().st_mtime_ns > before


@entry("fit", "--profile", "--bootstrap", "--json", "--quiet", slow=True)
def _(bench: Bench) -> None:
    """Intervals that hold the estimate, a test by simulation, JSON alone on stdout, and no progress."""
    words = ("fit", "toy", "--models", "growth", "--engine", "none")
    plain = bench.facts(*words)
    assert "profile_intervals" not in plain and "slope_bootstrap" not in plain
    found = bench.facts(*words, "--profile", "--bootstrap", "19")
    assert all(one["lower"] < one["estimate"] < one["upper"] for one in found["profile_intervals"])
    assert found["slope_bootstrap"]["p"] == pytest.approx(1 / 20)
    drawn = ("fit", "toy", "--models", "growth", "--engine", "collapsed", "--draws", "50")
    assert "[1/1]" in bench.run(*drawn)[2] and bench.run(*words, "--quiet")[2] == ""
    assert (
        bench.run(*words, "--json", "f.json")[1].startswith("growth: score ~")
        and json.loads(Path("f.json").read_text()) == plain
    )


@entry("check-data", "--min-cell", "--json")
def _(bench: Bench) -> None:
    """Small groups are withheld; JSON in place of text."""
    facts = bench.facts("check-data", "toy", "toy/rows.csv")
    assert facts["ok"] and "0 (no): 6" in str(facts)
    assert "0 (no): 6" not in str(bench.facts("check-data", "toy", "toy/rows.csv", "--min-cell", "7"))
    assert "{" not in bench.run("check-data", "toy", "toy/rows.csv")[1]


def _new(bench: Bench, table: Path, *more: str) -> str:
    """Return the study file that new-study writes."""
    bench.run("new-study", table, "--out", "made", "--yes", *more)
    text = (bench.folder / "made" / "study.toml").read_text()
    for file in (bench.folder / "made").iterdir():
        file.unlink()
    return text


@entry("new-study", "--out", "--yes", "--patient", "--time", "--time-unit", "--outcome")
def _(bench: Bench) -> None:
    """Roles as they are stated, in the folder that is named."""
    path = write("plain.csv", frame().assign(code=frame()["patient"], weeks=frame()["months"] * 4))
    guessed = _new(bench, path)
    assert 'patient = "patient"' in guessed and 'time = "months"' in guessed
    assert 'patient = "code"' in _new(bench, path, "--patient", "code")
    assert 'time = "weeks"' in _new(bench, path, "--time", "weeks")
    assert 'time_unit = "fortnights"' in _new(bench, path, "--time-unit", "fortnights")
    outcomes = set(
        re.findall(r'formula = "(\w+) ~', _new(bench, path, "--outcome", "score", "--outcome", "weeks"))
    )
    assert outcomes == {"score", "weeks"}


@entry("new-study", "--sheet", "--encoding", "--delimiter", "--decimal", "--missing", "--wide", "--visits")
def _(bench: Bench) -> None:
    """A file is read as stated, and the study file says so."""
    table = frame()
    assert 'sheet = "rows"' in _new(bench, write("two.xlsx", table), "--sheet", "rows")
    raw = table.rename(columns={"score": "skår"}).to_csv(index=False)
    Path("dos.csv").write_bytes(raw.encode("cp850"))
    assert (
        'encoding = "cp850"' in (text := _new(bench, Path("dos.csv"), "--encoding", "cp850"))
        and "skår" in text
    )
    assert 'delimiter = "semicolon"' in _new(
        bench, write("s.csv", table, sep=";"), "--delimiter", "semicolon"
    )
    assert 'decimal = ","' in _new(bench, write("c.csv", table, sep=";", decimal=","), "--decimal", "comma")
    coded = write("coded.csv", table.assign(score=table["score"].where(table["months"] > 0, 99.0)))
    assert 'missing = ["99"]' in _new(bench, coded, "--missing", "99")
    times = ("--wide", "score=score_{visit}", "--visits", "pre=0,b=6,c=12,d=24,post=30")
    text = _new(bench, write("wide.csv", wide_table()), *times)
    assert "score_{visit}" in text and "horizon = 30" in text


@entry("new-cells", "--paste", "--model", "--table", "--number", "--to")
def _(bench: Bench) -> None:
    """The second table of a text becomes cells of the model and table that are named, in the file that is named."""
    tables = [
        f"<table><tr><td></td><td>b (SE)</td></tr><tr><td>Months</td><td>{cell}</td></tr></table>"
        for cell in ("9.99 (9.00)", "0.12 (0.03)")
    ]
    Path("paper.html").write_text("".join(tables))
    code, _, err = bench.run(
        "new-cells",
        "toy",
        "--paste",
        "paper.html",
        "--model",
        "growth",
        "--table",
        "IV",
        "--number",
        "2",
        "--to",
        "c.csv",
    )
    assert code == 0, err
    text = Path("c.csv").read_text()
    assert "0.12" in text and "9.99" not in text and "growth" in text and "\nIV," in text


@entry("audit", "--all", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Consistent findings too; tables in a folder; JSON."""
    code, few, _ = bench.run("audit", "kokkeler2020", "--quiet")
    assert code == 0 and "\nconsistent: " not in f"\n{few}"
    _, many, _ = bench.run("audit", "kokkeler2020", "--all", "--out", "a")
    assert "\nconsistent: " in f"\n{many}" and list(Path("a").glob("*.csv"))
    assert bench.facts("audit", "kokkeler2020")["source"] == "printed"


@entry("printed", "--prior", "--clusters", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Posteriors under the prior set that is named, with the groups that are named; files; JSON."""
    found = bench.reach(
        "bayes_alliance.run.printed_side.posterior_from_print", "printed", "folmo2020", "--prior", "flat"
    )
    assert list(found.values())[1] == ["flat"]
    assert "no such prior set" in bench.refused("printed", "kokkeler2020", "--prior", "sceptical")
    left_out = [str(bench.facts("printed", "kokkeler2020", *more)) for more in ((), ("--clusters", "4"))]
    assert left_out[0] != left_out[1]
    bench.run("printed", "kokkeler2020", "--out", "p", "--quiet")
    assert list(Path("p").glob("*.csv"))


@entry("stress", "--no-figures", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Tables without figures, in the folder that is named; no progress; JSON."""
    words = ("stress", "toy", "--models", "outcome", "--stress", "missing", "--out")
    code, _, err = bench.run(*words, "bare", "--no-figures", "--quiet")
    assert code == 0 and "[" not in err and list(Path("bare").glob("*.csv"))
    assert not list(Path("bare").glob("*.svg"))
    assert bench.facts(*words, "drawn")["study"] == "toy" and list(Path("drawn").glob("*.svg"))


@entry("claims", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Results in the folder that is named; no progress; JSON."""
    words = ("claims", "toy", "--quick", "--jobs", "1", "--out")
    code, out, err = bench.run(*words, "c", "--quiet")
    assert code == 0 and "writing" not in err and "Claim" in out and (Path("c") / "claims.csv").exists()
    assert len(bench.facts(*words, "d")["claims"]) == 6


def _simulated(bench: Bench, *more: str) -> list[dict[str, Any]]:
    words = (
        "simulate",
        "power",
        "toy",
        "--model",
        "outcome",
        "--studies",
        "2",
        "--jobs",
        "1",
        "--out",
        "p",
        "--quiet",
    )
    rows: list[dict[str, Any]] = bench.facts(*words, *more)["tables"]["power_outcome"]
    return rows


@entry("simulate power", "--engine", "--n-patients", "--marked", "--n-visits", "--effect", "--out", "--quiet", "--json",
       slow=True)  # fmt: skip
def _(bench: Bench) -> None:
    """A condition for each number that is asked for, without a posterior where the engine is none."""
    rows = _simulated(
        bench,
        "--engine",
        "none",
        "--n-patients",
        "14",
        "--marked",
        "female=4",
        "--n-visits",
        "3",
        "--effect=-2",
    )
    assert {row["condition"] for row in rows} == {
        "14 patients", "4 marked patients", "3 visits", "-2 points of effect"
    }  # fmt: skip
    assert {row["approach"] for row in rows} == {"ML", "REML"}
    assert list(Path("p").glob("*.csv"))


@entry("simulate sbc", "--engine", "--n-patients")
def _(bench: Bench) -> None:
    """What is calibrated, and on how many patients."""
    target, words = ARRIVES["simulate sbc"]
    found = bench.reach(target, *words, "--engine", "pymc", "--n-patients", "20")
    assert (found["engine"], found["n_patients"]) == ("pymc", 20)


@entry("simulate compare", "--engine", "--n-patients", "--scenarios")
def _(bench: Bench) -> None:
    """What is compared, where, and on how many patients."""
    target, words = ARRIVES["simulate compare"]
    found = bench.reach(target, *words, "--engine", "pymc", "--n-patients", "20", "--scenarios", "ceiling")
    assert (found["engines"], found["n_patients"], found["scenarios"]) == (["pymc"], 20, ["ceiling"])


for _kind in ("sbc", "power", "compare"):

    @entry(f"simulate {_kind}", "--deal")
    def _(bench: Bench, kind: str = _kind) -> None:
        """The settings say so, and only then."""
        target, words = ARRIVES[f"simulate {kind}"]
        assert bench.reach(target, *words, "--deal")["settings"].deal is True
        assert bench.reach(target, *words)["settings"].deal is False


@entry("simulate sbc", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Tables in the folder that is named; no progress; JSON."""
    words = ("simulate", "sbc", "toy", "--model", "outcome", "--studies", "2", "--jobs", "1")
    assert bench.facts(*words, "--out", "s", "--quiet")["source"] == "simulated"
    assert list(Path("s").glob("*.csv"))
    assert bench.run(*words, "--out", "s", "--quiet")[2] == ""


@entry("simulate compare", "--out", "--quiet", "--json", slow=True)
def _(bench: Bench) -> None:
    """Tables in the folder that is named; no progress; JSON."""
    words = (
        "simulate",
        "compare",
        "toy",
        "--model",
        "outcome",
        "--studies",
        "2",
        "--jobs",
        "1",
        "--scenarios",
    )
    assert "scenario ceiling is not possible" in bench.refused(*words, "ceiling", "--out", "s", "--quiet")
    possible = (*words, "no_slope_variance")
    assert bench.facts(*possible, "--out", "s", "--quiet")["source"] == "simulated"
    assert list(Path("s").glob("*.csv"))


@entry("cohort", "--out", "--keep-design", "--quiet", "--json")
def _(bench: Bench) -> None:
    """A design of real patients is kept only where that is said; the folder, progress and JSON arrive."""
    assert "--keep-design" in bench.refused("cohort", "folmo2020", "--design", "toy/rows.csv")
    assert "requires --design" in bench.refused("cohort", "folmo2020", "--keep-design")
    target, words = ARRIVES["cohort"]
    assert bench.reach(target, *words)["folder"] == Path("out")
    assert (
        bench.reach(target, *words, "--quiet")["report"].quiet
        and not bench.reach(target, *words)["report"].quiet
    )
    assert "option --json" in bench.refused("cohort", "folmo2020", "--json", "nowhere/x.json")


@entry("fit-large", "--models", "--engine", "--prior", "--draws", "--seed", "--jobs", "--scheduler", "--json",
       "--quiet", slow=True)  # fmt: skip
def _(bench: Bench) -> None:
    """One model under one prior set; draws of four chains, as in fit; the same draws from the same seed."""
    path = Path("rows.parquet")
    frame().assign(poor=(frame()["end"] < 60).astype(float)).to_parquet(path)
    words = ("fit-large", "toy", path, "--models", "growth", "--jobs", "1")

    def slope(*more: object) -> Any:
        found = bench.facts(*words, "--quiet", *more)
        return next(one["bayes"] for one in found["quantities"] if one["name"] == "months")

    assert bench.facts(*words, "--draws", "50")["draws"] == 200
    assert slope("--seed", "1") == slope("--seed", "1") != slope("--seed", "2")
    assert slope("--engine", "none") is None
    assert bench.facts(*words, "--prior", "sceptical")["prior"] == "sceptical"
    assert "one model is taken here" in bench.refused("fit-large", "toy", path, "--models", "growth,outcome")
    read = bench.reach(
        "bayes_alliance.run.large.gather.reduce_file", *words, "--scheduler", "tcp://nowhere:1"
    )
    assert (read["workers"].jobs, read["workers"].scheduler) == (1, "tcp://nowhere:1")
    assert bench.run(*words, "--engine", "none", "--quiet")[2] == ""


@entry("register", "--seed", "--jobs", "--out", "--quiet", "--json", "--check", slow=True)
def _(bench: Bench) -> None:
    """One registered study: a page and a table where they are asked for, another seed, other draws, JSON alone."""
    words = ("register", "bates2015", "--jobs", "1")
    before = set(Path().iterdir())
    found = bench.facts(*words)
    assert bench.facts(*words, "--seed", "1") != found == bench.facts("register", "bates2015", "--jobs", "2")
    assert bench.reach("bayes_alliance.claims.register.blind_test", *words[:2], "--jobs", "7")["jobs"] == 7
    assert set(Path().iterdir()) == before
    out, err = bench.run(*words, "--quiet", "--out", "made", "--json", "r.json")[1:]
    assert out and not err and json.loads(Path("r.json").read_text()) == found
    assert {path.suffix for path in Path("made").rglob("*") if path.is_file()} >= {".html", ".csv"}
    assert bench.run(*words)[2]
    assert "print again" in bench.run(*words, "--check", "--quiet")[1]


@entry("studies", "--json", "--verdicts")
def _(bench: Bench) -> None:
    """The studies that ship, as text and as JSON; with what print alone says of their claims."""
    verdicts = ("likely", "undecided")
    assert not any(word in bench.run("studies")[1] for word in verdicts)
    assert all(word in bench.run("studies", "--verdicts")[1] for word in verdicts)
    assert "folmo2020" in bench.run("studies")[1] and any(
        s["id"] == "medication" for s in bench.facts("studies")
    )


@entry("models", "--json")
def _(bench: Bench) -> None:
    """The models of a study, as text and as JSON."""
    assert "growth" in bench.run("models", "toy")[1]
    assert [one["id"] for one in bench.facts("models", "toy")] == ["growth", "outcome"]


def test_every_option_has_an_entry() -> None:
    """And no entry is left of an option that is gone."""
    assert set(ENTRIES) == set(all_options())


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(pair, id=" ".join(pair), marks=[pytest.mark.slow] if pair in SLOW else [])
        for pair in {check: pair for pair, check in ENTRIES.items()}.values()
    ],
)
def test_an_option_does_what_its_help_says(
    pair: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One entry of the table; options that share a check are run together."""
    ENTRIES[pair](make_bench(tmp_path, capsys, monkeypatch))

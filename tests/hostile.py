"""Formulas and study files written to do harm, or to break the reader."""

from __future__ import annotations

import keyword
from collections.abc import Iterator

from tests.corpus_study import STUDY

FORMULA = "goals ~ months + (months | patient)"
_CODE = (
    "__import__('os').system('touch pwned')",
    "exec('import os')",
    "eval('1+1')",
    "open('/etc/passwd')",
    "open('pwned', 'w')",
    "compile('1', '', 'eval')",
    "globals()",
    "getattr(months, '__class__')",
    "months.__class__.__mro__",
    "months.__class__.__base__.__subclasses__()",
    "().__class__",
    "np.load('x.npy')",
    "np.log(months)",
    "pd.read_pickle('x')",
    "log(months)",
    "I(months ** 2)",
    "C(paranoid)",
    "bs(months, df=4)",
    "poly(months, 40)",
    "scale(months)",
    "{months + 1}",
    "{__import__('os')}",
    "Q('months')",
    "`months`",
    "[x for x in months]",
    "lambda: 0",
    "(lambda: 0)()",
    "months if months else months",
    "months; import os",
    "months\nimport os",
    "months := 1",
    "months == 1",
    "months[0]",
    "months.real",
    "f'{months}'",
    '"months"',
    "'months'",
    "b'x'",
    "@months",
    "$(touch pwned)",
    "`touch pwned`",
    "| touch pwned",
    "&& touch pwned",
    "; touch pwned",
    "> pwned",
    "< /etc/passwd",
    "../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\win.ini",
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "%s%s%s%n",
    "{0.__class__}",
    "${jndi:ldap://127.0.0.1/x}",
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    "months\0",
    "months\u202e",
    "ｍonths",
    "mоnths",
    "months\u200b",
    "π",
    "∞",
    "1e999",
    "0x41",
    "1_000",
    "9" * 400,
    "-9",
    "1.5",
    "2",
    "months ** months",
    "months % 2",
    "months // 2",
    "months @ months",
    "~months",
    "!months",
    "months ~ age",
    "months,age",
    "months...",
    ".",
    "..",
    "*",
    "**kwargs",
    "*args",
    "_",
    "__builtins__",
    "__name__",
    "None.x",
    "undeclared",
    "os",
    "sys",
    "import os",
    "async def f()",
    "yield months",
    "raise Exception",
    "del months",
    "while True: pass",
    "months months",
    "(months",
    "months)",
    "((months)",
    "()",
    "(|)",
    "(months |)",
    "(| patient)",
    "(months || patient)",
    "(age | patient)",
    "(months * age | patient)",
    "(1 | patient / age)",
    "+".join(["(1 | patient)"] * 3),
    ":".join(["months"] * 90),
    "*".join(["months", "age", "gaf", "weight", "paranoid", "relapse"]),
    "(" * 200,
    "+" * 200,
    "months" * 100,
    "a" * 499,
)
_WHOLE = (
    "",
    " ",
    "~",
    "goals",
    "goals ~",
    "~ months",
    "goals ~ months",
    "goals ~ 0 + (1 | patient)",
    "goals ~ goals + (1 | patient)",
    "goals ~ patient + (1 | patient)",
    "goals + gaf ~ months + (1 | patient)",
    "log(goals) ~ months + (1 | patient)",
    "cbind(goals, gaf) ~ months + (1 | patient)",
    "version ~ months + (1 | patient)",
    "goals = months + (1 | patient)",
    "goals <- months + (1 | patient)",
    "goals ~ months + (1 | patient) + (1 | patient)",
    "goals ~ months - (1 | patient",
    "goals ~ ~ months + (1 | patient)",
    "__import__('os') ~ months + (1 | patient)",
    "goals ~ " + "+".join(f"x{i}" for i in range(200)) + " + (1 | patient)",
    "goals ~ months + (1 | patient)" + " " * 600,
    "goals ~ *".join(["months"] * 60),
)


def escape(text: str) -> str:
    """Write a text as a TOML basic string."""
    named = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    return '"' + "".join(named.get(c, f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text) + '"'


def formulas() -> Iterator[str]:
    """Every hostile formula: in place of a term, and as a whole."""
    for code in _CODE:
        yield f"goals ~ {code} + (1 | patient)"
    yield from _WHOLE


def _replaced(old: str, new: str) -> str:
    assert old in STUDY, old
    return STUDY.replace(old, new, 1)


# Names that engines, formulas or Python read as something else.
RESERVED = (
    *keyword.kwlist,
    *("Intercept", "intercept", "mu", "obs", "chain", "draw", "chol", "inf", "nan", "NA", "NaN"),
    *("sigma", "icc", "correlation", "sd_weight", "sd_", "weight__"),
)
_GROUPS = ("patient/age", "age/patient", "patient:age", "age", "version", "goals", "months", "nobody")
# Ways to read a data file that are none, and weights of no coefficient.
READING = (
    *(f"time_zero = {value}" for value in ("nan", "inf", '"x"', "[0]", "true", "1979-05-27", "{ a = 1 }")),
    *(f"missing = {value}" for value in ("3", "[nan]", "[true]", "[[1]]", '"99"', "[inf]", "{ a = 1 }")),
    *(
        f"recode = {value}"
        for value in ("{ goals = { a = nan } }", "{ goals = 3 }", "{ goals = { a = true } }", "[1]")
    ),
    'date = "when"\ntime_zero = 3',
    "date = 3",
    "date_format = []",
    "decimal = 1",
)
WEIGHTS = (
    '"months:age" = 1',
    '"paranoid:paranoid" = 1',
    '"months:months" = 1',
    '"months:paranoid[yes]" = 1',
    '"months:" = 1',
    '":paranoid" = 1',
    '"months*paranoid" = 1',
    '"months:paranoid:age" = 1',
    '"months:paranoid" = "1"',
    '"months:paranoid" = true',
    "mu = 1",
)
# Random parts that are no (1 | patient) or (months | patient).
RANDOM_PARTS = (
    *(f"({slope} | {group})" for slope in ("1", "months") for group in _GROUPS),
    *(f"(1 | patient) + (1 | {group})" for group in ("age", "patient", "version")),
    *(f"({slope} || patient)" for slope in ("1", "months", "1 + months")),
    *(
        f"({slope} | patient)"
        for slope in ("0", "0 + months", "age", "months + age", "months:age", "months*age", "-1")
    ),
    *(f"(months {sign} patient)" for sign in ("|||", "/", "+", "^", "~")),
    *(
        f"{name}(months) + (1 | patient)"
        for name in ("I", "C", "log", "poly", "bs", "scale", "offset", "eval", "open")
    ),
    *("(1 | patient", "1 | patient)", "((1 | patient))", "- (1 | patient)", "(| patient)", "(1 |)", ""),
)


RESIDUALS = (
    *("3", "[]", "{}", "true"),
    *(escape(text) for text in ("ar1(", "ar1()", "un(nothing)", "ar2(months)", "ar1(months) * eval(months)")),
    *(escape(text) for text in ("__import__('os')", "cs(" * 300, "ar1(months)" * 200, "var(months) ** 2")),
)
# Models of several levels or of uncorrelated effects: sound.
SOUND_PARTS = frozenset(
    {
        *(f"({slope} | {group})" for slope in ("1", "months") for group in ("patient/age", "age/patient")),
        "(1 | patient) + (1 | age)",
        *(f"({slope} || patient)" for slope in ("1", "months", "1 + months")),
        "(0 + months | patient)",
    }
)


def study_files() -> Iterator[str | bytes]:
    """Every hostile study file: formulas, paths, names, sizes, types, and what is no TOML at all."""
    for name in RESERVED:
        yield _replaced(
            "[[scoring]]", f'[variables.{name}]\nlevel = "visit"\nkind = "numeric"\n\n[[scoring]]'
        )
    for line in READING:
        yield _replaced('file = "sound.csv"', f'file = "sound.csv"\n{line}')
    for weight in WEIGHTS:
        yield _replaced('"months:paranoid" = 1', weight)
    for part in RANDOM_PARTS:
        if part in SOUND_PARTS:
            continue
        yield _replaced("goals ~ months + (months | patient)", f"goals ~ months + {part}")
    for formula in formulas():
        yield _replaced(escape(FORMULA), escape(formula))
    for residual in RESIDUALS:
        yield _replaced('id = "growth"', f'id = "growth"\nresidual = {residual}')
    for path in (
        "/etc/passwd",
        "../sound.csv",
        "../../../../etc/passwd",
        "a/../../sound.csv",
        "..\\sound.csv",
        "C:\\sound.csv",
        "\\\\host\\share\\sound.csv",
        "//host/share",
        "file:///etc/passwd",
        "~/x.csv",
        "sound.csv\0.png",
        "link.csv",
        "folder",
        "/dev/zero",
        "/proc/self/environ",
        "a" * 5000,
        "http://127.0.0.1:9/sound.csv",
        "s3://bucket/x.parquet",
    ):
        yield _replaced('file = "sound.csv"', f"file = {escape(path)}")
        yield _replaced('file = "sound.csv"', f'file = "sound.csv"\npatients = {escape(path)}')
    for name in ("../x", "/tmp/x", "a/b", "..", ".", "a b", "", "con\0", "<b>", "x" * 65, "é", "1x", "-rf"):
        yield _replaced('id = "corpus"', f"id = {escape(name)}")
        yield _replaced('id = "growth"', f"id = {escape(name)}")
    for name in ("sigma", "sd_x", "__class__", "a.b", "a-b", "os.system('x')", "x" * 65):
        yield _replaced("[variables.weight]", f"[variables.{escape(name)}]")
    for line in (
        'encoding = "zip"',
        'encoding = "hex"',
        'encoding = "../x"',
        'encoding = "os"',
        'encoding = "unicode_escape"',
        'delimiter = "x"',
        "sheet = 3",
        'missing = "99"',
        'wide = { goals = "(a+)+$" }',
        'wide = { goals = "{visit}{visit}" }',
        'wide = { goals = "{visit.__class__}" }',
        'wide = { goals = "{0}" }',
        'wide = ["goals_{visit}"]',
        "visits = { a = inf }",
        'visits = { a = "1" }',
        'baseline = "start"',
        "recode = { paranoid = 1 }",
        "recode = { paranoid = { ja = [] } }",
        'cohort = "cohort.toml"',
        'script = "run.py"',
        '__class__ = "x"',
    ):
        yield _replaced('file = "sound.csv"', f'file = "sound.csv"\n{line}')
    for old, new in (
        ("horizon = 36", "horizon = nan"),
        ("horizon = 36", "horizon = inf"),
        ("horizon = 36", "horizon = -1"),
        ("horizon = 36", f"horizon = {'9' * 5000}"),
        ("horizon = 36", "horizon = 1979-05-27"),
        ("horizon = 36", "horizon = [36]"),
        ("maximum = 60", f"maximum = {'9' * 400}"),
        ("maximum = 60", "maximum = true"),
        ("maximum = 7", "maximum = 0"),
        ("step = 0.25", "step = 0"),
        ('time = "months"', 'time = "version"'),
        ('patient = "patient"', 'patient = "nobody"'),
        ('instrument = "WAI"', 'instrument = "os"'),
        ('items = "wai{item}"', 'items = "wai{item.__class__}"'),
        ('items = "wai{item}"', 'items = "{item}{item}"'),
        ('subscales = ["goals"]', 'subscales = ["__class__"]'),
        ('categories = ["no", "yes"]', 'categories = ["no", "no"]'),
        ('categories = ["no", "yes"]', 'categories = ["[0]", "a:b"]'),
        ("sigma = 0.75", "sigma = 0"),
        ("lkj_eta = 2", "lkj_eta = -2"),
        ('name = "neutral"', 'name = "../neutral"'),
        ("[[models]]", "[models]"),
        ("[study]", "[study]\n[study]"),
        ("[study]", "[[study]]"),
        ("[study]", "study = 1\n[other]"),
    ):
        yield _replaced(old, new)
    yield from (
        "",
        "\0",
        "[" * 5000,
        "a = " + "[" * 5000,
        "a = " + "{a=" * 3000,
        "a." * 5000 + "b = 1",
        "x = " + "9" * 100_000,
        'x = "' + "y" * 2_000_001 + '"',
        "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
        "!!python/object/apply:os.system ['touch pwned']",
        "import os; os.system('touch pwned')",
        '{"study": 1}',
        b"\xff\xfe" + STUDY.encode("utf-16-le"),
        b"\x80\x04\x95cposix\nsystem\n(S'touch pwned'\ntR.",
        b"PK\x03\x04" + bytes(100),
        bytes(range(256)),
    )

"""The words and signs of printed cells, as patterns: labels of intervals, tests, p values, spreads, marks.

Standard library only.
"""

from __future__ import annotations

import re

OPEN = {"(": ")", "[": "]", "{": "}"}
ALPHA = r"[^\W\d_]"
LEVEL = r"(?P<level>[0-9]{2}(?:[.,][0-9])?)\s*%"
CI_NAME = r"(?:confidence intervals?|credible intervals?|C\.?I\.?|CrI|HDI|KI|VI|IC)"
CI = re.compile(
    rf"(?:{LEVEL}\s*[-–]?\s*{CI_NAME}|{CI_NAME}\s*\(?\s*(?P<after>[0-9]{{2}}(?:[.,][0-9])?)\s*%?\s*\)?"
    rf"|{CI_NAME})(?!{ALPHA})\s*[:=,]?\s*",
    re.IGNORECASE,
)
SPREAD = re.compile(
    r"(?P<se>SE[Mm]?|s\.\s?e\.?(?:\s?m\.?)?|std\.? ?err(?:or|\.)?|standard error)|(?P<sd>SD|s\.\s?d\.?|std\.? ?dev"
    r"(?:iation|\.)?|standard deviation)",
    re.IGNORECASE,
)
P = re.compile(
    r"[pP](?:[- ]?(?:value|val\.?))?\s*(?:\(\s*)?(?P<tails>one|two|1|2)?(?:[- ]?(?:tailed|sided)\s*)?\)?\s*"
    r"(?P<sign><=|>=|[<>=≤≥:])\s*"
)
TAILS = re.compile(r"\s*,?\s*\(?(?P<tails>one|two|1|2)[- ]?(?:tailed|sided)\)?", re.IGNORECASE)
QUARTILES = re.compile(r"(?:IQR|interquartile range|quartiles|Q1\s*-\s*Q3)\s*[:=,]?\s*", re.IGNORECASE)
BARE_P = re.compile(r"(?P<sign><=|>=|[<>≤≥=])\s*")
TEST = re.compile(r"(?P<kind>t|z|Wald z)(?=\s*(?:\(|=|:|_|[0-9]|\[))")
F = re.compile(r"F(?=\s*(?:\(|=|:|\[))")
CHI = re.compile(r"(?:Wald\s*)?(?:χ2|Χ2|X2|chi-?\s?squared?|chi2|chisq\.?)(?!\w)", re.IGNORECASE)
DF = re.compile(r"d\.?\s?f\.?\s*[=:]\s*", re.IGNORECASE)
LABEL = re.compile(
    r"(?:-2\s?LL|-2 log ?likelihood|-2 ?log ?L|log ?likelihood|LL|deviance|AICc?|BIC|ICC|R2|mean difference|"
    r"mean|MD|median|Mdn|est(?:imate|\.)?|coef(?:f(?:icient|\.)?)?|beta|Cohen's d|Hedges'? ?g|variance|var|"
    r"[bBβγMdgrρτσ])\s*[=:]\s*",
    re.IGNORECASE,
)
COUNT = re.compile(r"[nN]\s*=\s*")
MARK = re.compile(rf"#[0-9]{{1,2}}|[†‡§¶]+|(?<!{ALPHA})[a-k](?!{ALPHA})(?!\s*[=<>])|\^[a-k]")
STARS = re.compile(r"\*+")
NS = re.compile(r"n\.?\s?s\.?|not? significant|non-?significant", re.IGNORECASE)
RANGE = re.compile(r"\s*(?:to|till|until|bis|til|through|\.\.+|…|;|and)\s*", re.IGNORECASE)

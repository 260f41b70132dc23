"""The build of a clause, as a word of letters: "M0 beats M1 on T0" is "MVMpT".

A comparison is refuted only in one of the builds that the grammar was made for.
"""

import re

from archer.report.claims import rankings, sameness
from archer.report.claims.clause import Clause
from archer.report.claims.grammar import NEGATION, triggers

_BE = (
    r"(?:is|are|was|were|has|have|had|does|do|did|gets?|comes?|goes|ranks?|ranked|scores?|finish\w*|"
    r"ends?|remains?|stays?|stands?|sits?|shows?|reach\w*|takes?|places?|placed|lands?)"
)
_LETTERS = (
    (
        "p",
        r"(?:on|in|at|for|by|of|among|amongst|across|from|within|to|under|with|than|over|behind|as)",
    ),
    ("c", _BE),
    ("&", r"(?:and|,|;|:|\(|\)|—|–)"),
)
_END = r"(?:[p&]?N)?"
_BUILDS = re.compile(
    "|".join(
        (
            rf"(?:p?T&?|pM&|pN&|c)?M[T&]?c?p?K(?:p?M)?(?:p?TT?|p)?(?:p?M|&pM)?{_END}",  # M is best
            rf"Kp?M?(?:p?M)?cp?T|MKp?cp?T|Kp?T[c&K]*p?M{_END}|K&M{_END}",  # the best on T is M
            rf"TcKp?M?{_END}|TKM{_END}|Kp?T|KTKM{_END}",
            rf"(?:p?T&?|pM&)?M?[T&]?c?n?V(?:p?M)?(?:p?TT?)?(?:p?M)?(?:p?T)?{_END}",  # M beats M
            r"(?:pT&?)?[McT]*S(?:p?M)?(?:p?T)?",  # M is unchanged
            r"[cpT&]*M(?:&?M)+(?:p?T)?",  # A > B > C
            r"(?:c&)?(?:T&?)?[McVTp]*&?R[VpTM]*",  # gains of R
            r"(?:p?T&?)?Mn?c?NV?(?:p?T)?",  # three of five M are above N
            r"MV(?:p?T)?pNpN|MVNp?T|M(?:p?T)?pNc?K(?:p?M)?|Mc?Kp?T&T",  # M improves T from N to N
        )
    )
)


def known(clause: Clause) -> bool:
    """Is the clause built as one of those that a comparison may be refuted in?"""
    return bool(_BUILDS.fullmatch(shape(clause)))


def shape(clause: Clause) -> str:
    """M, T, N, R: names and figures; K: a place; V: a direction; S: sameness; n: a negation;

    p: prepositions, c: verbs of being, &: joints. All other words are left out.
    """
    text = clause.text
    marks = {m.start(): ("K", m.end()) for m in rankings.PLACE.finditer(text)}
    marks |= {m.start(): ("K", m.end()) for m in rankings.WIDEST.finditer(text)}
    marks |= {m.start(): ("S", m.end()) for m in sameness.ANY.finditer(text)}
    marks |= {t.start: ("V", t.end) for t in triggers(text) if t.start not in marks}
    marks |= {m.start(): ("n", m.end()) for m in NEGATION.finditer(text) if m.start() not in marks}
    out, at = "", 0
    for word in re.finditer(r"\b[MTNR]\d+|[\w'-]+|[^\w\s]", text):
        if word.start() < at:
            continue
        if word.start() in marks:
            letter, at = marks[word.start()]
            out += letter
        elif re.fullmatch(r"[MTNR]\d+", word[0]):
            out += word[0][0]
        else:
            out += next((k for k, p in _LETTERS if re.fullmatch(p, word[0])), "")
    return re.sub(r"([pc&])\1+", r"\1", out).strip("&")

"""A sentence cut into clauses."""

import re
from dataclasses import replace

from archer.report.claims import rankings
from archer.report.claims.clause import Context
from archer.report.claims.grammar import triggers
from archer.report.claims.mentions import Skeleton
from archer.report.claims.scopes import MOST

_VERB = (
    r"(?:(?:clearly |slightly |also |even |only |just |again |then |"
    r"marginally |substantially |strongly |significantly )?(?:is|are|"
    r"was|has|have|does|scor\w+|reach\w+|"
    r"improv\w+|hurt\w*|los\w+|lift\w*|boost\w*|beat\w*|trail\w*|lag\w*|"
    r"fall\w*|drop\w*|ris\w+|gain\w*|help\w*|add\w*|cost\w*|rank\w*|"
    r"lead\w*|win\w*|match\w*|outperform\w*|exceed\w*|"
    r"underperform\w*|degrad\w+|worsen\w*|reduc\w+|increas\w+|decreas\w+|"
    r"declin\w+|com(?:es|ing)|stay\w*|remain\w*|leav\w+|keep\w*|get\w*|"
    r"achiev\w+|surpass\w*|top\w*|damag\w+|harm\w*|sacrific\w+|giv\w+|"
    r"shows?|nearly|almost|doubl\w+|halv\w+|best|worst|last|first|second|third|fourth|fifth|"
    r"sixth|seventh|eighth|"
    r"lowest|highest|worse|better|lower|higher|rais\w+|slip\w*|jump\w*|"
    r"climb\w*))\b"
)


_SPLIT = re.compile(
    r"\s*(?:;|\s—\s|\s–\s|\s-\s|,? (?:but|while|whereas|although|though|"
    r"yet|however|so|even though|and yet|despite|because|since|so that|"
    r"with only)(?: at same time)?\b|"
    rf", (?:and|with) (?=(?:M|T)\d)|,? where (?=on T\d)|,? and (?=M\d+,? "
    rf"(?:on T\d+ )?{_VERB})|,? and (?=(?:on|in|for) T\d+,? )|,? and "
    rf"(?={_VERB})|,? and (?=T\d+ {_VERB})|"
    rf", (?={_VERB})|, (?=(?:on|in) T\d+ (?:M\d|(?:it |they )?(?:{_VERB}|as good|as bad)))|"
    rf", (?=M\d+ (?:on T\d+ )?{_VERB}(?! (?:and|respectively)))|\. )\s*"
)


_INTRO = re.compile(
    r"^(?:and |but |however,? )?(?P<w>compared (?:to|with)|relative "
    r"to|versus|vs\.?|against|over|measured against|with respect to|"
    r"taking|next to|starting from|set against|unlike|in contrast to|"
    r"contrary to)"
    r" M(?P<m>\d+)(?: (?:as baseline|as reference))?[,:]? (?P<rest>.*)$"
)


_STEP = re.compile(
    r"\b(?:(?:moving|going|switching|scaling|stepping|changing|passing|"
    r"replacing|upgrading) )?from M(?P<a>\d+) to M(?P<b>\d+)(?! \()|"
    r"(?<!→ )(?<![>] )\bM(?P<c>\d+) ?→ ?M(?P<d>\d+)(?! ?[→(])"
)


_COST = re.compile(
    r",? ?(?:but )?\b(?:at (?:cost|expense|price) of|trading (?:away|"
    r"off)|in exchange for|(?:while |by )?sacrificing|(?:while |by )?giving "
    r"up)\b(?P<rest>.*)$"
)


def clauses(s: Skeleton, here: Context) -> tuple[list[str], Context]:
    """The clauses of a skeleton, with an opening "compared with M," taken as the reference."""
    text = s.text
    intro = _INTRO.match(text)
    if intro:
        if intro["w"] not in ("unlike", "in contrast to", "contrary to"):
            here = replace(here, base=s.models[int(intro["m"])])
        text = intro["rest"]
    text = re.sub(
        r"\b(best|top|highest|strongest|first) and (worst|bottom|lowest|weakest|last)\b",
        r"\1-and-\2",
        text,
    )
    text = re.sub(r"^((?:of|among|amongst|within|out of) M\d+), (?=M)", r"\1 : ", text)
    text = re.sub(rf"^((?:of|among|amongst|within) (?:its )?T\d+), (?=M\d+ {MOST})", r"\1 : ", text)
    text = re.sub(r"^((?:with|at|scoring|averaging) [^M,]*), (?=M)", r"\1 : ", text)
    text = re.sub(r"\b((?:in|with|on|for|under|at) pick\d+), (?=[MTN]\d)", r"\1 ", text)
    text = re.sub(r"\b(M\d+), ((?:(?:in|with|for|under) )?pick\d+), ", r"\1 \2 ", text)
    step = _STEP.search(text)
    old, new = (step["a"] or step["c"], step["b"] or step["d"]) if step else (None, None)
    if step and old and new and s.models[int(old)].single and s.models[int(new)].single:
        here = replace(here, base=s.models[int(old)])
        text = text[: step.start()] + f"M{new}" + text[step.end() :]
    pieces = [p.strip(" ,") for p in _SPLIT.split(text) if p and p.strip(" ,")]
    pieces = [part for piece in pieces for part in _at_colon(piece)]
    out: list[str] = []
    for piece in pieces:
        cost = _COST.search(piece)
        if cost and cost.start() > 0:
            out.append(piece[: cost.start()].strip())
            out.append("hurts " + cost["rest"].strip())
        else:
            out.append(piece)
    return _rejoin(out), here


def _at_colon(piece: str) -> list[str]:
    """Two clauses, where both sides of a colon say something of somebody."""
    left, colon, right = piece.partition(": ")
    both = all(re.search(r"\b[MT]\d", x) and _says_something(x) for x in (left, right))
    subject = re.match(r"(?:its?|they|no|on|in|at|with|there|M\d+|T\d+) ", right)
    return [left, right] if colon and both and subject else [piece]


def _says_something(text: str) -> bool:
    return bool(rankings.PLACE.search(text) or any(t.sign for t in triggers(text)))


def _rejoin(pieces: list[str]) -> list[str]:
    """A piece with a figure or a name but nothing said of it belongs to the one before."""
    out: list[str] = []
    for piece in pieces:
        bare = not re.search(r"[MTNR]\d", piece) or re.fullmatch(r"(?:M|N)\d+", piece)
        if out and bare and piece.count(" ") < 4 and not triggers(piece):
            out[-1] += ", " + piece
        else:
            out.append(piece)
    return out

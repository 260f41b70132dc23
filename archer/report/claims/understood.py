"""Is every word of a clause one that the grammar knows?"""

import re

from archer.report.claims import rankings, ratios, sameness
from archer.report.claims.clause import Clause
from archer.report.claims.grammar import NEGATION, triggers

# Words that hang on to a statement without moving it, in plain groups.
_SMALL = """
on in for at of by with from to than over vs versus against across under above below behind ahead
as into upon between among amongst within beyond around through during per via
and but while whereas however yet though although so thus hence too also moreover meanwhile because
overall further furthermore notably indeed instead finally
"""
_VERBS = """
is are was were be been being has have had does do did gets get got gives give given comes come came
goes go went puts put shows show reaches reach reached scores score scored scoring achieves achieve
achieved achieving obtains obtain obtained attains attain records posts hits hit manages manage
sits sit stands stand lands land lies lie brings bring makes make leaves leave averages averaging
performs perform delivers deliver yields yield sees see takes take keeps keep holds hold finishes
finish ends end starts stays stay remains remain buys earns provides offers
comes allowing turning using compared applying
"""
_ADVERBS = """
only just clearly slightly strongly marginally considerably much far well little nearly almost
about roughly around approximately again even still both all each every up down out back off simply
already significantly substantially notably dramatically markedly modestly sharply massively
visibly easily
narrowly barely consistently uniformly practically essentially virtually respectively here now
firmly squarely closely neck completely entirely absolutely single-handedly outright
interestingly surprisingly importantly unsurprisingly together away most more less by
"""
_NOUNS = """
update updates saturated ground worth included including dead scaling bottleneck uniform pattern
close near ceiling followed good bad tie outcome picture verdict
whose solved solves headline perspective standpoint view
accuracy accuracies score scores point points pp result results performance value values absolute
relative terms average mean recall task tasks table margin gap difference change effect
it its itself they their them this that these those which rule rules model models variant variants
baseline i.e e.g i.e. x s t place spot position level rate learning memory state update architecture
architectures agent agents detector class column cell price trade-off takeaway finding findings
insight key main rank ranks ranked order ordering ranking place placed
side sole single whole field pack rest group family kind type number numbers
us insight key main best summary executive note observation conclusion step field we our see there
small tiny large big modest clear slight consistent considerable huge massive substantial
dramatic solid strong weak mere sharp
"""
_KNOWN = frozenset(" ".join((_SMALL, _VERBS, _ADVERBS, _NOUNS)).split())


# Known words that make a comparison one of something else, or only nearly one.
_TURNS = """
more less most nearly almost practically essentially virtually together close near good bad tie
that this these those which whose there both even still gap margin difference change effect
learning rate memory alone because perspective standpoint view worth
"""
_TURNING = frozenset(_TURNS.split())


def understood(clause: Clause) -> bool:
    """No word and no loose number is left once names, figures and the grammar's words are out."""
    words = _words_left(clause)
    return words is not None and words <= _KNOWN


def settled(clause: Clause) -> bool:
    """No word that turns a comparison into another one: "nearly beats", "improves, less than M"."""
    return not _TURNING & (_words_left(clause) or set())


def _words_left(clause: Clause) -> set[str] | None:
    """Words that neither a name nor the grammar has taken; None when a loose number is left."""
    text = re.sub(r"^[^:\d]*: ", "", clause.text)
    text = re.sub(r"\b(?:out )?of \d\b|\bexactly\b", " ", text)
    text = re.sub(r"\b(?:\d[- ]task|1 (?:pattern|thing|finding|exception|surprise))\b", " ", text)
    for pattern in (rankings.WIDEST, rankings.PLACE, sameness.ANY, ratios.ANY, NEGATION):
        text = pattern.sub(lambda m: " ".join(re.findall(r"[MTNR]\d+", m[0])) + " ", text)
    for trigger in reversed(triggers(text)):
        text = text[: trigger.start] + " " + text[trigger.end :]
    text = re.sub(r"(?<=N\d )(?:bleu|map|ap|auc|rouge|iou|miou|f1|elo|acc)\b", " ", text)
    text = re.sub(r"\b[MTNR]\d+\b", " ", text)
    if re.search(r"\d", text):
        return None
    return set(re.findall(r"[a-z][a-z.'-]*[a-z]|[a-z]", text))


def simple(clause: Clause) -> bool:
    """One figure at most, two single models at most, one task at most: nothing can be mixed up."""
    s, models = clause.skeleton, clause.models()
    named = {t.names for t in s.tasks}
    figures = len(clause.find("N")) + 2 * len(clause.find("R"))
    between = bool(re.search(r"\b(?:between|apart|each other)\b", clause.text))
    plain = all(m.single or (between and len(m.names) == 2) for _, _, m in models)
    here = {n for _, _, m in models for n in m.names}
    subject = clause.context.subject
    carried = clause.context.near or re.match(r"(?:it|its|this|that|they|their)\b", clause.text)
    spoken = {n for m in s.models for n in m.names if m.single or m.quant == "each"}
    spoken |= set(subject.names) if subject is not None and carried else set()
    alone = not here or spoken <= here
    return plain and alone and figures <= 1 and len(models) <= 2 and len(named) <= 1

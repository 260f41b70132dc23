"""The words that carry direction, in one place."""

import re
from dataclasses import dataclass

UP_VERB = (
    r"improv(?:es?|ed|ing)|gain(?:s|ed|ing)?|ris(?:es?|ing|en)|rose|"
    r"increas(?:es?|ed|ing)|climb(?:s|ed|ing)?|"
    r"grows?|grew|growing|jump(?:s|ed|ing)?|lift(?:s|ed|ing)?|boost(?:s|"
    r"ed|ing)?|rais(?:es?|ed|ing)|"
    r"help(?:s|ed|ing)?|benefit(?:s|ed|ing)?|adds?|adding|added|surges?|"
    r"surged|enhanc(?:es?|ed|ing)|soars?|soared|"
    r"strengthen(?:s|ed|ing)?|leaps?|leapt|bumps?|goes up|went up|moves "
    r"up|is up|are up|picks up|pushes|pushed"
)
_UP_OVER = (
    r"beats?|beaten|beating|outperform(?:s|ed|ing)?|exceed(?:s|ed|ing)?|"
    r"surpass(?:es|ed|ing)?|outscor(?:es?|ed|ing)|"
    r"outdo(?:es)?|outranks?|edges? out|edged out|overtakes?|overtook|"
    r"eclips(?:es?|ed)|dominat(?:es?|ed|ing)|"
    r"outpac(?:es?|ed)|outstrips?|wins? (?:over|against)|defeats?|bests|"
    r"leads(?= M)|tops(?= M)|pulls ahead of|comes out ahead of|"
    r"has edge over|does better than"
)
_UP_ADJ = (
    r"higher|better|stronger|superior|greater|ahead|above|more accurate|"
    r"larger|(?<=N\d )over(?= M)|advantage|edge|lead|"
    r"improvements?|increase|gains?|lift|boost|jump|rise|benefit|uplift|"
    r"positive(?= (?:on|for|in|across) T)|uptick|increment|bonus|surplus|headroom"
)
DOWN_VERB = (
    r"drop(?:s|ped|ping)?|fall(?:s|en|ing)?|fell|decreas(?:es?|ed|ing)|"
    r"declin(?:es?|ed|ing)|degrad(?:es?|ed|ing)|"
    r"reduc(?:es?|ed|ing)|hurt(?:s|ing)?|harm(?:s|ed|ing)?|damag(?:es?|"
    r"ed|ing)|worsen(?:s|ed|ing)?|costs?|costing|"
    r"shrinks?|sinks?|slip(?:s|ped)?|dip(?:s|ped)?|regress(?:es|ed)?|"
    r"los(?:es?|t|ing)|suffer(?:s|ed|ing)?|"
    r"sacrific(?:es?|ed|ing)|gives? (?:up|back)|gave (?:up|back)|pays?|"
    r"paid|forfeits?|surrenders?|deteriorat(?:es?|ed|ing)|impairs?|impaired|"
    r"weaken(?:s|ed|ing)?|"
    r"lowers|lowered|lowering|plunges?|plummets?|plummeted|collaps(?:es|"
    r"ed)|sheds|erod(?:es|ed)|cuts?|goes down|went down|is down|are "
    r"down|"
    r"tank(?:s|ed)|concedes?|undermines?|crater(?:s|ed)?"
)
_DOWN_OVER = (
    r"trail(?:s|ed|ing)?|lag(?:s|ged|ging)?(?: behind)?|underperform(?:s|"
    r"ed|ing)?|loses? to|lost to|falls? (?:behind|short of|below)|"
    r"fell (?:behind|short of|below)|drops? below(?= M)|comes? in below|"
    r"undershoots?|does worse than"
)
_DOWN_ADJ = (
    r"negative(?= (?:on|for|in|across) T)|lower|worse|weaker|inferior|below|behind|"
    r"(?<=N\d )under(?= M)|"
    r"smaller|less accurate|short of|drop|decrease|decline|loss(?:es)?|"
    r"deficit|degradation|reduction|regression|dip|penalty|fall|shortfall|setback|cost|hit"
)
_EVEN = (
    r"differ(?:s|ed)?|mov(?:es?|ed)|chang(?:es?|ed)|shift(?:s|ed)?|var(?:y|"
    r"ies|ied)|deviat(?:es?|ed)|gap|difference|margin|"
    r"distance|change|separat(?:es?|ed|ion)|spread|δ|apart|discrepancy|shift|swing"
)


@dataclass(frozen=True)
class Trigger:
    """A word of direction in a clause: sign +1, -1 or 0; over: the other model is its object."""

    start: int
    end: int
    word: str
    sign: int
    over: bool
    verb: bool


_ALL = re.compile(
    rf"(?P<up_arrow>↑|▲)|(?P<down_arrow>↓|▼)|\b(?:(?P<up_over>{_UP_OVER})|"
    rf"(?P<down_over>{_DOWN_OVER})|(?P<up_verb>{UP_VERB})|(?P<down_verb>{DOWN_VERB})"
    rf"|"
    rf"(?P<up_adj>{_UP_ADJ})|(?P<down_adj>{_DOWN_ADJ})|(?P<even>{_EVEN}))(?!\w)"
)


def triggers(text: str) -> list[Trigger]:
    found = []
    for m in _ALL.finditer(text):
        kind = m.lastgroup or ""
        sign = 1 if kind.startswith("up") else -1 if kind.startswith("down") else 0
        found.append(
            Trigger(m.start(), m.end(), m[0], sign, kind.endswith("over"), not kind.endswith("adj"))
        )
    return found


NEGATION = re.compile(
    r"\b(?:not|no|never|fails? to|failed to|without|cannot|neither|nor|"
    r"hardly|barely|rather than|instead of|nothing|nowhere|stops? short "
    r"of|far from|lack(?:s|ing)?)\b"
)
PREDICTION = re.compile(
    r"\b(?:we (?:would )?expect|(?:is|are|was|were) expected|expected "
    r"(?:to|impact|effect|gain|change|lift|improvement|result|outcome|"
    r"score)|"
    r"expect(?:s|ing)? |expectation|should|shall|will|would|could|might|"
    r"may|hypothes\w+|predict\w*|anticipat\w+|forecast\w*|"
    r"plan(?:s|ned|ning)?|propos\w+|aim(?:s|ed|ing)?|target(?:s|ed|ing)?|"
    r"goal|hop(?:e|es|ing|ed)|likely|potential(?:ly)?|"
    r"next step|future|conjectur\w+|suspect|suppose|speculat\w+|projected|"
    r"estimated to|ought to|to be tested|todo|try (?:to|whether))\b"
)
FACT_AFTER_ALL = re.compile(
    r"\b(?:should (?:also )?be noted|noteworthy|as (?:expected|predicted|"
    r"anticipated|hoped|hypothesi[sz]ed)|(?:than|against|contrary to|"
    r"despite) (?:expected|expectations?|predictions?|hopes)|"
    r"unexpected(?:ly)?|in line with expectations?|expectedly|may (?:also "
    r")?(?:be seen|be surprising)|hopefully not)\b"
)
PREDICTION_HEADING = re.compile(
    r"\b(?:expected|prediction|next steps?|future|plans?|proposal|proposed|"
    r"hypothes\w+|what to try|to do|todo|outlook|expectations?|roadmap|"
    r"ideas?|recommendations?)\b",
    re.IGNORECASE,
)
CONTRAST = re.compile(
    r"^(?:but|however|yet|instead|in fact|in reality|measured|observed|in practice|although in)\b"
)
# Words that move the statement away from the cells of the table.
ELSEWHERE = re.compile(
    r"\b(?:if|unless|epochs?|validation|training|train|loss(?:es)? (?:curve|"
    r"function|value|landscape)|(?:test|eval\w*|cross-entropy|final|"
    r"lm) loss|perplexity|ppl|seed-to-seed|vocab\w*|paper|published|"
    r"literature|independent (?:run|result|repro|repli|table|number|implement)\w*|"
    r"reproduction|replication|"
    r"previous(?:ly)?|earlier|prior|per-setting|settings?|difficult\w*|"
    r"lengths?|variance|std|standard deviation|median|correlat\w*|"
    r"param\w*|flops|speed|faster|slower|throughput|latency|seconds|"
    r"converg\w*|random guess\w*|chance|unknowngroup|"
    r"last (?:week|month|year|run|report|time)|quick preset|preset|claim(?:s|"
    r"ed)?|reported|allegedly|supposed(?:ly)?|"
    r"half of|quarter of|error rate|errors?|per token|checkpoint|initiali[sz]ation|"
    r"gradient|tuned|untuned|(?<!clean )sweep|swept|"
    r"compute|wall[- ]clock|memory footprint|state size|sd|deviations?|standard error|σ|"
    r"statistical(?:ly)?|"
    r"significan\w+|p-value|confidence|intervals?|ci|noise floor|upper bound|"
    r"maximum possible|perfect)\b"
)
# What the grammar does not follow: it may confirm, but not refute, in such a clause.
MUDDY = re.compile(
    r"\b(?:except(?:ing|ion)?|aside|apart from|other than|besides|excluding|"
    r"excluded|muddy|onlyones|anywhere|elsewhere|otherwise|respective|"
    r"mostly|partly|in part|sometimes|alternat\w+|some|several|"
    r"combined|together|sum|total|cumulative|additional|another|further|"
    r"extra|remaining|"
    r"of which|whose(?! T\d)|closest|nearest|next[- ]best|third of(?! \d)|two-thirds|"
    r"(?<!N\d )(?<!N\d\d )(?:more|less|as (?:much|little|well)) (?:than|as) M\d+(?! N)|"
    r"percentile|normali[sz]ed|weighted|harmonic|geometric|relative "
    r"rank|mean of)\b|"
    r"M\d+ (?:(?:\+|and) )?M\d+|\bor\b|\b(?:adding|add) M\d+ (?:on )?to M|"
    r"\b(?:gain|drop|improvement|gap|lift|increase|decrease|loss|difference|"
    r"effect|regression|jump|margin|change|boost|decline|advantage|penalty|deficit|lead|"
    r"cost)s?\b[^;]*\b(?:larger|bigger|greater|smaller|deeper|stronger|"
    r"weaker|higher|lower)\b|"
    r"\bon (?!T\d|M\d|N\d|R\d|par\b|top\b|other hand|balance|whole|its\b|"
    r"level|contrary|each|either|this|that|it\b|these|those|same|one\b|"
    r"\d|back|account|basis|equal|track|display|paper\b|our|both|all\b)[a-z]"
)
FOREIGN = re.compile(
    r"\b(?:[Mm]amba|[Hh]yena|[Tt]ransformers?|RWKV|GLA|[Mm]esa[Nn]et|"
    r"[Tt]itans?|[Aa]tlas|[Rr]et[Nn]et|LSTM|GRU|[Ll]lama|GPT|S4|S5|H3|"
    r"[Ll]inear attention|[Ff]ull attention|xLSTM|[Gg]riffin|[Hh]awk|"
    r"[Ll]ongformer|[Pp]erformer|TTT|DeltaProduct|"
    r"[A-Z][a-z]+[A-Z]\w+|[A-Z]{2,}-?\d+)\b"
)
STRONG = re.compile(
    r"\b(?:substantial(?:ly)?|dramatic(?:ally)?|massive(?:ly)?|large|"
    r"big|huge(?:ly)?|far|consistent(?:ly)?|marked(?:ly)?|"
    r"considerabl[ye]|clear(?:ly)?|strong(?:ly)?|drastic(?:ally)?|major|"
    r"sharp(?:ly)?|vast(?:ly)?|meaningful(?:ly)?|much|notabl[ye]|noticeabl[ye])\b"
)

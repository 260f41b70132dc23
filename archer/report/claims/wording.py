"""One wording for many: "takes the crown", "brings up the rear", "edges past" in plain words.

Applied to a sentence whose names and numbers are lifted out, before groups are.
"""

import re

_BE = r"(?:is|are|was|were|sits?|stands?|lands?|lies|comes?|came|finish\w*|ends?(?: up)?|remains?)"
_TAKES = (
    r"(?:takes?|took|taking|claims?|claimed|earns?|grabs?|secures?|holds?|held|occup(?:y|ies|ied)|"
    r"gets?|captures?|wears?|owns?|has|have|keeps?|wins?|won|retains?)"
)
_FIELD = (
    r"(?: (?:of|in) (?:the )?(?:table|ranking|list|pack|field|board|standings|leaderboard|column))?"
)
_ANYBODY = (
    r"(?:any(?:body|one|thing)?(?: else)?|any (?:other )?(?:model|rule|variant|row|system|method)|"
    r"nobody|no one)"
)
_BEATEN = r"(?:surpassed|beaten|matched|reached|equal+ed|topped|exceeded|bettered|approached)"

_SAYINGS = (
    # quantities
    (r"\bnot (?:1|a single|any)(?: one)? of\b", "none of"),
    (r"\bnot (?:1|a single)\b(?! of)", "no"),
    (r"\bevery 1 of\b", "all of"),
    (r"\banywhere (?=from|between|in|R\d)", ""),
    (
        r"\b(twice|half|double|triple|N\d+) as (?:well|good|high|accurate|strong) as (?=(?:the "
        r")?M\d)",
        r"\1 ",
    ),
    (
        r"\b(T\d+ )?(?:over|across|on|for) (?:the )?(?:whole |entire |full )?(?:suite|benchmark)\b",
        r"\1",
    ),
    (r"\b(?:each and every|every single|each single|every last)\b", "every"),
    (r"\b(?:the |a )?(?:vast |clear |large )?majority of\b", "most of"),
    (r"\bas many as (\d)\b", r"\1"),
    (r"\bno (?:fewer|less) than (\d)\b", r"at least \1"),
    (r"\bno[ -]one\b", "nobody"),
    (r"(?:, )?\bwithout (?:any )?exceptions?\b,?", " "),
    (r"\bon (?:the )?average\b", "on average"),
    (r"\b(?:kinds|types|forms|flavou?rs|variants|sorts) of recall\b", "recall tasks"),
    (
        r",? (?:if|albeit|even if|although|though)(?: only| just)? (?:by )?(?:an? |the )?(?:very )?"
        r"(?:(?:small|slim|narrow|thin|tiny|slight|modest|wafer-thin) )?"
        r"(?:margins?|hair|whisker|marginally|slightly|barely|narrowly|little)\b,?",
        " ",
    ),
    (
        r"\b(?:when |as |if )?(?:measured|compared|held|judged|set) (?:to|with|against)(?= )",
        "compared with",
    ),
    (r"\bin comparison (?:to|with)\b", "compared with"),
    (
        r"\b(?:equal+s?|match(?:es)?) or (?:beat|exceed|outperform|surpass|better)s?\b",
        "does not trail",
    ),
    (r"\b(?P<p>on|in|for|at) [a-z -]+ \(\s*(?P<t>T\d+)\s*\)", r"\g<p> \g<t>"),
    (
        r"\b(?:by|in|on|to) (?:my|our) (?:count|runs?|hands|experiments?|tests?|setup|view|eyes|"
        r"data|"
        r"table|numbers)\b,?",
        " ",
    ),
    (r"\b(?:turns?|turned) out (?:to be )?|\bproved? (?:to be )(?=best|worst|last)", "is "),
    (r",? (?:with )?T\d+ (?:being|as) (?:the )?(?:only |sole |lone )?exception\b", " "),
    (r"\bmost (?:harmful|damaging|destructive|detrimental)\b", "worst"),
    (
        r"^(?:judging|judged|going|measured|ranked|sorted|ordered) by (?=(?:the )?(?:T\d|average|"
        r"mean|overall))",
        "on ",
    ),
    # what is said besides
    (
        r",? (?:and )?(?:which (?:makes|is|was|we|i|shows|suggests|means|confirms)|so|making|"
        r"thereby|thus|"
        r"showing|suggesting|confirming|before \w+ing|despite (?:its|their)|(?:that |which )?we "
        r"(?:measured|tested|tried|saw|observed|have|ran|looked at|evaluated|trained))\b"
        r"[^MTNR\d,;:.()]*(?=[.!]?$)",
        " ",
    ),
    (
        r"\b(\d) (tasks|columns|benchmarks|models|rules|games|datasets) (?:out )?of (\d)\b",
        r"\1 of \3 \2",
    ),
    # first
    (
        rf"\b{_TAKES} (?:the )?(?:clear |outright |overall )*(?:crown|gold(?: medal)?|(?:first|"
        rf"1st|top|"
        r"number 1|leading) (?:spot|place|slot|position|rank)|pole position|title|lead(?! over| "
        r"of))\b",
        "is best",
    ),
    (
        rf"\b(?:{_BE} )?(?:out )?(?:on|at) (?:the )?(?:very )?(?:top|head|summit){_FIELD}\b(?! "
        rf"[\dN])",
        "is best",
    ),
    (r"\bcomes? (?:in )?(?:top|first)\b", "is best"),
    (
        r"\b(?:heads|tops|leads|topped|led) (?:the )?(?:whole |entire )?(?:table|field|pack|"
        r"ranking|list|"
        r"board|leaderboard|standings|column|way|rest)\b",
        "is best",
    ),
    (
        r"\b(?:reigns supreme|is second to none|has no equal|is in a (?:league|class) of its "
        r"own)\b",
        "is best",
    ),
    (
        r"\b(?:is|are|was|remains?|stays?) (?:unsurpassed|unequal+ed|unbeaten|unmatched|"
        r"unrival+ed)\b",
        "is best",
    ),
    (rf"\b(?:is|are|was|remains?) not {_BEATEN} by {_ANYBODY}\b", "is best"),
    (
        rf"\b(?:is|are|was|remains?) {_BEATEN} by (?:nobody|no one|none|no (?:other )?(?:model|"
        rf"rule|variant))\b",
        "is best",
    ),
    (r"\b(?:ceiling|record|maximum|peak)(?= (?:on|for|in|of) T\d)", "best score"),
    (r"\bfloor(?= (?:on|for|in|of) T\d)", "lowest score"),
    (r"\b(?:set|held|posted|reached|achieved|obtained|recorded) by(?= (?:the )?M\d)", "by"),
    (r"(?<=T\d )(?:(?:all|both) (?:go|belong)|falls?) to(?= (?:the )?M)", "are won by"),
    (r"\b(?:comes?|came) (?:at|with) no (?:real )?(?:cost|loss|penalty|price)\b", "does not hurt"),
    (
        r"\b(?:choosing|picking|preferring|taking|using) (M\d+) (?:over|instead of|rather than) "
        r"(?:the )?(M\d+)",
        r"\1 relative to \2",
    ),
    (
        r"\b(?:replacing|swapping|exchanging|substituting) (?:the )?(M\d+) (?:by|with|for|out for) "
        r"(?:the )?(M\d+)",
        r"\2 relative to \1",
    ),
    (
        r"\b(?:higher|better|more)(?: \w+)? than (?:any(?:body|one|thing)?(?: other \w+| else| of "
        r"(?:its|the) \w+)|all (?:the |its )?(?:others?|other \w+|rivals)|every(?:body|one|"
        r"thing)?(?: "
        r"else| other \w+))\b",
        "best",
    ),
    (
        r"^(?:replacing|swapping|exchanging) (?:the )?[a-z -]+ (?:by|with|for|out for) (?=(?:the "
        r")?M\d)|"
        r"^(?:switching|moving|going|changing) to (?=(?:the )?M\d)",
        "",
    ),
    # last
    (
        r"\b(?:lower|worse|less)(?: \w+)? than (?:any(?:body|one|thing)?(?: other \w+| else| of "
        r"(?:its|the) \w+)|all (?:the |its )?(?:others?|other \w+|rivals)|every(?:body|one|"
        r"thing)?(?: "
        r"else| other \w+))\b",
        "worst",
    ),
    (
        r"\b(?:narrowly |just )?(?:avoids?|escap\w+) (?:the )?(?:last|bottom)(?: place| spot)?\b",
        "is not last",
    ),
    (r"\b(?:brings?|brought|bringing) up (?:the )?rear\b", "is last"),
    (r"\bprops? up (?:the )?(?:table|field|ranking|column)\b", "is last"),
    (rf"\b{_TAKES} (?:the )?(?:last|bottom|final) (?:spot|place|slot|position|rank)\b", "is last"),
    (
        rf"\b(?:{_BE} )?(?:at|in) (?:the )?(?:very )?(?:bottom|foot|tail(?: end)?|"
        rf"rear){_FIELD}\b(?! [\dN])",
        "is last",
    ),
    (
        r"\btrails? (?:behind )?(?:the )?(?:whole |entire )?(?:field|pack|rest|everyone|"
        r"everybody|all others)\b",
        "is last",
    ),
    (r"\b(?:bottoms? out|hits? rock bottom)\b(?= (?:on|in|at|with|for) [MT])", "is lowest"),
    # one over another
    (
        r"\b(?:edg(?:es?|ed|ing) (?:past|ahead of|by|over)|(?:get|got|has|have)s? (?:the "
        r")?better of|"
        r"overtak(?:es?|en|ing)|overtook|outclass(?:es|ed)?|outshin(?:es?|ed)|outshone|outruns?|"
        r"trumps?|leapfrogs?|(?:has|have|holds?|keeps?) (?:the |an? )?(?:clear |slight "
        r")?(?:upper hand|"
        r"edge|advantage|nose) over|pips?|(?:fares?|does|do|performs?) better than|comes? out "
        r"above|"
        r"pass(?:es|ed)?(?= M)|bests?(?= M)|(?:has|have) (?:passed|topped|bested))\b",
        "beats",
    ),
    (
        r"\b(?:plays? second fiddle to|(?:is|are) no match for|loses? out to|cannot (?:match|"
        r"reach|keep "
        r"up with)|(?:fares?|does|do|performs?) worse than|(?:sits|is|ranks?|places?|stays?) "
        r"(?:just |"
        r"right |well |far )?(?:beneath|under)(?= M))\b",
        "trails",
    ),
    (
        r"\b(?:nothing|little) (?:separates|to choose between|is between|between)\b|\bthere is "
        r"nothing between\b",
        "there is no difference between",
    ),
)
_TABLE = tuple((re.compile(pattern), plain) for pattern, plain in _SAYINGS)
_IT = re.compile(
    r"\b(?P<w>than|beats|trails|over|behind|above|below|with|to|of) it\b(?! is| was| has)"
)


def plainly(text: str) -> str:
    """Sayings in the words that the grammar knows."""
    text = " ".join(text.split())
    for pattern, plain in _TABLE:
        text = pattern.sub(plain, text)
    return _without_it(text)


def _without_it(text: str) -> str:
    """ "No model is worse than it": the one model named before."""
    match = _IT.search(text)
    named = set(re.findall(r"\bM\d+", text[: match.start()])) if match else set()
    return _IT.sub(rf"\g<w> {named.pop()}", text, count=1) if len(named) == 1 else text

"""What is no score: hyper-parameters, sizes, places in the text, dates, names of records."""

import re

# The second pattern is of names such as "core-search-best", whose parts mean nothing by themselves.
_NOT_A_SCORE = [
    r"https?://\S+",
    r"\b(?:[\w.]+/)*(?:\d{4}-\d{2}-\d{2}-)?[a-z]\w+(?:-\w+){2,}(?![\w-])",
    r"\b\d{4}-\d{2}-\d{2}\b",
    r"\barxiv[: ]*\d{4}\.\d+",
    r"(?:§|\b(?:section|sec\.|table|tab\.|figure|fig\.|eq\.|equation|"
    r"step|version|appendix|chapter|v))\s*\(?\d+(?:\.\d+)*\)?",
    r"\[\d+\]",
    r"\b\d+\.\d+\.\d+\b",
    r"\b\d+\.\d+ (?:of|out of) \d+(?![.\d])",
    r"\b(?:with|at|over|using|n\s*=)?\s*\d+\s*%\s*(?:confidence|ci\b|interval|credible)",
    r"\b\d+(?:\.\d+)?[\s-]*(?:k|m|b|million|billion)\b(?:\s*param\w*)?",
    r"\b\d+(?:[.,]\d+)*(?:e-?\d+)?[\s-]*(?:layers?|heads?|seeds?|settings?|"
    r"epochs?|steps?|tokens?|runs?|"
    r"trials?|param\w*|dims?|dimensions?|members?|chunks?|gpus?|hours?|"
    r"minutes?|min\b|seconds?|secs?|"
    r"s\b|ms\b|gb\b|gib\b|mb\b|examples?|instances?|sequences?|batches|"
    r"h\b|bits?|digits?|decimals?)",
    r"(?:\b(?:lr|learning[ -]rate|wd|weight[ -]decay|mu_?\d?|tau|lambda|"
    r"gamma|beta_?\d?|eps(?:ilon)?|alpha|"
    r"eta|kappa|sigma|rho|seeds?|dim(?:ension)?|d_\w+|chunk(?:[ -]size)?|"
    r"batch(?:[ -]size)?|vocab(?:ulary)?(?:[ -]size)?|"
    r"length|seq_len|epochs?|steps?|noise(?: level)?|frac_noise|dropout|"
    r"scale|temperature|threshold|momentum coefficient|"
    r"coefficient|width|depth|size|p(?:-value)?|n|k|d|c|t|z|r)|[μτλγβεαηκσρ]\w?)\s*"
    r"(?:=|:|<|>|≤|≥|≈|∈|of|is|at|to)\s*[{(\[]?\s*\d+(?:\.\d+)?(?:e-?\d+)?"
    r"(?:\s*(?:,|and|or|to)\s*\d+(?:\.\d+)?(?:e-?\d+)?)*[})\]]?",
    r"\b\d+(?:\.\d+)?e-?\d+\b",
    r"\b(?:19|20)\d{2}\b",
]


_INTERVAL = re.compile(r"\b(?:confidence|ci|interval|credible)\b", re.IGNORECASE)
MASK = re.compile("|".join(f"(?:{p})" for p in _NOT_A_SCORE), re.IGNORECASE)


def mask(text: str) -> str:
    """The text without them; of "95 % interval" the word stays, for what it says of its ends."""
    return MASK.sub(lambda m: " interval " if _INTERVAL.search(m[0]) else " x ", text)

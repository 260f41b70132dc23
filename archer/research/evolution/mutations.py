"""Named changes of a genome, each with its reason and the change of score it promises."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from archer.mad.settings import TASKS
from archer.research.evolution import changes
from archer.research.evolution.changes import put
from archer.research.evolution.genome import Genome

Change = Callable[[Genome, Random], Genome | None]


@dataclass(frozen=True)
class Mutation:
    """A change with its reason.

    expected: change of the score per task before anything was measured here: where a built-in rule
    has that part, what the published table shows, reduced; elsewhere a guess near zero. weight: how
    readily it is tried at first. place, kinds: what it fills with what, if it fills one place.
    """

    name: str
    reason: str
    expected: Mapping[str, float]
    apply: Change
    weight: float = 1.0
    place: str = ""
    kinds: tuple[str, ...] = ()


def _fill(
    place: str, name: str, kinds: tuple[str, ...], reason: str, *expected: float, weight: float = 1
) -> Mutation:
    """Fills one place with one of some kinds. expected: in the order of the tasks."""
    row = dict(zip(TASKS, expected, strict=True))
    return Mutation(name, reason, row, put(place, *kinds), weight, place, kinds)


def _other(name: str, reason: str, apply: Change, *expected: float, weight: float = 1) -> Mutation:
    return Mutation(name, reason, dict(zip(TASKS, expected, strict=True)), apply, weight)


# Columns: compression, in-context recall, fuzzy recall, memorization, noisy recall, copying.
MUTATIONS: tuple[Mutation, ...] = (
    _fill(
        "local",
        "soften_local",
        ("softmax", "mix", "token_mix"),
        "Linear weights blur tokens of one chunk that are alike; a softmax tells them apart, and "
        "what fits one chunk is read from these weights alone.",
        *(-0.01, -0.01, -0.04, 0.30, -0.02, -0.02),
        weight=2,
    ),
    _fill(
        "decay",
        "fade_per_token",
        ("per_token",),
        "A memory that never forgets fills up with blanks and noise; a learned decay per token "
        "lets it keep what matters, also inside a chunk.",
        *(-0.03, 0.0, 0.06, 0.12, 0.0, 0.03),
        weight=2,
    ),
    _fill(
        "forget",
        "forget_between_chunks",
        ("constant", "surprise", "row_surprise"),
        "Old associations stand in the way of new ones with the same keys; the memory gives way "
        "between chunks.",
        *(0.0, 0.0, 0.0, 0.0, 0.0, -0.01),
    ),
    _fill(
        "forget",
        "bound_memory",
        ("capacity",),
        "Reading is normalised but writing is relative to what the memory holds; a bound on its "
        "size keeps late tokens as loud as early ones.",
        *(0.0, 0.0, 0.01, 0.0, 0.0, 0.0),
        weight=0.7,
    ),
    _fill(
        "gate",
        "gate_by_error",
        ("error", "contrast"),
        "Tokens that the memory already predicts need no writing; the room goes to those it gets "
        "wrong.",
        *(0.0, 0.0, 0.02, 0.0, 0.0, -0.03),
        weight=1.5,
    ),
    _fill(
        "gate",
        "gate_by_token",
        ("token",),
        "beta scales reading and writing together; a gate of its own lets a token be read against "
        "the memory without being written, as blanks and noise should be.",
        *(0.0, 0.0, 0.02, 0.0, 0.0, 0.01),
        weight=1.5,
    ),
    _fill(
        "gate",
        "limit_errors",
        ("limit",),
        "One token with a large error can overwrite what others share with its key; a ceiling "
        "bounds the damage.",
        *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        weight=0.7,
    ),
    _fill(
        "direction",
        "normalise_write",
        ("rms", "rows"),
        "Chunks with many repeated tokens write large changes and others small ones; normalised, "
        "each chunk counts the same.",
        *(0.0, -0.05, -0.03, 0.0, -0.05, -0.05),
        weight=0.7,
    ),
    _fill(
        "direction",
        "clip_write",
        ("clip", "squash", "threshold"),
        "Few large entries of the change do most of the overwriting; clipped or thresholded, a "
        "chunk disturbs less of what is stored.",
        *(0.0, 0.0, 0.01, 0.0, 0.0, -0.01),
    ),
    _fill(
        "step",
        "add_accumulator",
        ("momentum", "nesterov", "two_speeds"),
        "A single chunk is a noisy sample of what holds over the sequence; an accumulator averages "
        "over chunks, at the price of writing late.",
        *(0.0, -0.01, -0.06, 0.0, -0.01, -0.05),
    ),
    _fill(
        "step",
        "carry_change",
        ("heavy", "echo", "trend"),
        "The error left after a chunk's write is corrected only by chance; carrying the last "
        "change on, or its trend, corrects it in the next chunk.",
        *(0.0, 0.0, 0.01, 0.0, 0.0, -0.01),
    ),
    _fill(
        "step",
        "adapt_step",
        ("adam", "corrected_adam", "second_moment"),
        "Rows of the memory whose keys are rare get small changes; an adaptive step treats every "
        "entry by its own scale.",
        *(0.0, -0.3, -0.15, 0.0, -0.3, -0.3),
        weight=0.4,
    ),
    _fill(
        "second",
        "blend_step",
        ("momentum", "two_speeds", "echo", "adam", "corrected_adam"),
        "The exact write recalls best and a filtered or adaptive one generalises; a share between "
        "the two need not choose.",
        *(0.0, 0.0, -0.02, 0.0, 0.0, -0.05),
    ),
    _fill(
        "size",
        "match_size",
        ("matched",),
        "An accumulated or adaptive step has the wrong length at first; with the length of the "
        "chunk's own change only its direction is new.",
        *(0.0, 0.05, 0.02, 0.0, 0.05, 0.05),
        weight=1.5,
    ),
    _fill(
        "size",
        "choose_step",
        ("chosen",),
        "Not every chunk is worth the same; its own tokens choose how large a step it takes.",
        *(0.0, 0.0, 0.01, 0.0, 0.0, 0.0),
    ),
    _fill(
        "slow",
        "consolidate",
        ("anchor",),
        "What was learned early is overwritten by later chunks; a slow copy holds it and pulls the "
        "memory back.",
        *(0.0, -0.01, 0.01, 0.0, 0.0, -0.01),
    ),
    _other(
        "learn_number",
        "One value for every layer and head is a compromise; learned, each layer finds its own.",
        changes.learn_number,
        *(0.0, 0.0, 0.01, 0.01, 0.0, 0.01),
    ),
    _other(
        "nudge_number",
        "The value was a guess; its neighbour is tried.",
        changes.nudge_number,
        *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        weight=0.7,
    ),
    _other(
        "resize_chunk",
        "The chunk is the rule's step: smaller ones write sooner and read less inside, larger ones "
        "the other way round.",
        changes.resize_chunk,
        *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        weight=0.7,
    ),
    _other(
        "simplify",
        "Not every part earns its place; without this one the rule is smaller and cheaper.",
        changes.simplify,
        *(0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
        weight=0.8,
    ),
)

BY_NAME = {mutation.name: mutation for mutation in MUTATIONS}

"""Refuses what cannot be one table."""

from collections.abc import Iterable, Sequence

from archer.errors import ArcherError
from archer.mad.plan import Row
from archer.mad.rates import ChosenRates
from archer.mad.trial import Trial
from archer.record.places import Place, place_of

# What may differ between the trials of a table: these are the setting's, and `select` is of the
# protocol under which a trial was first asked for, while both read the same training.
OF_SETTING = frozenset({"vocab_size", "length", "autoencoder", "select"})


def check_one_way(rows: Sequence[Row]) -> None:
    """Raises ArcherError if a rule has two trials for one place, or two values of a knob: which is
    meant is not clear."""
    seen: dict[tuple[str, Place], Trial] = {}
    for row in rows:
        other = seen.setdefault((row.rule, place_of(row.trial)), row.trial)
        if other.id != row.trial.id:
            raise _two_ways(row.rule, _difference(other, row.trial))
    set_to: dict[tuple[str, str], str] = {}
    for row in rows:
        if row.trial.rule.name != row.rule:  # told under the knobs of a rule that it is shared with
            continue
        for name, value in row.trial.knobs:
            text = row.trial.knob_text(name, value)
            if (before := set_to.setdefault((row.rule, name), text)) != text:
                raise _two_ways(row.rule, f"knob {name} {before} and {text}")


def _two_ways(rule: str, difference: str) -> ArcherError:
    return ArcherError(
        f"{rule} was run in two ways ({difference}), and one table holds one: choose runs with "
        "--runs; `archer status` lists them"
    )


def check_one_choice(rates: Iterable[ChosenRates]) -> None:
    """Raises ArcherError if a rule's rates on a setting were chosen in two ways."""
    seen: dict[tuple[str, str], ChosenRates] = {}
    for chosen in rates:
        for name in chosen.by_setting:
            other = seen.setdefault((chosen.rule, name), chosen)
            if _choice(other, name) != _choice(chosen, name):
                raise ArcherError(
                    f"{chosen.rule} was run on {name} at rates that were chosen in two ways "
                    f"({_choice(other, name)}; {_choice(chosen, name)}), and one table holds one: "
                    "choose runs with --runs; `archer status` lists them"
                )


def _choice(chosen: ChosenRates, setting: str) -> str:
    lr, decay = chosen.by_setting[setting]
    seeds = " ".join(map(str, chosen.seeds))
    return f"lr {lr!r}, weight decay {decay!r}, of {chosen.of} in {chosen.source}, seeds {seeds}"


def check_one_model(rows: Iterable[Row]) -> None:
    """Raises ArcherError if trials are of different models or were trained in different ways."""
    first: Row | None = None
    for row in rows:
        first = first or row
        if difference := _trained_otherwise(first.trial, row.trial):
            if row.rule == first.rule:
                raise _two_ways(row.rule, difference)
            raise ArcherError(
                f"{first.rule} and {row.rule} were not trained alike ({difference}): they cannot "
                "stand in one table; choose runs with --runs or rules with --rules"
            )


def _trained_otherwise(a: Trial, b: Trial) -> str | None:
    """The first thing in which models or trainings differ, but for what is the setting's."""
    for part in ("model", "regime"):
        ours, theirs = vars(getattr(a, part)), vars(getattr(b, part))
        for name in ours:
            if name not in OF_SETTING and ours[name] != theirs[name]:
                return f"{name} {ours[name]} and {theirs[name]}"
    return None


def _difference(a: Trial, b: Trial) -> str:
    """The first thing in which two trials of a place differ, for people."""
    if found := _trained_otherwise(a, b):
        return found
    mine, others = dict(a.knobs), dict(b.knobs)
    for name in [*mine, *others]:
        if mine.get(name) != others.get(name):
            return f"knob {name} {mine.get(name)} and {others.get(name)}"
    if a.learn != b.learn:
        return f"learned knobs {', '.join(a.learn) or 'none'} and {', '.join(b.learn) or 'none'}"
    if a.rule.chunk_size != b.rule.chunk_size:
        return f"chunk size {a.rule.chunk_size} and {b.rule.chunk_size}"
    return "its equations have changed"

"""Refuses what cannot be one table."""

from collections.abc import Iterable

from archer.errors import ArcherError
from archer.mad.plan import Row
from archer.mad.rates import ChosenRates
from archer.mad.trial import Trial
from archer.record.places import Place, place_of


def check_one_way(rows: Iterable[Row]) -> None:
    """Raises ArcherError if a rule has two trials for one place: which is meant is not clear."""
    seen: dict[tuple[str, Place], Trial] = {}
    for row in rows:
        other = seen.setdefault((row.rule, place_of(row.trial)), row.trial)
        if other.id != row.trial.id:
            raise ArcherError(
                f"{row.rule} was run in two ways ({_difference(other, row.trial)}), and one table "
                "holds one: choose runs with --runs; `archer status` lists them"
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
    """Raises ArcherError if rules were trained with different models or in different ways."""
    seen: dict[str, tuple[str, Trial]] = {}
    for row in rows:
        rule, other = seen.setdefault(row.trial.setting.name, (row.rule, row.trial))
        if (other.model, other.regime) != (row.trial.model, row.trial.regime):
            raise ArcherError(
                f"{rule} and {row.rule} were not trained alike ({_difference(other, row.trial)}): "
                "they cannot stand in one table; choose runs with --runs or rules with --rules"
            )


def _difference(a: Trial, b: Trial) -> str:
    """The first thing in which two trials of a place differ, for people."""
    for part in ("model", "regime"):
        ours, theirs = vars(getattr(a, part)), vars(getattr(b, part))
        for name in ours:
            if ours[name] != theirs[name]:
                return f"{name} {ours[name]} and {theirs[name]}"
    mine, others = dict(a.knobs), dict(b.knobs)
    for name in [*mine, *others]:
        if mine.get(name) != others.get(name):
            return f"knob {name} {mine.get(name)} and {others.get(name)}"
    if a.learn != b.learn:
        return f"learned knobs {', '.join(a.learn) or 'none'} and {', '.join(b.learn) or 'none'}"
    if a.rule.chunk_size != b.rule.chunk_size:
        return f"chunk size {a.rule.chunk_size} and {b.rule.chunk_size}"
    return "its equations have changed"

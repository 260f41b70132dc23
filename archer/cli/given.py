"""What may be given together: no option twice, none that a command does not have or heed."""

import difflib
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Any, get_args, get_origin

from archer.cli.values import check_values
from archer.errors import ArcherError

Command = Callable[..., Any]
_OPTION = re.compile(r"--\w[\w-]*(?:=.*)?", re.DOTALL)
FROM = "--from rebuilds a record as it is: give no {} with it"


def check_once(command: Command, args: Sequence[str]) -> None:
    """Raises ArcherError for an option that is none of the command's, and for one given twice, of
    which only the last would be heeded; and for a value that is missing or of the wrong kind.

    Those that may be repeated are the ones whose values the signature appends. A value that looks
    like an option is none: it is attached with "=", or stands behind "--".
    """
    if {"-h", "--help"} & {*args}:
        return
    options, seen = _options(command), set()
    words = list(takewhile(lambda word: word != "--", args))
    for place, word in enumerate(words):
        name, attached, value = word.partition("=")
        option = options.get(name.replace("_", "-"))
        if option is None and re.fullmatch(r"--\w[\w-]*", name):
            raise ArcherError(_unknown(command, name, options))
        if option is not None:
            after = takewhile(lambda word: not _OPTION.fullmatch(word), words[place + 1 :])
            kind = get_args(option.annotation)[0]
            check_values(name, kind, [value] if attached else list(after))
        if option is None or _repeats(option):
            continue
        if option.name in seen:
            how = (
                "give its values once, one after the other"
                if _takes_several(option)
                else "give it once"
            )
            raise ArcherError(f"{_flag(option)} is given twice: {how}")
        seen.add(option.name)


def refuse_unheeded(
    command: Command, given: Mapping[str, object], heeded: Collection[str], why: str
) -> None:
    """Raises ArcherError for what differs from its default and would change nothing.

    given: values by parameter, as `locals()` has them at the start of a command. heeded: parameters
    that may be given. why: a sentence with {} for the option's name.
    """
    for name, parameter in inspect.signature(command).parameters.items():
        if name not in heeded and given[name] != parameter.default:
            raise ArcherError(why.format(_flag(parameter)))


def check_record(command: Command, given: Mapping[str, object]) -> None:
    """For --from. Raises ArcherError for options beside it, and where there is no folder."""
    refuse_unheeded(command, given, ("from_", "out"), FROM)
    folder = given["from_"]
    if not (isinstance(folder, Path) and folder.is_dir()):
        raise ArcherError(
            f"{folder} is no folder: --from takes a record, as archer record writes it"
        )


def check_workers(device: str, workers: int | None) -> None:
    """Raises ArcherError for a number of workers where a GPU trains."""
    if device == "cuda" and workers is not None:
        raise ArcherError(
            f"--workers {workers}: processes on a CPU, and a GPU trains in one; leave it out, or "
            "say --device cpu"
        )


def _unknown(command: Command, name: str, options: Collection[str]) -> str:
    near = difflib.get_close_matches(name, options, n=1)
    hint = f"did you mean {near[0]}?" if near else f"see archer {command.__name__} --help"
    return f"archer {command.__name__} has no option {name}; {hint}"


def _options(command: Command) -> dict[str, inspect.Parameter]:
    """By every spelling; what is on or off can also be negated."""
    found = {}
    for parameter in inspect.signature(command).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            flag = _flag(parameter)
            found[flag] = parameter
            if isinstance(parameter.default, bool):
                found[f"--no-{flag[2:]}"] = parameter
    return found


def _repeats(option: inspect.Parameter) -> bool:
    from tyro.conf import UseAppendAction

    return UseAppendAction in _notes(option)


def _takes_several(option: inspect.Parameter) -> bool:
    kind = get_args(option.annotation)[0]
    return any(get_origin(each) is tuple for each in (kind, *get_args(kind)))


def _flag(parameter: inspect.Parameter) -> str:
    """As the command line spells it; the name alone of what is given by its place."""
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return parameter.name
    names = (getattr(note, "name", None) for note in _notes(parameter))
    name = next((name for name in names if isinstance(name, str)), parameter.name)
    return f"--{name.replace('_', '-')}"


def _notes(parameter: inspect.Parameter) -> tuple[Any, ...]:
    return getattr(parameter.annotation, "__metadata__", ())

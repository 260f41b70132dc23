"""What an author wrote of a rule, as its graph carries it: no part of what the rule is."""

import sys
from pathlib import Path
from types import ModuleType

from archer.rules.graph import RuleGraph, rule_from_json
from archer.rules.load import BUILTIN, builtin_graph, load_graph

CLASS = "class Mine(Rule):\n    {doc}\n    def write(self, S, dS, slots, p):\n        return S\n"


def graph(tmp_path: Path, module: str, doc: str = "") -> RuleGraph:
    path = tmp_path / "mine.py"
    path.write_text(f"{module}\nfrom archer import Rule\n{CLASS.format(doc=doc)}")
    return load_graph(str(path))


def test_it_is_the_docstring_of_the_file_or_else_of_the_class(tmp_path):
    assert graph(tmp_path, '"""Of the file.\n\n    S = S\n"""').about == "Of the file.\n\nS = S"
    assert graph(tmp_path, '"""Of the file."""', '"""Of the class."""').about == "Of the file."
    assert graph(tmp_path, "", '"""Of the class."""').about == "Of the class."
    assert graph(tmp_path, "").about == "", "never that of archer.Rule"


def test_a_module_of_several_rules_does_not_speak_for_one(monkeypatch):
    from archer.rules.trace import trace

    module = ModuleType("several_rules", "Of all rules here.")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    source = "from archer import Rule\n" + CLASS.format(doc='"""Of the class."""')
    source += CLASS.format(doc="pass").replace("Mine", "Other")
    exec(compile(source, "<several>", "exec"), vars(module))
    assert trace(module.Mine).about == "Of the class."
    assert trace(module.Other).about == ""


def test_nothing_that_is_run_or_hashed_knows_it(tmp_path):
    one, other = graph(tmp_path, '"""One."""'), graph(tmp_path, '"""Other."""')
    assert one == other
    assert one.rule_hash == other.rule_hash
    assert one.to_json() == other.to_json()
    assert "about" not in one.to_json()
    assert rule_from_json(one.to_json()).about is None, "nobody kept it"


def test_built_in_rules_have_one():
    assert all(builtin_graph(name).about for name in BUILTIN)

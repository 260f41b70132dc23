"""The family tree of a search in the terminal."""

from rich.markup import escape
from rich.tree import Tree

from archer.research.overview import Overview, Standing

STYLES = {
    "promoted": "green",
    "weeded": "",
    "trains": "",
    "refused": "dim",
    "failed": "dim",
    "waiting": "yellow",
}


def family_tree(overview: Overview) -> Tree:
    """Rules under their first parents, each with its gap to delta and what became of it."""
    children: dict[str, list[Standing]] = {}
    for s in overview.standings.values():
        if s.entry and s.entry.arm == "search":
            children.setdefault(s.entry.parent, []).append(s)
    top = Tree(f"[bold]research[/] {escape(overview.where)}, gaps to delta on {overview.stage}")
    known = {key for key, s in overview.standings.items() if s.entry is None}
    roots = [key for key in children if key in known or key not in overview.standings]
    best = overview.best[0].key if overview.best and overview.stage != "smoke" else ""
    for key in roots:
        node = top.add(_root(overview, key))
        _grow(node, children, key, best)
    if not roots:
        top.add("[dim]no candidate yet[/]")
    return top


def _grow(node: Tree, children: dict[str, list[Standing]], key: str, best: str) -> None:
    for child in children.pop(key, []):
        _grow(node.add(_line(child, child.key == best)), children, child.key, best)


def _root(overview: Overview, key: str) -> str:
    s = overview.standings.get(key)
    gap = f" {s.gap:+.4f}" if s and s.scored else ""
    return f"[bold]{escape(overview.name(key))}[/]{gap}"


def _line(s: Standing, best: bool) -> str:
    assert s.entry is not None
    gap = f"{s.gap:+.4f} " if s.scored else ""
    style = STYLES[s.entry.outcome]
    text = f"{s.entry.id} {escape(s.name)} {gap}{s.entry.outcome}"
    if s.entry.outcome in ("refused", "failed"):
        text += f": {escape(' '.join(s.entry.reason.split())[:90])}"
    text = f"[{style}]{text}[/]" if style else text
    return f"{text} [bold yellow]best[/]" if best else text

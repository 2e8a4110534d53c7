"""Which actions the source writes into the audit log, and which of them a view can lead to: read, not run."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

PORTAL = Path(__file__).parents[2] / "portal"
# Where changes are made; pages and the API only call these.
CHANGING = ("services", "queries", "background", "outbox", "cli", "jobs")
ACTION = re.compile(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*")
RECORDERS = ("record", "record_for_operator", "record_own")
# What looks like an action, and is a name of something else.
OTHER_NAMES = frozenset({"connection.update", "messages.upsert", "person.json", "pg_catalog.portuguese"})

Name = tuple[str, str]


@dataclass
class Module:
    """What its names stand for, and what each of its functions and tables says and calls."""

    imports: dict[str, Name] = field(default_factory=dict)
    says: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    calls: dict[str, set[Name]] = field(default_factory=lambda: defaultdict(set))


@cache
def modules() -> dict[str, Module]:
    """Dotted name -> module, of the whole portal."""
    return {_dotted(path): _read(_dotted(path), ast.parse(path.read_text())) for path in PORTAL.rglob("*.py")}


def all_actions() -> set[str]:
    """Every action that anything of CHANGING can record."""
    changing = {name: one for name, one in modules().items() if name.split(".")[1:2] in [[part] for part in CHANGING]}
    return {said for one in changing.values() for saying in one.says.values() for said in saying}


def actions_from(view: Name) -> set[str]:
    """The actions of all functions that a view leads to, however far down."""
    found: set[str] = set()
    seen: set[Name] = set()
    ahead = [view]
    while ahead:
        module_name, name = ahead.pop()
        if (module_name, name) in seen or module_name not in modules():
            continue
        seen.add((module_name, name))
        module = modules()[module_name]
        if module_name.split(".")[1:2] in [[part] for part in CHANGING]:
            found |= module.says.get(name, set())
        ahead += module.calls.get(name, ())
    return found


def unreadable_records() -> list[str]:
    """Calls that make the name of an action as they go: a reader could not look it up, and neither could this."""
    found = []
    for path in PORTAL.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and _recorder(node) and any(isinstance(a, ast.JoinedStr) for a in node.args):
                found.append(f"{_dotted(path)}:{node.lineno}")
    return found


def _recorder(node: ast.Call) -> bool:
    called = node.func
    return isinstance(called, ast.Attribute) and called.attr in RECORDERS and ast.unparse(called.value) == "audit"


def _dotted(path: Path) -> str:
    parts = path.relative_to(PORTAL.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read(name: str, tree: ast.Module) -> Module:
    module = Module()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                module.imports[alias.asname or alias.name] = (node.module, alias.name)
    for definition in tree.body:
        for owner in _owners(definition):
            module.says[owner] |= set(_said(definition))
            module.calls[owner] |= set(_called(name, module, definition))
    return module


def _owners(definition: ast.stmt) -> Iterator[str]:
    if isinstance(definition, ast.FunctionDef | ast.ClassDef):
        yield definition.name
    elif isinstance(definition, ast.Assign):
        yield from (target.id for target in definition.targets if isinstance(target, ast.Name))
    elif isinstance(definition, ast.AnnAssign) and isinstance(definition.target, ast.Name):
        yield definition.target.id


def _said(definition: ast.stmt) -> Iterator[str]:
    for node in ast.walk(definition):
        said = node.value if isinstance(node, ast.Constant) else None
        if isinstance(said, str) and ACTION.fullmatch(said) and said not in OTHER_NAMES:
            yield said


def _called(name: str, module: Module, definition: ast.stmt) -> Iterator[Name]:
    """Whatever of the portal is named: functions are also passed on without being called."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Name):
            yield module.imports.get(node.id, (name, node.id))
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            package, inner = module.imports.get(node.value.id, ("", ""))
            yield f"{package}.{inner}", node.attr

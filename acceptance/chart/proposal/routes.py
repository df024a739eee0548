"""The routes of a FastAPI application, read from its source without running it."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from acceptance.chart.proposal.project import text_of

METHODS = frozenset({"get", "post", "put", "patch", "delete"})
FILES = 400
UNKNOWN = "…"
"""Stands for a part of a path that is no literal."""
NESTED = 5
PLACES = 4
Router = tuple[str, str]
"""A router or application: the module's last name, and the variable."""


@dataclass
class _Source:
    """What the modules that were read define."""

    own_prefixes: dict[Router, str] = field(default_factory=dict)
    included: dict[Router, list[tuple[Router, str]]] = field(default_factory=dict)
    exports: dict[Router, Router] = field(default_factory=dict)
    routes: list[tuple[Router, str, str]] = field(default_factory=list)

    def prefixes(self, router: Router, depth: int = NESTED) -> list[str]:
        """Return what precedes a router's paths: one prefix for each place that includes it."""
        own = self.own_prefixes[router]
        above = [
            before + prefix
            for parent, prefix in self.included.get(router, [])[:PLACES]
            if depth and parent in self.own_prefixes
            for before in self.prefixes(parent, depth - 1)
        ]
        return [each + own for each in above or [""]]


def routes_of(files: Iterable[Path]) -> list[str]:
    """Return the routes that Python files declare, as `GET /path`, sorted by path; `…` is a part that is unknown."""
    source = _Source()
    trees: list[tuple[str, ast.Module]] = []
    for path in files:
        if len(trees) == FILES:
            break
        text = text_of(path) if path.suffix == ".py" else ""
        package = path.name == "__init__.py"
        if ("APIRouter" in text or "FastAPI" in text or (package and "import" in text)) and (tree := _parsed(text)):
            trees.append((path.parent.name if package else path.stem, tree))
    for name, tree in trees:
        _add_routers(source, name, tree)
        source.exports |= {(name, known): origin for known, origin in _imports(tree)}
    for name, tree in trees:
        _add_routes(source, name, tree)
    found = {
        (prefix + path or "/", method) for router, method, path in source.routes for prefix in source.prefixes(router)
    }
    return [f"{method} {path}" for path, method in sorted(found)]


def _parsed(text: str) -> ast.Module | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _add_routers(source: _Source, module: str, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or not isinstance(node.value, ast.Call):
            continue
        kind = _last_name(node.value.func)
        if kind in ("APIRouter", "FastAPI"):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    source.own_prefixes[module, target.id] = _argument(node.value, "prefix")


def _add_routes(source: _Source, module: str, tree: ast.Module) -> None:
    imported = dict(_imports(tree))

    def router_of(node: ast.expr) -> Router:
        """Return the router that an expression names: a variable, an imported one, or one of an imported module."""
        owner = _last_name(node.value) if isinstance(node, ast.Attribute) else ""
        found = (imported.get(owner, ("", owner))[1] if owner else module, _last_name(node))
        for _ in range(NESTED):
            found = found if found in source.own_prefixes else source.exports.get(found, found)
        return found

    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in METHODS:
                    router = router_of(call.func.value)
                    if router in source.own_prefixes:
                        path = _text(call.args[0]) if call.args else _argument(call, "path")
                        source.routes.append((router, call.func.attr.upper(), path))
        elif isinstance(node, ast.Call) and _last_name(node.func) == "include_router" and node.args:
            parent = router_of(node.func.value) if isinstance(node.func, ast.Attribute) else ("", "")
            source.included.setdefault(router_of(node.args[0]), []).append((parent, _argument(node, "prefix")))


def _imports(tree: ast.Module) -> Iterator[tuple[str, Router]]:
    """Yield each imported name with the last name of its module and its name there."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield each.asname or each.name, ((node.module or "").rpartition(".")[2], each.name)
        elif isinstance(node, ast.Import):
            for each in node.names:
                last = each.name.rpartition(".")[2]
                yield each.asname or last, ("", last)


def _last_name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _argument(call: ast.Call, name: str) -> str:
    return next((_text(each.value) for each in call.keywords if each.arg == name), "")


def _text(node: ast.expr) -> str:
    """Return a literal text; what is none of it is unknown."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else UNKNOWN
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(each) for each in node.values)
    return UNKNOWN

"""Finds assertions over what may be empty: `all(...)`, `not any(...)`, filters that find nothing, loops, subsets.

Each iterates over `nonempty(...)` or `if_any(...)` of `tests.asserting`, or over what is written out and not empty.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final

_SAYING: Final = frozenset({"nonempty", "if_any"})
#: Give as many items as they are given.
_KEEPING: Final = frozenset({"enumerate", "list", "product", "reversed", "set", "sorted", "tuple", "zip"})
_COMPREHENSION: Final = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTION: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def vacuous(tree: ast.AST) -> Iterator[ast.expr]:
    """What may be empty where an assertion iterates over it. What is drawn (`@given`) may be empty now and then."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, _FUNCTION) and any("given(" in ast.unparse(each) for each in node.decorator_list):
            continue
        if isinstance(node, ast.Assert):
            yield from (each for each in _iterated(node.test) if not _is_filled(each))
        elif isinstance(node, (ast.For, ast.AsyncFor)) and _asserts(node) and not _is_filled(node.iter):
            yield node.iter
        yield from vacuous(node)


def _asserts(loop: ast.For | ast.AsyncFor) -> bool:
    return any(isinstance(each, ast.Assert) for statement in loop.body for each in ast.walk(statement))


def _iterated(test: ast.expr) -> Iterator[ast.expr]:
    """What the parts of an assertion that hold of nothing iterate over."""
    match test:
        case ast.BoolOp():
            for value in test.values:
                yield from _iterated(value)
        case ast.Call(func=ast.Name(id="all"), args=[each]):
            yield _of_each(each)
        case ast.UnaryOp(op=ast.Not(), operand=ast.Call(func=ast.Name(id="any"), args=[each])):
            yield _of_each(each)
        case ast.UnaryOp(op=ast.Not(), operand=ast.ListComp() | ast.SetComp() | ast.DictComp() as found):
            yield from _filtered(found)
        case ast.Compare(left=left, ops=[ast.Eq()], comparators=[right]) if _is_empty(right):
            yield from _filtered(left)
        case ast.Compare(left=left, ops=[ast.LtE()]):
            if isinstance(left, _COMPREHENSION):
                yield left.generators[0].iter
            elif isinstance(left, ast.Call) and _called(left) in ("set", "keys"):
                yield left
        case _:
            pass


def _filtered(found: ast.expr) -> Iterator[ast.expr]:
    """What a filter that is to find nothing looks at."""
    if isinstance(found, _COMPREHENSION) and any(part.ifs for part in found.generators):
        yield found.generators[0].iter


def _of_each(each: ast.expr) -> ast.expr:
    """What `all` or `any` looks at: a filter in it may leave nothing."""
    if isinstance(each, ast.GeneratorExp) and not any(part.ifs for part in each.generators):
        return each.generators[0].iter
    return each


def _is_filled(items: ast.expr) -> bool:
    match items:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return not all(isinstance(each, ast.Starred) for each in elements)
        case ast.Constant(value=str(text)):
            return bool(text)
        case ast.Call(func=ast.Name(id="range"), args=args):
            return all(isinstance(each, ast.Constant) for each in args)
        case ast.Call(args=args) if _called(items) in _KEEPING:
            return bool(args) and all(_is_filled(each) for each in args)
        case ast.Call():
            return _called(items) in _SAYING
        case ast.ListComp(generators=parts):
            return all(_is_filled(part.iter) and not part.ifs for part in parts)
        case _:
            return False


def _is_empty(value: ast.expr) -> bool:
    return ast.unparse(value) in ("[]", "{}", "()", "set()")


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")

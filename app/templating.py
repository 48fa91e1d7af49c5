"""The small language of templates that people write, in Jinja's words and its sandbox. Pure.

A template may print, choose and list what it is given, and nothing else: so it cannot reach what
it should not, and its time and size are bounded by its own length and what is listed.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .toml_reading import suggest

FILTERS = frozenset({"upper", "lower", "capitalize", "title", "trim", "default", "length"})
"""Of Jinja's own, those that are here. None of them makes much of little."""
FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError)
"""What a template may raise that is in order as far as can be seen."""
ALLOWED = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.Name,
    nodes.Const,
    nodes.Tuple,
    nodes.List,
    nodes.If,
    nodes.For,
    nodes.Filter,
    nodes.Getattr,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Concat,
)
REASONS: dict[type[nodes.Node], str] = {
    nodes.Call: "calls something; a template only prints, chooses and lists",
    nodes.Getitem: "reaches into something by [ ]; write message.text and the like",
    nodes.Assign: "sets a variable; a template only prints, chooses and lists",
    nodes.AssignBlock: "sets a variable; a template only prints, chooses and lists",
    nodes.With: "sets a variable; a template only prints, chooses and lists",
    nodes.Mul: "multiplies; a template does not calculate",
    nodes.Pow: "calculates; a template does not",
    nodes.Macro: "defines a macro; a template only prints, chooses and lists",
    nodes.Include: "includes another template; there is none to be included",
    nodes.Import: "imports another template; there is none to be imported",
    nodes.FromImport: "imports another template; there is none to be imported",
    nodes.Extends: "extends another template; there is none to be extended",
}
LOOP = frozenset({"first", "last", "index"})


def make_environment(
    filters: Mapping[str, Callable[..., Any]] | None = None,
    finalize: Callable[[Any], Any] | None = None,
) -> ImmutableSandboxedEnvironment:
    """Where templates of a sort are read and filled in: with these filters besides FILTERS, and
    each printed value made a text by `finalize`. Keep it: to make one is slow."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=False,
        undefined=StrictUndefined,
        autoescape=False,
        cache_size=0,
        finalize=finalize,
    )
    environment.globals.clear()
    own = {name: environment.filters[name] for name in FILTERS}
    environment.filters = {**own, **(filters or {})}
    environment.tests = {}
    return environment


def find_template_faults(
    environment: ImmutableSandboxedEnvironment,
    source: str,
    known: Collection[str],
    lists: Mapping[str, Collection[str]],
) -> Iterator[tuple[int, str]]:
    """What is wrong with a template, each with its line (from 1).

    `known` are the variables that it is given; those that are lists are in `lists`, with what each
    of their items has.
    """
    try:
        tree = environment.parse(source)
    except TemplateSyntaxError as error:
        yield error.lineno, f"this is no template: {error.message}"
        return
    except RecursionError:
        yield 1, "it is nested too deeply"
        return
    yield from sorted(set(_faults(tree, environment.filters, known, lists)))


def _faults(
    tree: nodes.Template,
    filters: Collection[str],
    known: Collection[str],
    lists: Mapping[str, Collection[str]],
) -> Iterator[tuple[int, str]]:
    of_loops: dict[str, str] = {}
    for loop in tree.find_all(nodes.For):
        yield from _of_loop(loop, lists)
        if isinstance(loop.target, nodes.Name) and isinstance(loop.iter, nodes.Name):
            of_loops[loop.target.name] = loop.iter.name
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, ALLOWED):
            reason = next((said for kind, said in REASONS.items() if isinstance(node, kind)), None)
            plain = f"uses {type(node).__name__.lower()}, which templates here do not have"
            yield node.lineno, reason or plain
        elif isinstance(node, nodes.Name):
            yield from _of_name(node, {*known, *of_loops, "loop"})
        elif isinstance(node, nodes.Filter) and node.name not in filters:
            there = ", ".join(sorted(filters))
            yield node.lineno, f"there is no filter {node.name} here; there are: {there}"
        elif isinstance(node, nodes.Getattr):
            yield from _of_attribute(node, of_loops, lists)


def _of_loop(loop: nodes.For, lists: Mapping[str, Collection[str]]) -> Iterator[tuple[int, str]]:
    if any(True for _ in loop.find_all(nodes.For)) or loop.recursive:
        yield loop.lineno, "loops within a loop; lists are gone through once"
    if not isinstance(loop.iter, nodes.Name) or loop.iter.name not in lists:
        there = f"these lists: {', '.join(sorted(lists))}" if lists else "no list"
        yield loop.lineno, f"loops over something else than a list; it is given {there}"
    if not isinstance(loop.target, nodes.Name):
        yield loop.lineno, "gives several names to one thing of a list"


def _of_name(node: nodes.Name, known: Collection[str]) -> Iterator[tuple[int, str]]:
    if node.name.startswith("_"):
        yield node.lineno, f'"{node.name}" reaches for what is not a template\'s business'
    elif node.name not in known:
        yield node.lineno, f'there is no variable "{node.name}"{suggest(node.name, known)}'


def _of_attribute(
    node: nodes.Getattr, of_loops: Mapping[str, str], lists: Mapping[str, Collection[str]]
) -> Iterator[tuple[int, str]]:
    name = node.node.name if isinstance(node.node, nodes.Name) else ""
    has = LOOP if name == "loop" else lists.get(of_loops.get(name, ""), ())
    if node.attr not in has:
        there = f"; it has: {', '.join(sorted(has))}" if has else ""
        yield node.lineno, f'"{name or "it"}.{node.attr}" reaches for an attribute{there}'

"""The templates of entries: Ringnote's own, and a clinic's, held to a small language. Pure.

A clinic's template may print, choose and list what it is given, and nothing else: so it cannot
reach what it should not, and its time and size are bounded by its own length and what is listed.
"""

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from .policy_reading import suggest

OWN = Path(__file__).with_name("words")
LARGEST = 256 * 1024
"""Characters that a clinic's template may come to."""
FILTERS = frozenset({"upper", "lower", "capitalize", "title", "trim", "default", "length"})
"""None of them makes much of little."""
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


class WordsError(Exception):
    """A template cannot be used for this one entry; says why, without a word of the entry."""


def find_template_faults(
    source: str, known: Collection[str], lists: Mapping[str, Collection[str]]
) -> Iterator[tuple[int, str]]:
    """What is wrong with a clinic's template, each with its line (from 1).

    `known` are the variables that it is given; those that are lists are in `lists`, with what each
    of their items has.
    """
    try:
        tree = _environment().parse(source)
    except TemplateSyntaxError as error:
        yield error.lineno, f"this is no template: {error.message}"
        return
    except RecursionError:
        yield 1, "it is nested too deeply"
        return
    yield from sorted(set(_faults(tree, known, lists)))


def render(source: str, variables: Mapping[str, Any]) -> str:
    """A clinic's template with these variables, without blanks around. Raises WordsError if it
    fails, or comes to nothing or to more than LARGEST."""
    parts, length = [], 0
    try:
        for part in _compiled(source).generate(variables):
            parts.append(part)
            length += len(part)
            if length > LARGEST:
                raise WordsError("it came to more than an entry can hold")
    except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError) as error:
        raise WordsError(f"it failed ({type(error).__name__})") from None
    said = "".join(parts).strip()
    if not said:
        raise WordsError("it came to nothing")
    return said


def render_own(kind: str, variables: Mapping[str, Any]) -> str:
    """The body of a 'call', 'callback' or 'transcript' in Ringnote's own words."""
    return _compiled(own_template(kind)).render(variables).strip()


@lru_cache(maxsize=8)
def own_template(kind: str) -> str:
    """Ringnote's own template of the body of such an entry."""
    return (OWN / f"{kind}.jinja").read_text()


def own_templates() -> dict[str, str]:
    """Ringnote's own templates by their place in a policy, as a clinic may begin its own with."""
    return {f"words.{kind}.body": own_template(kind) for kind in ("call", "callback", "transcript")}


@lru_cache(maxsize=1)
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=False, undefined=StrictUndefined, autoescape=False, cache_size=0
    )
    environment.globals.clear()
    environment.filters = {name: environment.filters[name] for name in FILTERS}
    environment.tests = {}
    return environment


@lru_cache(maxsize=512)
def _compiled(source: str) -> Template:
    return _environment().from_string(source)


def _faults(
    tree: nodes.Template, known: Collection[str], lists: Mapping[str, Collection[str]]
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
        elif isinstance(node, nodes.Filter) and node.name not in FILTERS:
            there = ", ".join(sorted(FILTERS))
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

"""What makes a function an operation of the API: who is let in, what it reads, what it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from inspect import getdoc
from typing import TypeVar, get_type_hints

from flask import Blueprint, Response, current_app, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from ...access.identity import Scope
from ...runtime import Runtime
from ..access import needs
from ..headers import set_headers
from .allowance import take_one
from .answers import Answer
from .queries import Q, Query, read_query

api = Blueprint("api", __name__, url_prefix="/api/v1")
set_headers(api)

A = TypeVar("A", bound=Answer)


@dataclass(frozen=True, slots=True)
class Operation:
    """What the OpenAPI document tells of one operation. `path` has its parameters in braces."""

    path: str
    name: str
    need: Scope | frozenset[Scope]
    query: type[Query]
    answer: type[Answer]
    words: str
    is_limited: bool = False
    """Whether a token may ask it only so often."""

    @property
    def path_parameters(self) -> frozenset[str]:
        return frozenset(name for name in self.query.model_fields if f"{{{name}}}" in self.path)


OPERATIONS: list[Operation] = []
"""All there are, in the order of the document."""


def operation(
    path: str, need: Scope | frozenset[Scope], *, is_limited: bool = False
) -> Callable[[Callable[[Session, Q], A]], Callable[[Session, Q], A]]:
    """Make of a function of a reading session and a query, which returns an answer, a GET of it.

    Its annotations say which parameters it takes and what it answers, its docstring describes it.
    It may raise werkzeug's HTTP errors.
    """

    def register(act: Callable[[Session, Q], A]) -> Callable[[Session, Q], A]:
        hints = get_type_hints(act)
        told = Operation(
            path, act.__name__, need, hints["query"], hints["return"], getdoc(act) or "", is_limited
        )

        @needs(need)
        def view(**in_path: str) -> ResponseReturnValue:
            if is_limited:
                take_one()
            query = read_query(hints["query"], request.args, in_path)
            runtime: Runtime = current_app.extensions["ringnote"]
            with runtime.db.reading() as session:
                answer = act(session, query)
            return Response(answer.model_dump_json(), mimetype="application/json")

        OPERATIONS.append(told)
        api.add_url_rule(
            path.replace("{", "<").replace("}", ">"),
            told.name,
            view,
            methods=["GET"],
            # Told of by `elsewhere`, without a token and without its own methods.
            provide_automatic_options=False,
        )
        return act

    return register

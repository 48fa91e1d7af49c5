"""`/openapi.json`: the document of the API, made of the operations and the models of answers."""

import json
from functools import cache
from importlib.metadata import version
from typing import Any

from flask import Response, url_for
from flask.typing import ResponseReturnValue
from pydantic import Field
from pydantic.json_schema import models_json_schema

from ...access.identity import Scope
from ..access import open_to_all
from ..problems import MEDIA_TYPE
from .answers import Answer
from .operations import OPERATIONS, Operation, api

ABOUT = """\
What a clinic's phone system told Ringnote, whose numbers it found, and what stands in the PMS.
It only reads. Times are ISO 8601 in UTC, numbers E.164. Listings come in pages, the newest first:
send `next_cursor` as `cursor` until it is null. Errors are problem+json (RFC 9457)."""
REF = "#/components/schemas/{model}"


class Fault(Answer):
    """What is wrong with one parameter."""

    parameter: str = Field(examples=["limit"])
    detail: str = Field(examples=["Input should be less than or equal to 200"])


class Problem(Answer):
    """An error (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["Bad Request"])
    status: int = Field(description="As in the answer's status line.", examples=[400])
    detail: str | None = Field(
        default=None,
        description="What to do.",
        examples=["limit: Input should be less than or equal to 200."],
    )
    errors: list[Fault] | None = Field(
        default=None, description="Every parameter at fault, where it is for parameters."
    )


PROBLEMS = {
    "400": "A parameter is wrong or not known; `errors` names every one.",
    "401": "No token was sent, or none that is valid.",
    "403": "The token has not the scope that this needs.",
    "404": "There is no such thing, or it is of a clinic that is not the token's.",
    "429": "This token has asked too often; ask again after Retry-After seconds.",
    "500": "A fault of Ringnote's.",
    "503": "The database cannot be reached; ask again in a while.",
}


@api.get("/openapi.json")
@open_to_all()
def openapi() -> ResponseReturnValue:
    """This document."""
    here = url_for("ringnote.api.openapi").removesuffix("/openapi.json")
    document = {**_document(), "servers": [{"url": here}]}
    return Response(json.dumps(document, ensure_ascii=False), mimetype="application/json")


@cache
def _document() -> dict[str, Any]:
    models: set[type[Answer]] = {each.answer for each in OPERATIONS} | {Problem}
    _, schemas = models_json_schema(
        [(model, "serialization") for model in models], ref_template=REF
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Ringnote",
            "version": version("ringnote"),
            "summary": "Reading calls, texts, entries and clients.",
            "description": ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": {each.path: {"get": _operation(each)} for each in OPERATIONS},
        "components": {
            "schemas": dict(sorted(schemas["$defs"].items())),
            "responses": {status: _problem(status) for status in PROBLEMS},
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token by `ringnote token add`. Scopes: "
                    + ", ".join(Scope)
                    + ".",
                }
            },
        },
    }


def _operation(operation: Operation) -> dict[str, Any]:
    summary, _, more = operation.words.partition("\n")
    scopes = sorted([operation.need] if isinstance(operation.need, Scope) else operation.need)
    needs = f"Needs the scope {' or '.join(f'`{scope}`' for scope in scopes)}."
    takes_clinic = "clinic" in operation.query.model_fields
    has_no_such_thing = bool(operation.path_parameters) or takes_clinic
    never = {"404": not has_no_such_thing, "429": not operation.is_limited}
    statuses = [each for each in PROBLEMS if not never.get(each)]
    return {
        "operationId": operation.name,
        "summary": summary.rstrip("."),
        "description": " ".join([*more.split(), needs]),
        "tags": [operation.path.split("/")[1]],
        "security": [{"token": [scope]} for scope in scopes],
        "parameters": _parameters(operation),
        "responses": {
            "200": _answer(operation),
            **{status: {"$ref": f"#/components/responses/{status}"} for status in statuses},
        },
    }


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = operation.query.model_json_schema(ref_template=REF)
    found = []
    for name, told in schema["properties"].items():
        within = [each for each in told.pop("anyOf", [{}]) if each.get("type") != "null"]
        of = told | within[0]
        if "$ref" in of:
            of = schema["$defs"][of.pop("$ref").rpartition("/")[2]] | of
        words = {key: of.pop(key) for key in ("description", "examples") if key in of}
        if of.get("default", "") is None:
            del of["default"]
        found.append(
            {
                "name": name,
                "in": "path" if name in operation.path_parameters else "query",
                "required": name in schema.get("required", ()),
                "description": words["description"],
                "example": words["examples"][0],
                "schema": {key: of[key] for key in of if key != "title"},
            }
        )
    return found


def _answer(operation: Operation) -> dict[str, Any]:
    model = operation.answer
    told = {
        "description": (model.__doc__ or "").strip(),
        "content": {"application/json": {"schema": {"$ref": REF.format(model=model.__name__)}}},
    }
    if "next_cursor" in model.model_fields:
        told["links"] = {
            "next": {
                "operationId": operation.name,
                "parameters": {"cursor": "$response.body#/next_cursor"},
                "description": "The page after this one.",
            }
        }
    return told


def _problem(status: str) -> dict[str, Any]:
    return {
        "description": PROBLEMS[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model=Problem.__name__)}}},
    }

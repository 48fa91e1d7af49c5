"""The API's document, and the API held to it by schemathesis."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema_rs
import pytest
import schemathesis
from flask import Flask
from schemathesis.config import (
    GenerationConfig,
    ProjectConfig,
    ProjectsConfig,
    SchemathesisConfig,
)
from schemathesis.engine import from_schema
from schemathesis.engine.events import FatalError, NonFatalError, ScenarioFinished
from schemathesis.engine.recorder import ScenarioRecorder

from factories import make_client, make_clinic
from ringnote import create_app
from ringnote.access.identity import Scope
from ringnote.access.tokens import add_token
from ringnote.clock import utc_now
from serving import served
from stories import CALLER, Phone, settle

DOCS = Path(__file__).parents[2] / "docs" / "api.md"
PATHS = re.compile(r'"\$API(/[^"?]*)')
EXAMPLES = 10
"""How often each operation is asked in each phase, over and above the edge cases."""


@pytest.fixture
def app(runtime) -> Flask:
    """The API with something of everything."""
    clinic = make_clinic(runtime.db, name="Oak Street Vets")
    make_client(runtime.db, clinic, "C1", "Jane Doe", numbers=[CALLER])
    phone = Phone(runtime, clinic)
    phone.answered("u-1")
    phone.missed("u-2", "+12125550177")
    phone.text("Is Rex ready?")
    settle(runtime)
    return create_app(runtime=runtime)


@pytest.fixture
def token(runtime) -> str:
    with runtime.db.transaction() as session:
        return add_token(session, "test", tuple(Scope), None, utc_now(), None, "kim")[1]


@pytest.fixture
def document(app) -> dict:
    return app.test_client().get("/api/v1/openapi.json").json


def operations(document: dict) -> dict[str, dict]:
    return {path: methods["get"] for path, methods in document["paths"].items()}


def test_every_route_is_in_it_and_nothing_else(app, document):
    rules = {
        re.sub(r"<(\w+)>", r"{\1}", rule.rule.removeprefix("/api/v1"))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("ringnote.api.") and rule.endpoint != "ringnote.api.elsewhere"
    }

    assert document["openapi"].startswith("3.1")
    assert document["servers"] == [{"url": "/api/v1"}]
    assert set(document["paths"]) == rules - {"/openapi.json"}
    assert all(set(methods) == {"get"} for methods in document["paths"].values())


def test_each_operation_says_its_scope_its_answers_and_a_name_of_its_own(document):
    told = operations(document)

    assert len({each["operationId"] for each in told.values()}) == len(told) == 13
    for path, each in told.items():
        scopes = [scope for either in each["security"] for scope in either["token"]]
        clients = ["clients:read"]
        assert (
            scopes == clients
            if path.endswith("/lookup")
            else scopes
            == {
                "clinics": ["calls:read", "clients:read", "entries:read"],
                "calls": ["calls:read"],
                "conversations": ["calls:read"],
                "entries": ["entries:read"],
                "clients": clients,
                "days": ["calls:read"],
            }[path.split("/")[3 if "/days/" in path else 1]]
        )
        assert all(scope in each["description"] for scope in scopes)
        assert each["summary"]
        assert each["responses"].keys() >= {"200", "400", "401", "403", "500", "503"}
        assert ("404" in each["responses"]) == (path != "/clinics")


def test_all_that_is_told_has_words_and_an_example_that_fits(document):
    schemas = document["components"]["schemas"]

    for name, schema in schemas.items():
        assert schema["description"], name
        for field, told in schema.get("properties", {}).items():
            is_named = "$ref" in json.dumps(told) and "examples" not in told
            assert is_named or told["examples"], f"{name}.{field}"
            fits = jsonschema_rs.validator_for(told | {"components": document["components"]})
            for example in told.get("examples", ()):
                fits.validate(example)
    for path, operation in operations(document).items():
        for parameter in operation["parameters"]:
            assert parameter["description"], path
            jsonschema_rs.validator_for(parameter["schema"]).validate(parameter["example"])


def test_its_numbers_are_nobodys(document):
    numbers = re.findall(r"\+1\d{10}|\d{3}-\d{3}-\d{4}", json.dumps(document))

    assert numbers
    assert all(re.search(r"555-?01\d\d$", number) for number in numbers)


def template(path: str) -> str:
    """A path as the document has it, its parameters in braces."""
    path = re.sub(r"\d{4}-\d\d-\d\d$", "{day}", path)
    return re.sub(r"/\d+(?=/|$)", "/{id}", path)


def test_the_answers_in_the_documentation_are_real_ones(document):
    told, told_of = operations(document), set()
    pages = re.split(r"^## ", DOCS.read_text(), flags=re.MULTILINE)

    for page in pages:
        asked = PATHS.findall(page)
        for answer in re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL):
            path = template(asked[-1] if "items" not in answer else asked[0])
            status = "400" if page.startswith("Errors") else "200"
            response = told[path]["responses"][status]
            response = document["components"]["responses"].get(status, response)
            [content] = response["content"].values()
            fits = content["schema"] | {"components": document["components"]}
            jsonschema_rs.validator_for(fits).validate(json.loads(answer))
            told_of.add(page.partition("\n")[0])

    assert told_of >= {"Clinics", "Calls", "Conversations", "Entries", "Clients", "Errors"}
    assert told.keys() <= {template(path) for path in PATHS.findall("".join(pages))}


def find_faults(app: Flask, headers: dict[str, str]) -> tuple[list[str], set[int]]:
    """What schemathesis finds, as its command would, and the statuses that it was answered."""
    generation = GenerationConfig(max_examples=EXAMPLES, deterministic=True)
    project = ProjectConfig(headers=headers, generation=generation)
    config = SchemathesisConfig(seed=1, projects=ProjectsConfig(default=project))
    found, statuses = [], set()
    with served(app) as url:
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", config=config)
        for event in from_schema(schema).execute():
            if isinstance(event, NonFatalError | FatalError):
                found.append(str(event))
            elif isinstance(event, ScenarioFinished):
                for asked in event.recorder.interactions.values():
                    statuses.add(asked.response.status_code)
                found += faults_of(event.recorder)
    return found, statuses


def faults_of(recorder: ScenarioRecorder) -> Iterator[str]:
    for case, checks in recorder.checks.items():
        response = recorder.interactions[case].response
        for check in checks:
            if check.failure_info is None or is_made_up_cursor(check.name, response):
                continue
            yield f"{check.failure_info.failure}: {response.request.url}"


def is_made_up_cursor(check: str, response) -> bool:
    """Whether a request was refused for its cursor alone.

    No schema can say which cursors there are: they come from pages.
    """
    if check != "positive_data_acceptance" or response.status_code != 400:
        return False
    return [fault["parameter"] for fault in json.loads(response.content)["errors"]] == ["cursor"]


def test_schemathesis_finds_nothing(app, token):
    found, statuses = find_faults(app, {"Authorization": f"Bearer {token}"})

    assert found == []
    assert {200, 400, 401, 404, 405} <= statuses


def test_schemathesis_finds_nothing_without_a_token(app):
    found, statuses = find_faults(app, {})

    assert found == []
    assert statuses == {204, 401, 405}

"""A program that asks the API, for tests of what it is told."""

from flask import Flask

STRANGER = "+12125550177"
LISTINGS = ("/clinics", "/calls", "/conversations", "/entries", "/clients")


class Program:
    """A program with a token, or with what it takes for one; None for none at all."""

    def __init__(self, app: Flask, token: str | None) -> None:
        self.browser = app.test_client()
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def ask(self, path: str, method: str = "GET", **options):
        return self.browser.open(f"/api/v1{path}", method=method, headers=self.headers, **options)

    def get(self, path: str):
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        assert answer.content_type == "application/json"
        return answer.json

    def refused(self, path: str, method: str = "GET"):
        """The status and the detail of a problem."""
        answer = self.ask(path, method)
        assert answer.content_type == "application/problem+json", answer.text
        assert answer.json["status"] == answer.status_code
        assert answer.json["title"]
        return answer.status_code, answer.json["detail"]


def read_all(program: Program, path: str, limit: int = 2) -> list[int]:
    """The ids of every page of a listing."""
    mark = "&" if "?" in path else "?"
    found, more = [], ""
    while more is not None:
        page = program.get(f"{path}{mark}limit={limit}{more}")
        assert len(page["items"]) <= limit
        found += [each["id"] for each in page["items"]]
        more = f"&cursor={page['next_cursor']}" if page["next_cursor"] else None
    return found


def ids(program: Program, path: str) -> list[int]:
    return [each["id"] for each in program.get(path)["items"]]

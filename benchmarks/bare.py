"""Bare Flask routes that answer 200, behind the server that `ringnote serve` has.

Run as a process: `python -m benchmarks.bare` prints where it answers.
"""

from flask import Flask

from ringnote.web.server import Server


def create_bare() -> Flask:
    """The least that a receiver and a look-up could be: they keep and know nothing."""
    app = Flask(__name__)

    @app.post("/webhooks/<token>")
    def receive(token: str) -> dict[str, str]:
        return {"status": "accepted"}

    @app.get("/api/v1/clinics/<int:clinic>/lookup")
    def look_up(clinic: int) -> dict[str, str]:
        return {"kind": "client"}

    return app


if __name__ == "__main__":
    server = Server(create_bare(), "127.0.0.1", 0)
    print(server.url)
    server.run()

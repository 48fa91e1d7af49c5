"""A bare Flask route that answers 200, behind the server that `ringnote serve` has.

Run as a process: `python -m benchmarks.bare` prints where it answers.
"""

from flask import Flask

from ringnote.web.server import Server


def create_bare() -> Flask:
    """The least that a webhook's receiver could be: it keeps nothing."""
    app = Flask(__name__)

    @app.post("/webhooks/<token>")
    def receive(token: str) -> dict[str, str]:
        return {"status": "accepted"}

    return app


if __name__ == "__main__":
    server = Server(create_bare(), "127.0.0.1", 0)
    print(server.url)
    server.run()

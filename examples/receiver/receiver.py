"""A small site that takes the phone system's webhooks, and nothing else of Ringnote's.

Everything else happens elsewhere: `ringnote worker` on any machine that reaches the database.
"""

from flask import Flask

from ringnote import Ringnote


def create_app() -> Flask:
    """The site; where the database is, RINGNOTE_DATABASE_URL tells."""
    app = Flask(__name__)
    Ringnote(app, url_prefix="/phones", console=False, api=False)

    @app.get("/")
    def home() -> str:
        return "Oak Street Vets: we are here for your animals."

    return app

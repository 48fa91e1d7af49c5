"""`Ringnote`, the Flask extension, and the stand-alone applications made with it."""

from typing import Any

from flask import Blueprint, Flask

from ..errors import ConfigError
from ..runtime import Runtime
from ..settings import Settings, from_config, load_settings
from . import health, webhooks
from .console import console

NAME = "ringnote"
"""Key of the runtime in `app.extensions`, and the name that all blueprints stand under."""


class Ringnote:
    """Mounts Ringnote under `url_prefix` of a Flask application; nothing else there changes.

    Settings are those of `Settings`, given as arguments, else as `RINGNOTE_…` in the application's
    config, else in the environment; `runtime` brings all of them ready made. Raises ConfigError
    naming every fault.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        url_prefix: str = "/ringnote",
        runtime: Runtime | None = None,
        **settings: Any,
    ) -> None:
        if runtime and settings:
            raise ConfigError("Ringnote takes a runtime or settings, not both")
        self.url_prefix = url_prefix.rstrip("/")
        self._runtime = runtime
        self._settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Put a Runtime into `app.extensions["ringnote"]` and the pages under the prefix."""
        if NAME in app.extensions:
            raise ConfigError("Ringnote is mounted in this application already")
        runtime = self._runtime or Runtime.from_settings(
            load_settings(self._settings, from_config(app.config))
        )
        app.extensions[NAME] = runtime
        _mount(app, self.url_prefix, webhooks.blueprint, health.blueprint, console)


def create_app(settings: Settings | None = None, *, runtime: Runtime | None = None) -> Flask:
    """Ringnote by itself: webhooks, health and console, at the root.

    Settings come from the environment where neither is given. Raises ConfigError naming all faults.
    """
    app = _bare_app()
    Ringnote(app, url_prefix="", runtime=runtime or _runtime(settings))
    return app


def create_receiver(settings: Settings | None = None, *, runtime: Runtime | None = None) -> Flask:
    """Only what the phone system and a load balancer need: webhooks and health, at the root."""
    app = _bare_app()
    app.extensions[NAME] = runtime or _runtime(settings)
    _mount(app, "", webhooks.blueprint, health.blueprint)
    return app


def _mount(app: Flask, url_prefix: str, *blueprints: Blueprint) -> None:
    # One roof over all of them, so that no name collides with a blueprint of the host's.
    roof = Blueprint(NAME, __name__)
    for blueprint in blueprints:
        roof.register_blueprint(blueprint)
    app.register_blueprint(roof, url_prefix=url_prefix or None)


def _bare_app() -> Flask:
    return Flask(__package__, static_folder=None, template_folder=None)


def _runtime(settings: Settings | None) -> Runtime:
    return Runtime.from_settings(settings or load_settings())

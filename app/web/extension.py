"""`Ringnote`, the Flask extension, and the stand-alone applications made with it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, current_app, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from ..db import Database
from ..errors import ConfigError
from ..metrics.tally import Tally
from ..models import Role
from ..runtime import Runtime
from ..settings import Settings, from_config, load_settings
from ..telephony.drain import Drain
from . import health, metrics, sign_in, webhooks
from .access import guard
from .api import api
from .console import console
from .cookies import is_over_tls
from .door import CurrentUser, Door
from .forms import form_token

NAME = "ringnote"
"""Key of the runtime in `app.extensions`, and the name that all blueprints stand under."""
DOOR = "ringnote.door"
DRAIN = "ringnote.drain"
HSTS = "max-age=31536000"


class Ringnote:
    """Mounts Ringnote under `url_prefix` of a Flask application; nothing else there changes.

    `webhooks`, `console` and `api` can each be left out; `/healthz`, `/readyz` and `/metrics`
    are always there.
    `current_user` is called in each request for a page and says who is signed in to the host:
    `ringnote.person(name, role, clinics)`, or None for nobody. Without it Ringnote has a sign-in of
    its own. `sign_in_url` is where the host signs people in: strangers are led there, with `next`
    saying where they were going. `engine` is the host's SQLAlchemy engine, to live in its database.

    Settings are those of `Settings`, given as arguments, else as `RINGNOTE_…` in the application's
    config, else in the environment; `runtime` brings all of them ready made. Raises ConfigError
    naming every fault.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        url_prefix: str = "/ringnote",
        webhooks: bool = True,
        console: bool = True,
        api: bool = True,
        current_user: CurrentUser | None = None,
        sign_in_url: str | None = None,
        engine: sa.Engine | None = None,
        runtime: Runtime | None = None,
        **settings: Any,
    ) -> None:
        if runtime and (settings or engine is not None):
            raise ConfigError("Ringnote takes a runtime, or settings and an engine, not both")
        if engine is not None and "database_url" in settings:
            raise ConfigError("Ringnote takes an engine or a database_url, not both")
        self._options: dict[str, Any] = {
            "url_prefix": url_prefix,
            "webhooks": webhooks,
            "console": console,
            "api": api,
            "current_user": current_user,
            "sign_in_url": sign_in_url,
            "engine": engine,
        }
        self._runtime = runtime
        self._settings = settings
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask, **options: Any) -> None:
        """Put a Runtime into `app.extensions["ringnote"]` and the pages under the prefix.

        `options` are those of the constructor, but for `runtime` and settings, and win over them.
        """
        if NAME in app.extensions:
            raise ConfigError("Ringnote is mounted in this application already")
        if unknown := options.keys() - self._options.keys():
            raise ConfigError(*(f"init_app has no option {name}" for name in sorted(unknown)))
        chosen = self._options | options
        runtime = self._runtime or _of_host(app, self._settings, chosen["engine"])
        blueprints = [health.blueprint, metrics.blueprint]
        blueprints += [webhooks.blueprint] if chosen["webhooks"] else []
        blueprints += [api] if chosen["api"] else []
        blueprints += [console] if chosen["console"] else []
        if chosen["console"] and chosen["current_user"] is None:
            blueprints.append(sign_in.blueprint)
        if chosen["console"] or chosen["api"]:
            # A missing key is told here, not at the first form or second page.
            _ = runtime.secret_key
        # As is a folder for the counts that cannot be written.
        runtime.own(Tally)
        app.extensions[NAME] = runtime
        app.extensions[DRAIN] = Drain(runtime)
        app.extensions[DOOR] = Door(runtime, chosen["current_user"], chosen["sign_in_url"])
        _mount(app, chosen["url_prefix"].rstrip("/"), blueprints)


def create_app(settings: Settings | None = None, *, runtime: Runtime | None = None) -> Flask:
    """Ringnote by itself: webhooks, health, API, console and its sign-in, at the root.

    Settings come from the environment where neither is given. Raises ConfigError naming all faults.
    """
    return _standing_alone(runtime or _runtime(settings), has_pages=True)


def create_receiver(settings: Settings | None = None, *, runtime: Runtime | None = None) -> Flask:
    """Only what the phone system and a load balancer need, at the root: webhooks and health, and
    `/metrics` for those who have its token."""
    return _standing_alone(runtime or _runtime(settings), has_pages=False)


def create_monitored(runtime: Runtime) -> Flask:
    """Health and `/metrics` alone, at the root, for a process that serves nothing else."""
    app = Flask(__package__, static_folder=None, template_folder=None)
    Ringnote(app, url_prefix="", webhooks=False, console=False, api=False, runtime=runtime)
    return app


def _mount(app: Flask, url_prefix: str, blueprints: Sequence[Blueprint]) -> None:
    # One roof over all of them, so that no name collides with a blueprint of the host's.
    roof = Blueprint(NAME, __name__)
    roof.before_request(guard)
    # This runs before anything that the host does before a request.
    roof.url_value_preprocessor(_step_around_csrf)
    roof.context_processor(_page_context)
    for blueprint in blueprints:
        roof.register_blueprint(blueprint)
    app.register_blueprint(roof, url_prefix=url_prefix or None)


def _step_around_csrf(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Have the host's CSRFProtect leave our routes alone, whenever it was set up.

    It would read a webhook's body, and ask our forms, which have a protection of their own, for its
    token.
    """
    csrf = current_app.extensions.get("csrf")
    view = current_app.view_functions.get(request.endpoint or "")
    if csrf is not None and view is not None and hasattr(csrf, "exempt"):
        csrf.exempt(view)


def _page_context() -> dict[str, Any]:
    """What our templates find, and no template of the host's."""
    identity = g.get("ringnote_identity")
    door: Door = current_app.extensions[DOOR]
    return {
        "ringnote_identity": identity,
        "ringnote_has_sign_in": not door.is_host,
        "ringnote_may_mend": bool(identity and identity.may(Role.OPERATOR)),
        "ringnote_may_connect": bool(identity and identity.may(Role.ADMIN)),
        "ringnote_form_token": lambda: form_token(identity.name if identity else ""),
    }


def _of_host(app: Flask, arguments: dict[str, Any], engine: sa.Engine | None) -> Runtime:
    config = from_config(app.config)
    if not arguments.get("secret_key") and app.config.get("SECRET_KEY"):
        config.setdefault("secret_key", str(app.config["SECRET_KEY"]))
    if engine is None:
        return Runtime.from_settings(load_settings(arguments, config))
    db = Database.of_engine(engine)
    # So that what is asked of a deployment on PostgreSQL is asked of this one too.
    arguments = arguments | {"database_url": db.url.render_as_string(hide_password=False)}
    return Runtime(load_settings(arguments, config), db)


def _standing_alone(runtime: Runtime, has_pages: bool) -> Flask:
    app = Flask(__package__, static_folder=None, template_folder=None)
    if proxies := runtime.settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=proxies, x_proto=proxies, x_host=proxies, x_port=proxies
        )
    Ringnote(app, url_prefix="", console=has_pages, api=has_pages, runtime=runtime)

    @app.after_request
    def insist_on_tls(response: Response) -> Response:
        # For the whole host, so only where no other application lives on it.
        if is_over_tls(request):
            response.headers.setdefault("Strict-Transport-Security", HSTS)
        return response

    return app


def _runtime(settings: Settings | None) -> Runtime:
    return Runtime.from_settings(settings or load_settings())

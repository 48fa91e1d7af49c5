"""Every setting, typed and checked at once. Read by `create_app`, commands and the extension."""

import os
import re
import secrets
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from cryptography.fernet import Fernet
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    HttpUrl,
    TypeAdapter,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from .errors import ConfigError

PREFIX = "RINGNOTE_"
POSTGRES_DRIVER = "postgresql+psycopg"
SHORTEST_EVENTS_DAYS = 3
LONGEST_KEPT_DAYS = 36500
SHORTEST_METRICS_TOKEN = 20


def default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "ringnote"


class Settings(BaseModel):
    """What a deployment decides. Each field is `RINGNOTE_<NAME>`, or `RINGNOTE_<NAME>_FILE`."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True)

    database_url: str = ""
    """SQLAlchemy URL; empty means SQLite in `data_dir`."""
    data_dir: Path = Field(default_factory=default_data_dir)
    """Folder for the database and the keys that are made here."""
    secret_key: str = ""
    """Signs forms; empty means the encryption keys, or on SQLite one made once in `data_dir`."""
    encryption_keys: str = ""
    """Fernet keys, comma-separated, newest first; empty on SQLite means one made in `data_dir`."""
    public_url: str = ""
    """Where the phone system reaches this deployment, e.g. https://ringnote.example.com."""
    data_is_persistent: bool | None = None
    """Whether `data_dir` outlives this process and its machine's restarts. Then a webhook that the
    database cannot take is kept there, and answered 200. Unset: if the database lies there too."""
    proxies: int = Field(default=0, ge=0, le=10)
    """How many proxies stand before it whose X-Forwarded headers are believed."""
    missed_grace_seconds: float = Field(default=20.0, ge=0, le=3600)
    """How long an unanswered hangup waits for a late answer event before it counts as missed."""
    keep_events_days: int = Field(default=90, ge=0, le=LONGEST_KEPT_DAYS)
    """How long webhooks are kept as they came; 0 for ever, as for the three below."""
    keep_attempts_days: int = Field(default=90, ge=0, le=LONGEST_KEPT_DAYS)
    """How long each try to write an entry is kept."""
    keep_records_days: int = Field(default=1095, ge=0, le=LONGEST_KEPT_DAYS)
    """How long calls and texts are kept, with their entries."""
    keep_ended_days: int = Field(default=90, ge=0, le=LONGEST_KEPT_DAYS)
    """How long what has ended is kept: tokens, addresses, revoked rules, answered look-ups."""
    allow_private_pms: bool = False
    """Whether a PMS may live on a loopback or private address."""
    metrics_token: str = ""
    """What a monitor shows to read `/metrics`; empty means that nobody may."""
    log_format: Literal["text", "json"] = "text"

    @field_validator("data_dir")
    @classmethod
    def _of_home(cls, value: Path) -> Path:
        return value.expanduser()

    @field_validator("database_url")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if not value:
            return value
        try:
            url = make_url(value)
        except ArgumentError:
            raise ValueError(
                "is no database URL; write sqlite:////path/to/file"
                " or postgresql://user:password@host/name"
            ) from None
        kind = url.get_backend_name()
        if kind in ("postgresql", "postgres"):
            url = url.set(drivername=POSTGRES_DRIVER)
        elif kind != "sqlite":
            raise ValueError("names a database that is neither SQLite nor PostgreSQL")
        elif url.database in (None, "", ":memory:"):
            raise ValueError("names no file; write sqlite:////path/to/file")
        return url.render_as_string(hide_password=False)

    @field_validator("public_url")
    @classmethod
    def _web_address(cls, value: str) -> str:
        if value:
            try:
                TypeAdapter(HttpUrl).validate_python(value)
            except ValidationError:
                raise ValueError(
                    "is no web address; write https://host or https://host/path"
                ) from None
        return value.rstrip("/")

    @field_validator("keep_events_days")
    @classmethod
    def _long_enough_for_a_call(cls, value: int) -> int:
        if 0 < value < SHORTEST_EVENTS_DAYS:
            raise ValueError(
                f"must be 0 (for ever) or at least {SHORTEST_EVENTS_DAYS}:"
                " a call's webhooks may come for a day"
            )
        return value

    @field_validator("keep_records_days")
    @classmethod
    def _not_before_its_events(cls, value: int, info: ValidationInfo) -> int:
        events = info.data.get("keep_events_days", 0)
        if value and (not events or value < events):
            kept = f"{events} days" if events else "for ever"
            raise ValueError(
                f"must be 0 (for ever) or not less than {PREFIX}KEEP_EVENTS_DAYS, which is {kept}:"
                " a call is not forgotten before its webhooks"
            )
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _fernet_keys(cls, value: str) -> str:
        for key in filter(None, (part.strip() for part in value.split(","))):
            try:
                Fernet(key)
            except ValueError:
                raise ValueError(
                    "must be Fernet keys (32 bytes, URL-safe base64), comma-separated, newest first"
                ) from None
        return value

    @field_validator("metrics_token")
    @classmethod
    def _hard_to_guess(cls, value: str) -> str:
        if value and not (len(value) >= SHORTEST_METRICS_TOKEN and re.fullmatch(r"[!-~]+", value)):
            raise ValueError(
                f"must have {SHORTEST_METRICS_TOKEN} characters at least, letters, digits and signs"
                ' without spaces. Make one with: python3 -c "import secrets;'
                ' print(secrets.token_urlsafe(32))"'
            )
        return value

    @property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{self.data_dir / 'ringnote.sqlite3'}"

    @property
    def spools(self) -> bool:
        """Whether webhooks may be kept in the data folder for a while."""
        if self.data_is_persistent is None:
            return not self.database_url
        return self.data_is_persistent

    @property
    def is_sqlite(self) -> bool:
        return make_url(self.url).get_backend_name() == "sqlite"


def load_settings(*layers: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings out of `layers` (first wins; keys are field names), then the environment.

    Raises ConfigError naming every fault found, never a value.
    """
    environ = os.environ if environ is None else environ
    values, faults = _from_environment(environ)
    for layer in reversed(layers):
        values.update({name: value for name, value in layer.items() if value is not None})
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        raise ConfigError(*faults, *(_in_words(fault) for fault in error.errors())) from None
    if faults:
        raise ConfigError(*faults)
    return settings


def from_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The layer that a Flask application's config is: its `RINGNOTE_…` keys, by field name."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in config.items()
        if name.startswith(PREFIX)
    }


def _from_environment(environ: Mapping[str, str]) -> tuple[dict[str, Any], list[str]]:
    values: dict[str, Any] = {}
    faults: list[str] = []
    for field in Settings.model_fields:
        name = PREFIX + field.upper()
        path = environ.get(f"{name}_FILE")
        if environ.get(name) and path:
            faults.append(f"{name} and {name}_FILE are both set; keep one")
        elif environ.get(name):
            # An empty one is how a compose file or a unit says "not set".
            values[field] = environ[name]
        elif path:
            try:
                values[field] = Path(path).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "is not text"
                faults.append(f"{name}_FILE cannot be read: {reason}")
    return values, faults


def _in_words(fault: Any) -> str:
    name = PREFIX + "_".join(str(part) for part in fault["loc"]).upper()
    message = str(fault["msg"]).removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{name} is no setting of Ringnote{suggest(name)}"
    return f"{name}: {message}"


def suggest(name: str) -> str:
    """ "; did you mean …?" for the name of an environment variable that is none, or nothing."""
    known = [PREFIX + field.upper() for field in Settings.model_fields]
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""


def kept_secret(folder: Path, name: str, make: Any) -> str:
    """The secret kept in `folder/name`, made once with mode 0600 by the first who asks."""
    path = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f".{name}.{secrets.token_hex(4)}")
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(make())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ConfigError(
            f"RINGNOTE_DATA_DIR: {path} cannot be made or read ({error.strerror});"
            " name a folder that this user may write"
        ) from None

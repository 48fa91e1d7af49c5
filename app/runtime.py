"""What a running Ringnote has in hand, passed to the rooms that need it."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from .clock import Clock, utc_now
from .db import Database
from .errors import ConfigError
from .http import Http
from .settings import Settings, kept_secret
from .spool import Spool
from .vault import Vault
from .wake import Waker


class Closing(Protocol):
    """What has a thread or connections of its own, until it is closed."""

    def close(self) -> None: ...


Owned = TypeVar("Owned", bound=Closing)


@dataclass
class Runtime:
    """Settings, database, clock, and, once asked for, the vault, the waker and the HTTP session."""

    settings: Settings
    db: Database
    clock: Clock = utc_now
    _owned: dict[Any, Closing] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        # Not when first asked for: two threads that ask at once would get one each.
        self.spool = Spool(self.settings.data_dir / "spool") if self.settings.spools else None
        """Where webhooks wait while the database is away; None where they would not be safe."""
        self.waker = Waker(self.db)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Runtime":
        return cls(settings, Database(settings.url))

    @cached_property
    def vault(self) -> Vault:
        return Vault.from_settings(self.settings)

    @cached_property
    def secret_key(self) -> str:
        """What signs forms. Raises ConfigError where machines share a database and no key."""
        settings = self.settings
        if key := settings.secret_key or settings.encryption_keys:
            return key
        if not settings.is_sqlite:
            raise ConfigError(
                "RINGNOTE_SECRET_KEY is not set; on PostgreSQL every machine needs the same one."
                ' Make one with: python3 -c "import secrets; print(secrets.token_urlsafe(32))"'
            )
        return kept_secret(settings.data_dir, "secret.key", lambda: secrets.token_urlsafe(32))

    @cached_property
    def http(self) -> Http:
        return Http(allow_private=self.settings.allow_private_pms)

    def own(self, make: "Callable[[Runtime], Owned]") -> Owned:
        """What `make` makes of this runtime: made once, when first asked for, and closed with it.

        For rooms above this one that need a thing of which a runtime has one.
        """
        with self._lock:
            if make not in self._owned:
                self._owned[make] = make(self)
            owned: Any = self._owned[make]
        return owned  # type: ignore[no-any-return]

    def close(self) -> None:
        """Let go of every connection and thread that it holds."""
        for each in self._owned.values():
            each.close()
        self.waker.close()
        if self.spool is not None:
            self.spool.close()
        if "http" in self.__dict__:
            self.http.close()
        self.db.dispose()

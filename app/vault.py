"""Secrets at rest: encrypts the credentials of connections. Keys rotate: the newest encrypts."""

import json
from collections.abc import Mapping

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from .errors import ConfigError
from .settings import Settings, kept_secret


class Vault:
    """Encrypts and decrypts a mapping of secrets."""

    def __init__(self, keys: list[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    @classmethod
    def from_settings(cls, settings: Settings) -> "Vault":
        """The vault of a deployment. Raises ConfigError where PostgreSQL has no keys set."""
        keys = [key.strip() for key in settings.encryption_keys.split(",") if key.strip()]
        if not keys:
            if not settings.is_sqlite:
                raise ConfigError(
                    "RINGNOTE_ENCRYPTION_KEYS is not set; on PostgreSQL every machine needs the"
                    ' same keys. Make one with: python3 -c "import base64,os;'
                    'print(base64.urlsafe_b64encode(os.urandom(32)).decode())"'
                )
            keys = [
                kept_secret(
                    settings.data_dir, "encryption.key", lambda: Fernet.generate_key().decode()
                )
            ]
        return cls(keys)

    def seal(self, secrets: Mapping[str, str]) -> bytes:
        return self._fernet.encrypt(json.dumps(dict(secrets)).encode())

    def open(self, sealed: bytes) -> dict[str, str]:
        """The secrets. Raises ConfigError if none of the keys fits."""
        try:
            opened: dict[str, str] = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            raise ConfigError(
                "RINGNOTE_ENCRYPTION_KEYS: none of the keys opens a stored secret;"
                " add the key it was stored with to the end of the list"
            ) from None
        return opened

"""Secrets at rest: sealed, opened, and opened still after the keys were changed."""

import pytest
from cryptography.fernet import Fernet

from ringnote.errors import ConfigError
from ringnote.settings import load_settings
from ringnote.vault import Vault

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def test_secrets_come_out_as_they_went_in_and_are_not_readable_between():
    vault = Vault([NEW])

    sealed = vault.seal({"token": "s3cret-é"})

    assert vault.open(sealed) == {"token": "s3cret-é"}
    assert b"s3cret" not in sealed


def test_after_a_change_of_keys_the_newest_seals_and_the_old_ones_still_open():
    sealed_before = Vault([OLD]).seal({"token": "a"})
    rotated = Vault([NEW, OLD])

    sealed_after = rotated.seal({"token": "b"})

    assert rotated.open(sealed_before) == {"token": "a"}
    assert Vault([NEW]).open(sealed_after) == {"token": "b"}


def test_a_secret_that_no_key_opens_is_a_fault_of_the_setting():
    sealed = Vault([OLD]).seal({"token": "a"})

    with pytest.raises(ConfigError, match="RINGNOTE_ENCRYPTION_KEYS"):
        Vault([NEW]).open(sealed)


def test_postgresql_without_keys_is_a_fault():
    settings = load_settings({"database_url": "postgresql://host/name"}, environ={})

    with pytest.raises(ConfigError, match="RINGNOTE_ENCRYPTION_KEYS is not set"):
        Vault.from_settings(settings)


def test_sqlite_without_keys_makes_one_in_its_folder_and_keeps_it(tmp_path):
    settings = load_settings({"data_dir": tmp_path}, environ={})

    sealed = Vault.from_settings(settings).seal({"token": "a"})

    assert Vault.from_settings(settings).open(sealed) == {"token": "a"}
    assert (tmp_path / "encryption.key").stat().st_mode & 0o777 == 0o600


def test_keys_may_stand_apart_by_commas_and_blanks():
    settings = load_settings({"encryption_keys": f" {NEW} , {OLD},"}, environ={})

    sealed = Vault([OLD]).seal({"token": "a"})

    assert Vault.from_settings(settings).open(sealed) == {"token": "a"}

"""Settings: where they come from, which wins, and how faults are told."""

from pathlib import Path

import pytest

from ringnote.errors import ConfigError
from ringnote.settings import from_config, kept_secret, load_settings


def faults(*layers: dict, **environ: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        load_settings(*layers, environ=environ)
    return caught.value.faults


def test_all_faults_are_told_at_once_and_no_value_with_them():
    told = faults(
        RINGNOTE_DATABASE_URL="mysql://u:hidden@db/x",
        RINGNOTE_ENCRYPTION_KEYS="hidden",
        RINGNOTE_PUBLIC_URL="hidden",
        RINGNOTE_MISSED_GRACE_SECONDS="-1",
        RINGNOTE_ALLOW_PRIVATE_PMS="hidden",
        RINGNOTE_SECRET_KEY_FILE="/nowhere/hidden",
    )

    named = {each.split(":")[0].split()[0] for each in told}
    assert named == {
        "RINGNOTE_DATABASE_URL",
        "RINGNOTE_ENCRYPTION_KEYS",
        "RINGNOTE_PUBLIC_URL",
        "RINGNOTE_MISSED_GRACE_SECONDS",
        "RINGNOTE_ALLOW_PRIVATE_PMS",
        "RINGNOTE_SECRET_KEY_FILE",
    }
    assert "hidden" not in "".join(told)


def test_a_setting_may_be_the_content_of_a_file(tmp_path):
    path = tmp_path / "secret"
    path.write_text("from-a-file\n")

    settings = load_settings(environ={"RINGNOTE_SECRET_KEY_FILE": str(path)})

    assert settings.secret_key == "from-a-file"


@pytest.mark.parametrize(
    "token", ["short", "x" * 19, "long enough, with spaces", "ünlike-any-header-of-http"]
)
def test_a_token_of_monitors_is_one_that_can_be_sent_and_not_guessed(token):
    (told,) = faults(RINGNOTE_METRICS_TOKEN=token)

    assert told.startswith("RINGNOTE_METRICS_TOKEN: must have 20 characters at least")
    assert token not in told


def test_a_setting_given_twice_is_a_fault(tmp_path):
    told = faults(RINGNOTE_SECRET_KEY="a", RINGNOTE_SECRET_KEY_FILE=str(tmp_path / "b"))

    assert told == ("RINGNOTE_SECRET_KEY and RINGNOTE_SECRET_KEY_FILE are both set; keep one",)


def test_a_file_that_is_no_text_is_a_fault(tmp_path):
    path = tmp_path / "secret"
    path.write_bytes(b"\xff\xfe\x00")

    assert faults(RINGNOTE_SECRET_KEY_FILE=str(path)) == (
        "RINGNOTE_SECRET_KEY_FILE cannot be read: is not text",
    )


def test_the_first_layer_wins_over_the_second_and_both_over_the_environment():
    environ = {
        "RINGNOTE_SECRET_KEY": "environment",
        "RINGNOTE_PUBLIC_URL": "https://environment.example",
        "RINGNOTE_LOG_FORMAT": "json",
    }

    settings = load_settings(
        {"secret_key": "argument", "public_url": None},
        from_config({"RINGNOTE_SECRET_KEY": "host", "RINGNOTE_PUBLIC_URL": "https://host.example"}),
        environ=environ,
    )

    assert settings.secret_key == "argument"
    assert settings.public_url == "https://host.example"
    assert settings.log_format == "json"


def test_what_is_set_to_nothing_is_not_set():
    settings = load_settings(environ={"RINGNOTE_MISSED_GRACE_SECONDS": "", "RINGNOTE_DATA_DIR": ""})

    assert settings.missed_grace_seconds == 20
    assert settings.data_dir.is_absolute()


def test_an_unknown_setting_of_a_host_is_named_with_what_was_meant():
    assert faults(from_config({"RINGNOTE_DATABSE_URL": "x", "OTHER": 1})) == (
        "RINGNOTE_DATABSE_URL is no setting of Ringnote; did you mean RINGNOTE_DATABASE_URL?",
    )


def test_the_process_s_environment_is_not_read_behind_a_caller_s_back(monkeypatch):
    monkeypatch.setenv("RINGNOTE_SECRET_KEY", "from the process")

    assert load_settings(environ={}).secret_key == ""
    assert load_settings().secret_key == "from the process"


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_any_spelling_of_postgresql_means_the_driver_that_is_installed(scheme):
    settings = load_settings({"database_url": f"{scheme}://user:pass@host/name"}, environ={})

    assert settings.url == "postgresql+psycopg://user:pass@host/name"
    assert not settings.is_sqlite


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "nonsense"])
def test_a_database_must_outlive_the_process(url):
    (told,) = faults({"database_url": url})

    assert "sqlite:////path/to/file" in told


def test_sqlite_in_the_data_folder_is_the_default():
    settings = load_settings(environ={"RINGNOTE_DATA_DIR": "~/there"})

    assert settings.url == f"sqlite:///{Path.home() / 'there' / 'ringnote.sqlite3'}"


def test_the_public_url_loses_its_last_slash():
    settings = load_settings({"public_url": "https://host.example/x/"}, environ={})

    assert settings.public_url == "https://host.example/x"


def test_a_kept_secret_is_made_once_and_for_its_owner_alone(tmp_path):
    folder = tmp_path / "data"

    first = kept_secret(folder, "key", lambda: "first")
    second = kept_secret(folder, "key", lambda: "second")

    assert (first, second) == ("first", "first")
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    assert [each.name for each in folder.iterdir()] == ["key"]


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match="RINGNOTE_DATA_DIR"):
        kept_secret(tmp_path / "file" / "data", "key", lambda: "x")


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({"RINGNOTE_KEEP_EVENTS_DAYS": "1"}, "RINGNOTE_KEEP_EVENTS_DAYS: must be 0 (for ever) or"),
        ({"RINGNOTE_KEEP_EVENTS_DAYS": "-1"}, "RINGNOTE_KEEP_EVENTS_DAYS: Input should be greater"),
        ({"RINGNOTE_KEEP_RECORDS_DAYS": "30"}, "RINGNOTE_KEEP_RECORDS_DAYS: must be 0 (for ever)"),
        ({"RINGNOTE_KEEP_ENDED_DAYS": "soon"}, "RINGNOTE_KEEP_ENDED_DAYS: Input should be a valid"),
        (
            {"RINGNOTE_KEEP_EVENTS_DAYS": "0", "RINGNOTE_KEEP_RECORDS_DAYS": "365"},
            "RINGNOTE_KEEP_RECORDS_DAYS: must be 0 (for ever) or not less than"
            " RINGNOTE_KEEP_EVENTS_DAYS, which is for ever",
        ),
    ],
)
def test_times_that_make_no_sense_are_refused(given, fault):
    with pytest.raises(ConfigError) as caught:
        load_settings(environ=given)

    [said] = caught.value.faults
    assert said.startswith(fault)


def test_times_can_be_for_ever_or_as_short_as_a_call_takes():
    settings = load_settings(
        environ={"RINGNOTE_KEEP_EVENTS_DAYS": "3", "RINGNOTE_KEEP_RECORDS_DAYS": "0"}
    )

    assert (settings.keep_events_days, settings.keep_records_days) == (3, 0)

"""The stand-alone deployment's applications, for any WSGI server: wsgi:app and wsgi:webhooks.

`webhooks` takes webhooks and tells of its health, and of its metrics who shows their token, nothing
else: it may face the internet. Neither works off what came: that is for `ringnote worker`, in
processes of its own.
"""

from pathlib import Path

from flask import Config

from ringnote import create_app, create_receiver
from ringnote.logs import configure_logs
from ringnote.runtime import Runtime
from ringnote.settings import from_config, load_settings

config = Config(Path(__file__).parent)
config.from_pyfile("config.py")
settings = load_settings(from_config(config))
configure_logs(settings.log_format)
runtime = Runtime.from_settings(settings)

app = create_app(runtime=runtime)
webhooks = create_receiver(runtime=runtime)

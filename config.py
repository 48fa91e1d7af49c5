"""The stand-alone deployment's settings, out of the environment. Read by wsgi.py.

Whatever is not set keeps Ringnote's own default; each may instead be given as NAME_FILE, the path
of a file that holds it. `ringnote check` names everything that is missing or wrong.
"""

import os

# SQLite in the data folder unless set, e.g. postgresql://ringnote@db.example.com/ringnote
RINGNOTE_DATABASE_URL = os.environ.get("RINGNOTE_DATABASE_URL") or None

# Holds the SQLite file and the keys that are made on first use.
RINGNOTE_DATA_DIR = os.environ.get("RINGNOTE_DATA_DIR") or None

# Signs forms. Needed on PostgreSQL, unless RINGNOTE_ENCRYPTION_KEYS is set.
RINGNOTE_SECRET_KEY = os.environ.get("RINGNOTE_SECRET_KEY") or None

# Encrypt the credentials of PMSs at rest: comma-separated, newest first. Needed on PostgreSQL.
RINGNOTE_ENCRYPTION_KEYS = os.environ.get("RINGNOTE_ENCRYPTION_KEYS") or None

# Where the phone system reaches this deployment, e.g. https://ringnote.example.com
RINGNOTE_PUBLIC_URL = os.environ.get("RINGNOTE_PUBLIC_URL") or None

# 1 if the data folder outlives restarts: then webhooks wait there while the database is away.
RINGNOTE_DATA_IS_PERSISTENT = os.environ.get("RINGNOTE_DATA_IS_PERSISTENT") or None

# How many proxies stand before it, one after the other; their X-Forwarded headers are believed.
RINGNOTE_PROXIES = os.environ.get("RINGNOTE_PROXIES") or None

# How long an unanswered hangup waits for a late answer before it counts as missed.
RINGNOTE_MISSED_GRACE_SECONDS = os.environ.get("RINGNOTE_MISSED_GRACE_SECONDS") or None

# 1 allows a PMS on a loopback or private address.
RINGNOTE_ALLOW_PRIVATE_PMS = os.environ.get("RINGNOTE_ALLOW_PRIVATE_PMS") or None

# What a monitor shows to read /metrics, 20 characters or more. Unset, nobody may.
RINGNOTE_METRICS_TOKEN = os.environ.get("RINGNOTE_METRICS_TOKEN") or None

# text or json
RINGNOTE_LOG_FORMAT = os.environ.get("RINGNOTE_LOG_FORMAT") or None

#!/bin/sh
# Renews both locks from pyproject.toml. pip-compile lives in an environment of its own, so that it
# is not part of what it locks.
set -eu
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
.venv/bin/python -m venv "$tools/venv"
"$tools/venv/bin/pip" install -q pip-tools
printf 'pip\nsetuptools\nwheel\n' >"$tools/build.in"
compile="$tools/venv/bin/pip-compile -q --generate-hashes --strip-extras --allow-unsafe
    --no-header --no-annotate --no-emit-index-url --no-emit-trusted-host --no-emit-find-links"
$compile --upgrade --extra dev -o requirements-dev.lock pyproject.toml
# What `make test-live` installs is an environment of its own. PostgreSQL's driver would need a compiler.
(
    cd tests/live
    $compile --upgrade -o build.lock build.in
    $compile --upgrade -o all.lock requirements.in
    awk '/^[a-z#]/ { keep = $0 !~ /^(psycopg2|setuptools)==|^#/ } keep' all.lock >requirements.lock
    rm all.lock
)
# The runtime pins what the tests ran with.
$compile -c requirements-dev.lock -o requirements.lock pyproject.toml "$tools/build.in"

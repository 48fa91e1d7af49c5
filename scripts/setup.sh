#!/bin/sh
# Makes .venv with what a lock pins, and Ringnote itself in it. Usage: setup.sh LOCK
# Quick when nothing has changed since the last run.
set -eu
cd "$(dirname "$0")/.."
lock=$1
venv=.venv
stamp=$venv/.installed-$lock

python=${PYTHON:-python3}
command -v "$python" >/dev/null 2>&1 || {
    echo "Ringnote needs Python 3.11 or newer, and there is no $python here." >&2
    exit 1
}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "Ringnote needs Python 3.11 or newer; $python is $("$python" -V). Name another with PYTHON=…" >&2
    exit 1
}

if [ ! -x $venv/bin/python ]; then
    rm -rf $venv
    "$python" -m venv $venv >/dev/null 2>&1 || {
        rm -rf $venv
        "$python" -m virtualenv -q $venv >/dev/null 2>&1
    } || {
        echo "$python cannot make a virtual environment. On Debian: apt-get install python3-venv" >&2
        exit 1
    }
fi

if [ ! -f "$stamp" ] || [ "$lock" -nt "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
    echo "Setting up ($lock) …" >&2
    pip="$venv/bin/python -m pip --disable-pip-version-check -q"
    $pip install --require-hashes -r "$lock" >&2
    # setuptools warns of any package whose folder has another name.
    PYTHONWARNINGS=ignore $pip install --no-build-isolation --no-deps -e . >&2
    touch "$stamp"
fi

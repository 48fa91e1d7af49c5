#!/bin/sh
# Makes .live: GNU Health's server in an environment of its own, and an empty database to be copied.
# Quick when nothing has changed since the last run.
set -eu
cd "$(dirname "$0")/../.."
home=.live
stamp=$home/.installed
if [ -f $stamp ] && [ ! tests/live/requirements.lock -nt $stamp ] && [ ! tests/live/setup.sh -nt $stamp ]; then
    exit 0
fi
echo "Setting up GNU Health …" >&2
rm -rf $home
mkdir -p $home/data
"${PYTHON:-python3}" -m venv $home/venv
pip="$home/venv/bin/python -m pip --disable-pip-version-check -q"
# Its modules come as sources, so what builds them is pinned too. PostgreSQL's driver, which would
# need a compiler, is left out: the database is SQLite's.
$pip install --require-hashes -r tests/live/build.lock >&2
$pip install --no-build-isolation --no-deps --require-hashes -r tests/live/requirements.lock >&2
cat >$home/trytond.conf <<EOF
[database]
uri = sqlite://
path = $PWD/$home/data
EOF
printf 'password-of-4711' >$home/password
: >$home/data/clinic.sqlite
admin="$home/venv/bin/trytond-admin -c $home/trytond.conf -d clinic --activate-dependencies"
TRYTONPASSFILE=$home/password $admin --email admin@clinic.example -u party health </dev/null
$admin -u project </dev/null
touch $stamp

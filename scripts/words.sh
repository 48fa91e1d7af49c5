#!/bin/sh
# Gathers what is to be translated into app/locale/ringnote.pot, and compiles the languages there are.
# A new one: .venv/bin/pybabel init -D ringnote -d app/locale -i app/locale/ringnote.pot -l fr
set -eu
cd "$(dirname "$0")/.."
pybabel=.venv/bin/pybabel
$pybabel -q extract -F scripts/words.cfg -k say -k say_many:1,2 --no-location --sort-output \
    --omit-header -o app/locale/ringnote.pot app
for po in app/locale/*/LC_MESSAGES/ringnote.po; do
    [ -f "$po" ] || continue
    $pybabel -q update -D ringnote -d app/locale -i app/locale/ringnote.pot --no-fuzzy-matching
    $pybabel -q compile -D ringnote -d app/locale
    break
done

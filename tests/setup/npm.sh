#!/bin/sh
# Installs the npm packages that the tests use into .cache/npm of the checkout, where npm is there; says what is missing
# and why where it isn't. Tests that need what is missing skip themselves, and fail under CI=true.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
list=$root/tests/setup/npm.txt
folder=$root/.cache/npm

missing=
for package in $(grep -v '^#' "$list"); do
    [ -d "$folder/node_modules/${package%@*}" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v npm >/dev/null 2>&1; then
    echo "Not installed, for want of npm:$missing"
    exit 0
fi
echo "Installing npm packages into .cache/npm:$missing"
mkdir -p "$folder"
log=$(mktemp)
if npm install --prefix "$folder" --no-audit --no-fund --loglevel=error $missing >"$log" 2>&1 </dev/null; then
    rm -f "$log"
else
    tail -n 5 "$log"
    rm -f "$log"
    echo "Not installed, npm failed:$missing"
fi

#!/bin/sh
# Puts the oldest ipykernel that is supported into .cache/ipykernel-oldest, beside the newest one in .venv: a kernel whose
# PYTHONPATH begins there uses it. Says so where it can't be installed; the tests that need it skip themselves then, and
# fail under CI=true.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=$root/.cache/ipykernel-oldest
wanted=$(sed -n 's/^ *"ipykernel>=\([0-9.]*\),.*/\1/p' "$root/pyproject.toml")
[ "$(cat "$folder/.zenbook-version" 2>/dev/null || true)" = "$wanted" ] && exit 0

echo "Installing ipykernel $wanted, the oldest supported, into .cache/ipykernel-oldest"
rm -rf "$folder"
# What it needs is in .venv, but for what newer ones do without.
if "$root/.venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder" \
    "ipykernel~=$wanted.0" nest-asyncio; then
    echo "$wanted" >"$folder/.zenbook-version"
else
    echo "Not installed: ipykernel $wanted"
fi

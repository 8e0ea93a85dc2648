#!/bin/sh
# Makes the virtual environment $1 with a Python >= 3.11 and pip in it; does nothing where it is there already.
# PYTHON=… chooses the interpreter. Works without Debian's python3-venv, given any pip >= 22.3.
set -eu
venv=$1

if [ -x "$venv/bin/python" ] && "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    exit 0
fi

new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    new_enough "$PYTHON" || { echo "PYTHON=$PYTHON is no Python >= 3.11: name one that is." >&2; exit 1; }
    python=$PYTHON
else
    python=
    for one in python3 python3.13 python3.12 python3.11; do
        if new_enough "$one"; then python=$one; break; fi
    done
    [ -n "$python" ] || { echo "No Python >= 3.11 found: install one (Debian: apt-get install python3), or say PYTHON=/path/to/python3.11." >&2; exit 1; }
fi

echo "Making $venv with $("$python" --version)"
if "$python" -c 'import ensurepip' >/dev/null 2>&1 && "$python" -m venv "$venv" >/dev/null 2>&1; then
    exit 0
fi
# Debian keeps ensurepip in python3-venv: without it, the system's own pip fills the bare environment.
"$python" -m venv --clear --without-pip "$venv" \
    && "$python" -m pip --python "$venv/bin/python" install --quiet pip \
    && exit 0
rm -rf "$venv"
echo "$python can make no virtual environment: install venv or pip for it (Debian: apt-get install python3-venv)." >&2
exit 1

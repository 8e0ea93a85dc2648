#!/bin/sh
# Installs the Debian packages that the tests use, where that is possible without asking for a password; says what is
# missing and why where it isn't. Tests that need what is missing skip themselves, and fail under CI=true.
set -eu
list=$(dirname "$0")/debian.txt

if ! command -v apt-get >/dev/null 2>&1; then
    echo "No apt-get here: $(grep -v '^#' "$list" | sed 's/?.*//' | tr '\n' ' ')must be there by other means."
    exit 0
fi
missing=
for entry in $(grep -v '^#' "$list"); do
    package=${entry%%\?*}
    if [ "$package" != "$entry" ] && command -v "${entry#*\?}" >/dev/null 2>&1; then continue; fi
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ]; then
    sudo=
elif sudo -n true >/dev/null 2>&1; then
    sudo="sudo -n"
else
    echo "Not installed, for want of root or a passwordless sudo:$missing"
    exit 0
fi
echo "Installing Debian packages:$missing"
export DEBIAN_FRONTEND=noninteractive
apt="$sudo env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold"
case "$missing" in *postgresql*) # its package would make a database and start a server; the tests start their own
    if [ ! -e /etc/postgresql-common ]; then
        $sudo mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    fi ;;
esac
log=$(mktemp)
if $apt update >"$log" 2>&1 </dev/null && $apt install --no-install-recommends $missing >>"$log" 2>&1 </dev/null; then
    rm -f "$log"
else
    tail -n 5 "$log"
    rm -f "$log"
    echo "Not installed, apt-get failed:$missing"
fi

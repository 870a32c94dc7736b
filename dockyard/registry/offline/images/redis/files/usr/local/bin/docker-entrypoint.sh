#!/bin/sh
# Options alone are for the server; root gives up its rights first.
set -e
case "$1" in -*|*.conf) set -- redis-server "$@" ;; esac
if [ "$1" = redis-server ]; then
    # Protected mode refuses every client but the container itself, and the container's networks
    # guard the port already. A configuration that names the setting has the last word.
    case "$*" in *protected-mode*) own=yes ;; *) own= ;; esac
    [ -f "$2" ] && grep --quiet --ignore-case '^[[:space:]]*protected-mode' "$2" && own=yes
    [ -n "$own" ] || set -- "$@" --protected-mode no
    if [ "$(id -u)" = 0 ]; then
        find /data \! -user redis -exec chown redis:redis '{}' +
        exec setpriv --reuid=redis --regid=redis --clear-groups "$@"
    fi
fi
exec "$@"

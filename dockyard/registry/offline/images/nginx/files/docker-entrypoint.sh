#!/bin/sh
# Scripts in /docker-entrypoint.d run before the server: *.envsh in this shell, *.sh on their own.
set -e
if [ "$1" = nginx ]; then
    for script in $(find /docker-entrypoint.d -follow -type f | sort -V); do
        [ -x "$script" ] || continue
        case $script in
            *.envsh) . "$script" ;;
            *.sh) "$script" ;;
        esac
    done
fi
exec "$@"

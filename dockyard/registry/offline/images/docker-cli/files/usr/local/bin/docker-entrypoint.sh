#!/bin/sh
# Commands of the client need not name it: `docker run docker:cli version`.
set -e
if [ "${1#-}" != "$1" ] || docker help "$1" > /dev/null 2>&1; then
    set -- docker "$@"
fi
# Without a socket of its own, the client looks for a daemon called "docker" on its network.
if [ -z "$DOCKER_HOST" ] && [ ! -S /var/run/docker.sock ]; then
    client=$DOCKER_TLS_CERTDIR/client
    if [ -n "$DOCKER_TLS_CERTDIR" ] && [ -s "$client/ca.pem" ] && [ -s "$client/key.pem" ]; then
        export DOCKER_HOST=tcp://docker:2376 DOCKER_TLS_VERIFY=1 DOCKER_CERT_PATH="$client"
    fi
fi
exec "$@"

#!/bin/sh
# Starts a Docker daemon in this container. It listens on its UNIX socket and, when
# DOCKER_TLS_CERTDIR is not empty, on port 2376 for clients with a certificate. It never listens
# without one.
set -e

certificates() {
    folder=$1
    mkdir -p "$folder/ca" "$folder/server" "$folder/client"
    [ -f "$folder/client/cert.pem" ] && return
    names="DNS:docker,DNS:localhost,DNS:$(hostname),IP:127.0.0.1,IP:::1"
    for address in $(hostname -I); do names="$names,IP:$address"; done
    for name in $DOCKER_TLS_SAN; do names="$names,$name"; done
    openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=the daemon's own CA" \
        -keyout "$folder/ca/key.pem" -out "$folder/ca/cert.pem" 2>/dev/null
    for role in server client; do
        case $role in
            server) usage="extendedKeyUsage=serverAuth
subjectAltName=$names" ;;
            client) usage="extendedKeyUsage=clientAuth" ;;
        esac
        openssl req -newkey rsa:2048 -nodes -subj "/CN=docker $role" \
            -keyout "$folder/$role/key.pem" -out "$folder/$role/request" 2>/dev/null
        echo "$usage" > "$folder/$role/usage"
        openssl x509 -req -days 825 -in "$folder/$role/request" -extfile "$folder/$role/usage" \
            -CA "$folder/ca/cert.pem" -CAkey "$folder/ca/key.pem" -CAcreateserial \
            -out "$folder/$role/cert.pem" 2>/dev/null
        rm "$folder/$role/request" "$folder/$role/usage"
        cp "$folder/ca/cert.pem" "$folder/$role/ca.pem"
        chmod 0600 "$folder/$role/key.pem"
    done
}

# Under cgroup v2 the controllers can be handed to containers only when no process is left in
# the root of the hierarchy (cgroups(7), "no internal processes").
nested_cgroups() {
    [ -f /sys/fs/cgroup/cgroup.controllers ] || return 0
    mkdir -p /sys/fs/cgroup/init
    xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs 2>/dev/null || :
    sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers \
        > /sys/fs/cgroup/cgroup.subtree_control 2>/dev/null || :
}

case "$1" in
    ""|-*) set -- dockerd "$@" ;;
esac
if [ "$1" = dockerd ]; then
    shift
    rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
    if [ -n "$DOCKER_TLS_CERTDIR" ]; then
        certificates "$DOCKER_TLS_CERTDIR"
        server=$DOCKER_TLS_CERTDIR/server
        set -- --host=tcp://0.0.0.0:2376 --tlsverify --tlscacert="$server/ca.pem" \
            --tlscert="$server/cert.pem" --tlskey="$server/key.pem" "$@"
    fi
    nested_cgroups
    mount -t securityfs none /sys/kernel/security 2>/dev/null || :
    set -- dockerd --host=unix:///var/run/docker.sock "$@"
fi
exec "$@"

#!/bin/sh
# Starts a Docker daemon in this container. It listens on its UNIX socket and, when
# DOCKER_TLS_CERTDIR is not empty, on port 2376 for clients with a certificate. It never listens
# without one.
set -e

# The names and addresses under which clients may reach this daemon.
names() {
    printf 'DNS:docker,DNS:localhost,DNS:%s,IP:127.0.0.1,IP:::1' "$(hostname)"
    for address in $(hostname -I); do printf ',IP:%s' "$address"; done
    for name in $DOCKER_TLS_SAN; do printf ',%s' "$name"; done
}

# issue ROLE EXTENSIONS: a key and a certificate of our own authority in the folder ROLE.
issue() {
    mkdir -p "$1"
    openssl req -newkey rsa:2048 -nodes -subj "/CN=docker $1" \
        -keyout "$1/key.pem" -out "$1/request" 2>/dev/null
    printf '%b' "$2" > "$1/extensions"
    openssl x509 -req -days 825 -in "$1/request" -extfile "$1/extensions" \
        -CA ca/cert.pem -CAkey ca/key.pem -CAcreateserial -out "$1/cert.pem" 2>/dev/null
    rm "$1/request" "$1/extensions"
    cp ca/cert.pem "$1/ca.pem"
    chmod 0600 "$1/key.pem"
}

valid() { openssl x509 -checkend 86400 -noout -in "$1/cert.pem" > /dev/null 2>&1; }

# Certificates are kept for as long as they are valid and name this container: its address may
# be another one after a restart.
certificates() (
    mkdir -p "$1" && cd "$1"
    if ! valid ca; then
        mkdir -p ca
        rm -rf server/cert.pem client/cert.pem
        openssl req -x509 -newkey rsa:2048 -nodes -days 825 -subj "/CN=this daemon's own CA" \
            -keyout ca/key.pem -out ca/cert.pem 2>/dev/null
        chmod 0600 ca/key.pem
    fi
    if ! valid server || [ "$(cat server/names 2>/dev/null)" != "$(names)" ]; then
        issue server "extendedKeyUsage=serverAuth\nsubjectAltName=$(names)\n"
        names > server/names
    fi
    valid client || issue client "extendedKeyUsage=clientAuth\n"
)

# Under cgroup v2 the controllers can be handed to containers only when no process is left in
# the root of the hierarchy (cgroups(7), "no internal processes").
nested_cgroups() {
    [ -f /sys/fs/cgroup/cgroup.controllers ] || return 0
    mkdir -p /sys/fs/cgroup/init
    tries=0
    # A `docker exec` that begins meanwhile puts one more process there: that has to move as well.
    until
        xargs -rn1 < /sys/fs/cgroup/cgroup.procs > /sys/fs/cgroup/init/cgroup.procs
        sed -e 's/ / +/g' -e 's/^/+/' < /sys/fs/cgroup/cgroup.controllers \
            > /sys/fs/cgroup/cgroup.subtree_control
        grep -q . /sys/fs/cgroup/cgroup.subtree_control
    do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || return 0
        sleep 0.02
    done 2>/dev/null
}

# Debian's iptables speaks nf_tables; a kernel may know the older interface only.
packet_filter() {
    iptables --numeric --list > /dev/null 2>&1 && return
    if iptables-legacy --numeric --list > /dev/null 2>&1; then
        update-alternatives --quiet --set iptables /usr/sbin/iptables-legacy
        update-alternatives --quiet --set ip6tables /usr/sbin/ip6tables-legacy
    fi
}

case "$1" in
    ""|-*) set -- dockerd "$@" ;;
esac
if [ "$1" != dockerd ]; then
    exec docker-entrypoint.sh "$@"
fi
shift
rm -f /var/run/docker.pid /run/docker/containerd/containerd.pid
if [ -n "$DOCKER_TLS_CERTDIR" ]; then
    certificates "$DOCKER_TLS_CERTDIR"
    server=$DOCKER_TLS_CERTDIR/server
    set -- --host=tcp://0.0.0.0:2376 --tlsverify --tlscacert="$server/ca.pem" \
        --tlscert="$server/cert.pem" --tlskey="$server/key.pem" "$@"
fi
nested_cgroups
packet_filter
mount -t securityfs none /sys/kernel/security 2>/dev/null || :
set -- dockerd --host=unix:///var/run/docker.sock "$@"
# The first process has to wait for processes whose parents have ended; dockerd does not.
[ $$ -ne 1 ] || set -- docker-init -- "$@"
exec "$@"

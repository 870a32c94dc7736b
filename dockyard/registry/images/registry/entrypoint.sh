#!/bin/sh
# A bare configuration file means: serve with it.
set -e
case "$1" in *.yaml|*.yml) set -- docker-registry serve "$@" ;; serve|garbage-collect|--*) set -- docker-registry "$@" ;; esac
exec "$@"

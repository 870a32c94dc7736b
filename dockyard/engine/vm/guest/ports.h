/* Publishes ports on the host. */
#pragma once

/* docker-proxy: publish the port of the command line, then become the real docker-proxy. */
int publish(char **words);

/* iptables: publish or withdraw the port of a swarm service, then become the real iptables. */
int run_iptables(char **words);

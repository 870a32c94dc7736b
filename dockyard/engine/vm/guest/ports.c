/*
 * Publishes ports of the machine on the host, through the network helper (network.c).
 *
 * As docker-proxy it asks the host for the port, and becomes the real docker-proxy if the host
 * grants it. The connection to the host stays open in that process, so the port closes when the
 * process exits, however that happens. It reports a port that is taken on the host as dockerd
 * expects it from docker-proxy: "1\n" and the reason, on file descriptor 3.
 *
 * As iptables it runs the real one, except that
 * - the port of a swarm service has no docker-proxy, but a rule in the chain DOCKER-INGRESS; while
 *   that rule exists, a process of this program holds the port;
 * - the rule of a port that dockerd has chosen itself fails if the port is taken on the host. After
 *   a rule that failed dockerd tries another port, after a docker-proxy that failed it does not.
 */
#define _GNU_SOURCE
#include "ports.h"

#include "host.h"
#include "options.h"

#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REAL_PROXY "/usr/sbin/docker-proxy"

/* dockerd's words for a port that it cannot bind: the address, the port, the protocol, the reason. */
#define REFUSED "failed to bind host port %s:%s/%s: %s"

/* Ask the host for a port: to publish it, or with an empty address whether that would be possible.
 * Returns the connection that holds it, or -1 and writes the reason. */
static int ask_host(const char *protocol, const char *port, const char *address,
                    const char *inner_port, char *reason, size_t room)
{
    int fd = connect_to_host();
    if (fd < 0) {
        snprintf(reason, room, "%s", strerror(errno));
        return -1;
    }
    if (*address)
        dprintf(fd, "%s %s %s %s\n", protocol, port, address, inner_port);
    else
        dprintf(fd, "try %s %s\n", protocol, port);
    ssize_t length = read(fd, reason, room - 1);
    reason[length > 0 ? length : 0] = 0;
    reason[strcspn(reason, "\n")] = 0;
    if (!strcmp(reason, "ok"))
        return fd;
    close(fd);
    return -1;
}

int publish(char **words)
{
    char reason[256];
    /* For a wildcard dockerd starts an IPv4 and an IPv6 proxy of one port; the IPv4 one asks. */
    if (!strchr(option(words, "-host-ip"), ':') &&
        ask_host(option(words, "-proto"), option(words, "-host-port"),
                 option(words, "-container-ip"), option(words, "-container-port"), reason,
                 sizeof reason) < 0) {
        dprintf(3, "1\n" REFUSED, option(words, "-host-ip"), option(words, "-host-port"),
                option(words, "-proto"), reason);
        return 1;
    }
    words[0] = REAL_PROXY;
    execv(REAL_PROXY, words);
    dprintf(3, "1\n%s", strerror(errno));
    return 1;
}

static void release(const char *pid_file)
{
    FILE *file = fopen(pid_file, "re");
    int pid = 0;
    if (!file)
        return;
    if (fscanf(file, "%d", &pid) == 1 && pid > 1)
        kill(pid, SIGTERM);
    fclose(file);
    unlink(pid_file);
}

/* Publish a port when its rule is added to DOCKER-INGRESS, release it when the rule is deleted. */
static void follow_ingress(char **words)
{
    char pid_file[64], address[64], reason[256];
    const char *port = option(words, "--dport"), *protocol = option(words, "-p");
    snprintf(address, sizeof address, "%s", option(words, "--to-destination"));
    if (!strcmp(option(words, "-F"), "DOCKER-INGRESS")) {
        glob_t found;
        if (!glob("/run/ingress-*", 0, NULL, &found))
            for (size_t index = 0; index < found.gl_pathc; index++)
                release(found.gl_pathv[index]);
        return;
    }
    char *inner_port = strrchr(address, ':');
    if (!*port || !*protocol || !inner_port)
        return;
    *inner_port++ = 0;
    snprintf(pid_file, sizeof pid_file, "/run/ingress-%s-%s", protocol, port);
    if (!strcmp(option(words, "-D"), "DOCKER-INGRESS"))
        release(pid_file);
    if (strcmp(option(words, "-I"), "DOCKER-INGRESS") || !access(pid_file, F_OK))
        return;
    int fd = ask_host(protocol, port, address, inner_port, reason, sizeof reason);
    if (fd < 0)
        return;
    pid_t holder = fork();
    if (holder == 0) {
        /* dockerd reads the output of iptables until every process has closed it. */
        for (int other = 0; other < 3; other++)
            close(other);
        setsid();
        for (;;)
            pause();
    }
    FILE *file = fopen(pid_file, "we");
    if (file) {
        fprintf(file, "%d\n", holder);
        fclose(file);
    }
    close(fd);
}

/* Whether dockerd has chosen this port itself. */
static int is_dynamic(const char *port)
{
    FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "re");
    int first = 0, last = -1, number = atoi(port);
    if (!file)
        return 0;
    if (fscanf(file, "%d %d", &first, &last) != 2)
        last = -1;
    fclose(file);
    return number >= first && number <= last;
}

/* Whether this adds the rule of a container's port. */
static int adds_port(char **words)
{
    return !strcmp(option(words, "-A"), "DOCKER") && !strcmp(option(words, "-j"), "DNAT");
}

int run_iptables(char **words)
{
    char reason[256];
    const char *port = option(words, "--dport");
    if (adds_port(words) && is_dynamic(port)) {
        int fd = ask_host(option(words, "-p"), port, "", "", reason, sizeof reason);
        if (fd < 0) {
            const char *address = option(words, "-d");
            fprintf(stderr, REFUSED "\n", strcmp(address, "0/0") ? address : "0.0.0.0", port,
                    option(words, "-p"), reason);
            return 1;
        }
        close(fd);
    }
    follow_ingress(words);
    execv("/usr/sbin/iptables", words);
    perror("iptables");
    return 127;
}

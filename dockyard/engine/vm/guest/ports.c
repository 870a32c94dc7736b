/*
 * Ports of this computer that lead into the machine; see network.c.
 *
 * As docker-proxy it asks the host for the port, and becomes the real docker-proxy when the host
 * has it. The connection to the host stays open in that process, so the port goes when the process
 * goes, however it ends. A port that is taken on the host is reported as dockerd expects it from
 * its proxy: "1\n" and the reason on file descriptor 3.
 *
 * As iptables it runs the real one. A port of a swarm service has no docker-proxy, but a rule in
 * the chain DOCKER-INGRESS: while that rule is there, a process of this program holds the port.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL_PROXY "/usr/sbin/docker-proxy"

static int refuse(const char *reason)
{
    dprintf(3, "1\n%s", reason);
    return 1;
}

/* A connection to the host's end of the cable, or -1 and errno. */
int call_host(void)
{
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_aton("192.168.127.4", &host.sin_addr);
    if (fd >= 0 && connect(fd, (void *)&host, sizeof host)) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Ask the host for a port. Returns the connection that keeps it, or -1 with the reason why not. */
static int ask_host(const char *protocol, const char *port, const char *address,
                    const char *inner_port, char *reason, size_t room)
{
    int fd = call_host();
    if (fd < 0) {
        snprintf(reason, room, "%s", strerror(errno));
        return -1;
    }
    dprintf(fd, "%s %s %s %s\n", protocol, port, address, inner_port);
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
    /* An IPv6 wildcard comes with an IPv4 one for the same port, and that one is asked for. */
    if (!strchr(option(words, "-host-ip"), ':') &&
        ask_host(option(words, "-proto"), option(words, "-host-port"),
                 option(words, "-container-ip"), option(words, "-container-port"), reason,
                 sizeof reason) < 0) {
        /* The words of docker-proxy, so that `docker run` says the same everywhere. */
        dprintf(3, "1\nlisten %s4 %s:%s: bind: %s", option(words, "-proto"),
                option(words, "-host-ip"), option(words, "-host-port"), reason);
        return 1;
    }
    words[0] = REAL_PROXY;
    execv(REAL_PROXY, words);
    return refuse(strerror(errno));
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

/* A rule of DOCKER-INGRESS comes, goes, or the chain is emptied. */
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
        /* dockerd reads what iptables prints until everybody has closed it. */
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

int run_iptables(char **words)
{
    follow_ingress(words);
    execv("/usr/sbin/iptables", words);
    perror("iptables");
    return 127;
}

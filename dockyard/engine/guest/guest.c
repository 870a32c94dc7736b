/*
 * guest: what the machine needs and no package has. Linked statically. It has three names:
 * dockerd runs it as docker-proxy for every published port, the init as poweroff and listen.
 *
 * As docker-proxy it asks the host (see network.c) for the port, and becomes the real
 * docker-proxy when the host has it. The connection to the host stays open in that process, so
 * the port goes when the process goes, however it ends. A port that is taken on the host is
 * reported as dockerd expects it from its proxy: "1\n" and the reason on file descriptor 3.
 *
 * As listen it opens the port that the host's socket leads to, and becomes the program that
 * serves it (socket activation, sd_listen_fds(3)). A dockerd that opened a port itself would
 * warn in `docker info` of an open port, which it is not: see the packet filter in init.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

#define REAL_PROXY "/usr/sbin/docker-proxy"

static int refuse(const char *reason)
{
    dprintf(3, "1\n%s", reason);
    return 1;
}

static const char *option(char **words, const char *name)
{
    for (; words[0] && words[1]; words++)
        if (!strcmp(words[0], name))
            return words[1];
    return "";
}

static int publish(char **words)
{
    /* An IPv6 wildcard comes with an IPv4 one for the same port, and that one is asked for. */
    if (!strchr(option(words, "-host-ip"), ':')) {
        struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(1)};
        char line[256];
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        inet_aton("192.168.127.4", &host.sin_addr);
        if (fd < 0 || connect(fd, (void *)&host, sizeof host))
            return refuse(strerror(errno));
        dprintf(fd, "%s %s %s %s\n", option(words, "-proto"), option(words, "-host-port"),
                option(words, "-container-ip"), option(words, "-container-port"));
        ssize_t length = read(fd, line, sizeof line - 1);
        if (length <= 0)
            return refuse("the host closed the connection");
        line[length] = 0;
        line[strcspn(line, "\n")] = 0;
        if (strcmp(line, "ok")) {
            /* The words of docker-proxy, so that `docker run` says the same everywhere. */
            dprintf(3, "1\nlisten %s4 %s:%s: bind: %s", option(words, "-proto"),
                    option(words, "-host-ip"), option(words, "-host-port"), line);
            return 1;
        }
    }
    words[0] = REAL_PROXY;
    execv(REAL_PROXY, words);
    return refuse(strerror(errno));
}

static int serve(char **words)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(2375)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    char pid[16];
    inet_aton("192.168.127.2", &here.sin_addr);
    if (fd < 0 || bind(fd, (void *)&here, sizeof here) || listen(fd, 128) || dup2(fd, 3) < 0) {
        perror("listen");
        return 1;
    }
    if (fd != 3)
        close(fd);
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "1", 1);
    execv(words[1], words + 1);
    perror(words[1]);
    return 127;
}

int main(int count, char **words)
{
    const char *slash = strrchr(words[0], '/');
    const char *name = slash ? slash + 1 : words[0];
    if (!strcmp(name, "docker-proxy"))
        return publish(words);
    if (!strcmp(name, "poweroff"))
        return reboot(RB_POWER_OFF);
    if (!strcmp(name, "listen") && count > 1)
        return serve(words);
    fprintf(stderr, "guest: call me docker-proxy, listen PROGRAM or poweroff\n");
    return 2;
}

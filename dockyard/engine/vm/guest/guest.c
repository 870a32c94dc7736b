/*
 * guest: the machine's programs that no package provides, in one statically linked file. The name
 * it is called by chooses one:
 *   docker-proxy, iptables             for dockerd: ports.c
 *   runc, crun, libnetwork-setkey      for dockerd: runtime.c
 *   clock, memory                      for the init: clock.c, memory.c
 *   listen, poweroff, restart          for the init: below
 *
 * listen opens the port that the host's socket leads to and becomes the program that serves it
 * (socket activation, sd_listen_fds(3)). If dockerd opened the port itself, `docker info` would
 * warn of an open port, although the packet filter in init closes it to containers.
 */
#define _GNU_SOURCE
#include "clock.h"
#include "memory.h"
#include "ports.h"
#include "runtime.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

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
    if (!strcmp(name, "iptables"))
        return run_iptables(words);
    if (!strcmp(name, "runc") || !strcmp(name, "crun"))
        return run_container(name, count, words);
    if (!strcmp(name, "libnetwork-setkey"))
        return set_key(count, words);
    if (!strcmp(name, "clock"))
        return keep_clock();
    if (!strcmp(name, "memory"))
        return keep_memory_small(count > 1 && !strcmp(words[1], "now"));
    if (!strcmp(name, "listen") && count > 1)
        return serve(words);
    if (!strcmp(name, "poweroff"))
        return reboot(RB_POWER_OFF);
    if (!strcmp(name, "restart"))
        return reboot(RB_AUTOBOOT);
    fprintf(stderr, "guest: called by an unknown name: %s\n", name);
    return 2;
}

/*
 * guest: what the machine needs and no package has. Linked statically. Its names:
 * docker-proxy and iptables (ports.c), runc, crun and libnetwork-setkey (runtime.c) for dockerd;
 * clock (clock.c), poweroff, restart, reseed and listen for the init.
 *
 * As listen it opens the port that the host's socket leads to, and becomes the program that
 * serves it (socket activation, sd_listen_fds(3)). A dockerd that opened a port itself would
 * warn in `docker info` of an open port, which it is not: see the packet filter in init.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/random.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <unistd.h>

const char *option(char **words, const char *name)
{
    for (; words[0] && words[1]; words++)
        if (!strcmp(words[0], name))
            return words[1];
    return "";
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

/* After a rest: numbers that no earlier run of the same state can have had (random(4)). */
static int reseed(void)
{
    struct { struct rand_pool_info info; char room[64]; } fresh = {.info = {64 * 8, 64}};
    int source = open("/dev/hwrng", O_RDONLY), pool = open("/dev/urandom", O_WRONLY);
    if (read(source, fresh.info.buf, 64) != 64 || ioctl(pool, RNDADDENTROPY, &fresh) ||
        ioctl(pool, RNDRESEEDCRNG)) {
        perror("reseed");
        return 1;
    }
    return 0;
}

int main(int count, char **words)
{
    const char *slash = strrchr(words[0], '/');
    const char *name = slash ? slash + 1 : words[0];
    if (!strcmp(name, "docker-proxy"))
        return publish(words);
    if (!strcmp(name, "clock"))
        return keep_clock(words);
    if (!strcmp(name, "poweroff"))
        return reboot(RB_POWER_OFF);
    if (!strcmp(name, "restart"))
        return reboot(RB_AUTOBOOT);
    if (!strcmp(name, "reseed"))
        return reseed();
    if (!strcmp(name, "listen") && count > 1)
        return serve(words);
    if (!strcmp(name, "runc") || !strcmp(name, "crun"))
        return run_container(name, count, words);
    if (!strcmp(name, "iptables"))
        return run_iptables(words);
    if (!strcmp(name, "libnetwork-setkey"))
        return set_key(count, words);
    fprintf(stderr, "guest: called by an unknown name: %s\n", name);
    return 2;
}

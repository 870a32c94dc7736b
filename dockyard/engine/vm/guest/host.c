#define _GNU_SOURCE
#include "host.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

int connect_to_host(void)
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

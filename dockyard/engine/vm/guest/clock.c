/*
 * The machine's clock, set by the host's; see network.c.
 *
 * It stands still while the host sleeps or the machine's state lies in a file, and begins with a
 * whole second. So the host is asked for the time every minute, and the clock is set when it is
 * wrong by more than can come from asking.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TOLERATED 0.1 /* seconds */

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static int set_once(void)
{
    char answer[64];
    double asked = now(CLOCK_MONOTONIC);
    int fd = call_host();
    if (fd < 0)
        return 1;
    dprintf(fd, "time\n");
    ssize_t length = read(fd, answer, sizeof answer - 1);
    close(fd);
    if (length <= 0)
        return 1;
    answer[length] = 0;
    double took = now(CLOCK_MONOTONIC) - asked, right = atof(answer) + took / 2;
    double late = right - now(CLOCK_REALTIME);
    if (late >= -TOLERATED - took && late <= TOLERATED + took)
        return 0;
    struct timespec time = {.tv_sec = (time_t)right};
    time.tv_nsec = (right - time.tv_sec) * 1e9;
    return clock_settime(CLOCK_REALTIME, &time) ? 1 : 0;
}

int keep_clock(char **words)
{
    if (words[1])
        return set_once();
    for (;;) {
        set_once();
        sleep(60);
    }
}

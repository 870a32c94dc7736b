/*
 * Gives memory that the machine no longer uses back to the host.
 *
 * The kernel keeps a copy of every file that it has read, and the host cannot know which of the
 * machine's pages hold nothing else. So when nothing has happened for a minute and the copies are
 * large, this program drops them and asks the network helper (network.c) to take the free memory
 * away from this kernel piece by piece, which returns it to the host, and to add all of it again. The
 * machine is then as large as before, but the host provides a page only when it is used.
 */
#define _GNU_SOURCE
#include "memory.h"

#include "host.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BUSY 3      /* percent of the CPU: with more, a minute is not idle */
#define ENOUGH 256  /* MiB of copies that are worth it */
#define PIECE 64    /* MiB; the machine stands still while a piece goes */
#define RESERVE 64  /* MiB that stay free meanwhile */

/* Clock ticks (100 a second) that programs and the kernel have worked since the start. */
static unsigned long long worked(void)
{
    unsigned long long user, nice, system;
    FILE *file = fopen("/proc/stat", "re");
    int found = file ? fscanf(file, "cpu %llu %llu %llu", &user, &nice, &system) : 0;
    if (file)
        fclose(file);
    return found == 3 ? user + nice + system : 0;
}

/* A line of /proc/meminfo, in MiB. */
static long memory(const char *name)
{
    long kib = 0;
    char line[128], found[64];
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "%63[^:]: %ld", found, &kib) == 2 && !strcmp(found, name))
            break;
    if (file)
        fclose(file);
    return kib / 1024;
}

static long copies_of_files(void) { return memory("Cached") + memory("Buffers") - memory("Shmem"); }

static void drop_copies_of_files(void)
{
    sync();
    FILE *file = fopen("/proc/sys/vm/drop_caches", "we");
    if (!file)
        return;
    fputs("3", file);
    fclose(file);
}

/* Change the size of this kernel's memory by some MiB. Returns whether that was done. */
static bool change(long size)
{
    char answer[64];
    int fd = connect_to_host();
    if (fd < 0)
        return false;
    dprintf(fd, "memory %+ld\n", size);
    ssize_t length = read(fd, answer, sizeof answer - 1);
    close(fd);
    answer[length > 0 ? length : 0] = 0;
    return !strcmp(answer, "ok\n");
}

static void give_back(void)
{
    long taken = 0;
    drop_copies_of_files();
    while (memory("MemFree") > RESERVE + PIECE && change(-PIECE))
        taken += PIECE;
    while (taken && !change(taken))
        sleep(1);
}

int keep_memory_small(bool now)
{
    if (now) {
        give_back();
        return 0;
    }
    unsigned long long before = worked();
    for (;;) {
        sleep(60);
        unsigned long long after = worked();
        if ((after - before) / 60 < BUSY && copies_of_files() > ENOUGH)
            give_back();
        before = after;
    }
}

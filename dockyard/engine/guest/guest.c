/*
 * guest: what the machine needs and no package has. Linked statically. Its names:
 * docker-proxy, iptables, runc, crun and libnetwork-setkey for dockerd; poweroff, restart and
 * listen for the init.
 *
 * As docker-proxy it asks the host (see network.c) for the port, and becomes the real
 * docker-proxy when the host has it. The connection to the host stays open in that process, so
 * the port goes when the process goes, however it ends. A port that is taken on the host is
 * reported as dockerd expects it from its proxy: "1\n" and the reason on file descriptor 3.
 *
 * As iptables it runs the real one. A port of a swarm service has no docker-proxy, but a rule in
 * the chain DOCKER-INGRESS: while that rule is there, a process of this program holds the port.
 *
 * As listen it opens the port that the host's socket leads to, and becomes the program that
 * serves it (socket activation, sd_listen_fds(3)). A dockerd that opened a port itself would
 * warn in `docker info` of an open port, which it is not: see the packet filter in init.
 *
 * As runc or crun it runs the real one, and as libnetwork-setkey it does what dockerd's hook of
 * that name does. dockerd runs all of itself for this hook once a container, 94 MB to relocate:
 * 0.4 s of the 1.1 s that `docker run` took here. A specification without that hook in the
 * expected form stays as it is.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* Ask the host for a port. Returns the connection that keeps it, or -1 with the reason why not. */
static int ask_host(const char *protocol, const char *port, const char *address,
                    const char *inner_port, char *reason, size_t room)
{
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(1)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    inet_aton("192.168.127.4", &host.sin_addr);
    if (fd < 0 || connect(fd, (void *)&host, sizeof host)) {
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

static int publish(char **words)
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

static int run_iptables(char **words)
{
    follow_ingress(words);
    execv("/usr/sbin/iptables", words);
    perror("iptables");
    return 127;
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

static const char HOOK_END[] = "/exe\",\"args\":[\"libnetwork-setkey\"";
static const char PATH_KEY[] = "\"path\":\"";

/* Let the hook in a bundle's config.json run this program. */
static void shorten_hook(const char *bundle)
{
    char path[PATH_MAX], made[PATH_MAX];
    snprintf(path, sizeof path, "%s/config.json", bundle);
    snprintf(made, sizeof made, "%s/config.json.new", bundle);
    FILE *file = fopen(path, "re");
    if (!file)
        return;
    char *text = NULL;
    size_t room = 0;
    ssize_t length = getdelim(&text, &room, 0, file);
    fclose(file);
    char *end = length > 0 ? strstr(text, HOOK_END) : NULL;
    char *key = end;
    while (key && key > text && end - key < 64 && strncmp(key, PATH_KEY, strlen(PATH_KEY)))
        key--;
    if (!key || strncmp(key, PATH_KEY, strlen(PATH_KEY)))
        return;
    FILE *out = fopen(made, "we");
    if (!out)
        return;
    fprintf(out, "%.*s%s/mnt/libnetwork-setkey%s", (int)(key - text), text, PATH_KEY,
            end + strlen("/exe"));
    if (!fclose(out))
        rename(made, path);
}

static int run_container(const char *runtime, char **words)
{
    char path[PATH_MAX];
    for (char **word = words + 1; *word; word++)
        if (!strcmp(*word, "create")) {
            shorten_hook(option(word, "--bundle"));
            break;
        }
    for (const char **place = (const char *[]){"/usr/sbin", "/usr/bin", NULL}; *place; place++) {
        snprintf(path, sizeof path, "%s/%s", *place, runtime);
        execv(path, words);
    }
    perror(runtime);
    return 127;
}

/* libnetwork-setkey -exec-root=FOLDER CONTAINER CONTROLLER, the container's state on input. */
static int set_key(int count, char **words)
{
    static const char root[] = "-exec-root=";
    struct sockaddr_un daemon = {.sun_family = AF_UNIX};
    char state[65536], answer[1024];
    size_t have = 0;
    ssize_t length;
    if (count != 4 || strncmp(words[1], root, strlen(root)))
        return 2;
    while ((length = read(0, state + have, sizeof state - 1 - have)) > 0)
        have += length;
    state[have] = 0;
    char *pid = strstr(state, "\"pid\"");
    pid = pid ? strpbrk(pid, "0123456789") : NULL;
    snprintf(daemon.sun_path, sizeof daemon.sun_path, "%s/libnetwork/%s.sock",
             words[1] + strlen(root), words[3]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (!pid || fd < 0 || connect(fd, (void *)&daemon, sizeof daemon)) {
        perror("libnetwork-setkey");
        return 1;
    }
    dprintf(fd, "{\"ContainerID\":\"%s\",\"Key\":\"/proc/%d/ns/net\"}", words[2], atoi(pid));
    length = read(fd, answer, sizeof answer - 1);
    answer[length > 0 ? length : 0] = 0;
    if (strcmp(answer, "success")) {
        fprintf(stderr, "%s\n", answer);
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
    if (!strcmp(name, "poweroff"))
        return reboot(RB_POWER_OFF);
    if (!strcmp(name, "restart"))
        return reboot(RB_AUTOBOOT);
    if (!strcmp(name, "listen") && count > 1)
        return serve(words);
    if (!strcmp(name, "runc") || !strcmp(name, "crun"))
        return run_container(name, words);
    if (!strcmp(name, "iptables"))
        return run_iptables(words);
    if (!strcmp(name, "libnetwork-setkey"))
        return set_key(count, words);
    fprintf(stderr, "guest: called by an unknown name: %s\n", name);
    return 2;
}

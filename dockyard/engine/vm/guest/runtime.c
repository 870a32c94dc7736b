/*
 * Containers: what dockerd calls to make them and to run programs in them.
 *
 * As runc or crun it runs the real one, and as libnetwork-setkey it does what dockerd's hook of
 * that name does. dockerd runs all of itself for this hook once a container, 94 MB to relocate:
 * 0.4 s of the 1.1 s that `docker run` took here. A specification without that hook in the
 * expected form stays as it is.
 *
 * `runc exec` is done by crun, which takes a third of the time: runc is two Go programs one after
 * the other, and compiles the system call filter anew. For it, a container that runc made gets the
 * description that crun keeps of its own ones, with the very filter that runc gave it, read back
 * from its first process. What crun refuses, runc is asked to refuse, so that it is said in the
 * same words on every engine. Where anything is not as expected here, runc does it all.
 */
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CRUN_ROOT "/run/exec"

/* Tried one after the other; init makes the first one. */
static const char *const PLACES[] = {"/run/%s.ro", "/usr/sbin/%s", "/usr/bin/%s"};

/* A whole file with a zero after it, or NULL. */
static char *content(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    ssize_t length = file ? getdelim(&text, &room, 0, file) : -1;
    if (file)
        fclose(file);
    if (length > 0)
        return text;
    free(text);
    return NULL;
}

static const char HOOK_END[] = "/exe\",\"args\":[\"libnetwork-setkey\"";
static const char PATH_KEY[] = "\"path\":\"";

/* Let the hook in a bundle's config.json run this program. */
static void shorten_hook(const char *bundle)
{
    char path[PATH_MAX], made[PATH_MAX];
    snprintf(path, sizeof path, "%s/config.json", bundle);
    snprintf(made, sizeof made, "%s/config.json.new", bundle);
    char *text = content(path);
    char *end = text ? strstr(text, HOOK_END) : NULL;
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

static void become(const char *runtime, char **words)
{
    char path[PATH_MAX];
    for (size_t place = 0; place < sizeof PLACES / sizeof *PLACES; place++) {
        snprintf(path, sizeof path, PLACES[place], runtime);
        execv(path, words);
    }
    perror(runtime);
}

/* Run the real one to its end. Returns its exit code, or that of a shell for a signal. */
static int run(const char *runtime, char **words)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        /* containerd ends this process when it has waited long enough. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(runtime, words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Write the system call filter of a process to path; false unless it has exactly one. */
static int save_filter(pid_t pid, const char *path)
{
    int status, saved = 0;
    if (ptrace(PTRACE_SEIZE, pid, 0, 0))
        return 0;
    /* It waits for `runc start` in open(2), which begins again by itself. */
    if (!ptrace(PTRACE_INTERRUPT, pid, 0, 0) && waitpid(pid, &status, __WALL) == pid) {
        long count = ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, NULL);
        struct sock_filter *code = count > 0 ? calloc(count, sizeof *code) : NULL;
        if (code && ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 1, NULL) < 0 &&
            ptrace(PTRACE_SECCOMP_GET_FILTER, pid, 0, code) == count) {
            FILE *file = fopen(path, "we");
            saved = file && fwrite(code, sizeof *code, count, file) == (size_t)count;
            if (file && fclose(file))
                saved = 0;
        }
        free(code);
    }
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return saved;
}

/* When a process began, in the kernel's ticks; 0 when it is gone. */
static unsigned long long began(pid_t pid)
{
    char path[64];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    char *text = content(path), *place = text ? strrchr(text, ')') : NULL;
    /* Field 22; the name in field 2 may have blanks, so counting begins behind it. */
    for (int field = 2; place && field < 22; field++)
        place = strchr(place + 1, ' ');
    if (place)
        ticks = strtoull(place, NULL, 10);
    free(text);
    return ticks;
}

static void forget(const char *id)
{
    char path[PATH_MAX];
    for (const char **name = (const char *[]){"status", "config.json", "seccomp.bpf", NULL}; *name;
         name++) {
        snprintf(path, sizeof path, CRUN_ROOT "/%s/%s", id, *name);
        unlink(path);
    }
    snprintf(path, sizeof path, CRUN_ROOT "/%s", id);
    rmdir(path);
}

/* Describe a container that was just created, for crun. */
static void describe(const char *id, const char *bundle, const char *pid_file)
{
    char path[PATH_MAX], config[PATH_MAX];
    char *number = content(pid_file), *groups = NULL, *specification = NULL;
    pid_t pid = number ? atoi(number) : 0;
    int complete = 0;
    snprintf(config, sizeof config, "%s/config.json", bundle);
    snprintf(path, sizeof path, "/proc/%d/cgroup", pid);
    if (pid > 1 && (groups = content(path)) && !strncmp(groups, "0::", 3) &&
        (specification = content(config))) {
        groups[strcspn(groups, "\n")] = 0;
        mkdir(CRUN_ROOT, 0700);
        snprintf(path, sizeof path, CRUN_ROOT "/%s", id);
        mkdir(path, 0700);
        snprintf(path, sizeof path, CRUN_ROOT "/%s/config.json", id);
        int linked = !symlink(config, path);
        snprintf(path, sizeof path, CRUN_ROOT "/%s/seccomp.bpf", id);
        /* Inside a text of this file the quotes would have backslashes. */
        int filtered = strstr(specification, "\"seccomp\":") != NULL;
        if (linked && !strstr(specification, "\"listenerPath\":") &&
            (!filtered || save_filter(pid, path))) {
            snprintf(path, sizeof path, CRUN_ROOT "/%s/status", id);
            FILE *file = fopen(path, "we");
            if (file) {
                fprintf(file,
                        "{\"pid\":%d,\"process-start-time\":%llu,\"cgroup-path\":\"%s\","
                        "\"rootfs\":\"/\",\"bundle\":\"%s\",\"created\":\"\",\"detached\":true}",
                        pid, began(pid), groups + 3, bundle);
                complete = !fclose(file);
            }
        }
    }
    free(number);
    free(groups);
    free(specification);
    if (!complete)
        forget(id);
}

/*
 * Let crun start a program in a container that runc made. Returns false when it did not. Only
 * detached: then a code other than 0 means that nothing was started.
 */
static int exec_by_crun(const char *id, int count, char **words)
{
    char path[PATH_MAX];
    char *changed[count + 1];
    const char *log = option(words, "--log");
    snprintf(path, sizeof path, CRUN_ROOT "/%s/status", id);
    int detached = 0;
    for (int index = 1; index < count; index++)
        detached |= !strcmp(words[index], "--detach");
    if (!detached || access(path, F_OK))
        return 0;
    for (int index = 0; index <= count; index++)
        changed[index] = index && words[index] && !strcmp(words[index - 1], "--root")
                             ? CRUN_ROOT
                             : words[index];
    if (!run("crun", changed))
        return 1;
    /* containerd reads the reason there: it shall be runc's. */
    if (*log && truncate(log, 0))
        perror(log);
    return 0;
}

int run_container(const char *runtime, int count, char **words)
{
    const char *id = words[count - 1], *command = "";
    for (char **word = words + 1; *word && !*command; word++)
        if (!strcmp(*word, "create") || !strcmp(*word, "exec") || !strcmp(*word, "delete"))
            command = *word;
    if (!strcmp(command, "create"))
        shorten_hook(option(words, "--bundle"));
    if (!strcmp(runtime, "runc")) {
        if (!strcmp(command, "create")) {
            int code = run(runtime, words);
            if (!code)
                describe(id, option(words, "--bundle"), option(words, "--pid-file"));
            return code;
        }
        if (!strcmp(command, "exec") && exec_by_crun(id, count, words))
            return 0;
        if (!strcmp(command, "delete"))
            forget(id);
    }
    become(runtime, words);
    return 127;
}

/* libnetwork-setkey -exec-root=FOLDER CONTAINER CONTROLLER, the container's state on input. */
int set_key(int count, char **words)
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

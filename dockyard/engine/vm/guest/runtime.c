/*
 * Wraps the runtimes that dockerd calls to create containers and to run programs in them.
 *
 * Every container has a hook libnetwork-setkey, for which dockerd would start all of itself: 94 MB
 * to relocate, 0.4 s of the 1.1 s that `docker run` took here. So runc and crun replace it in the
 * container's specification by this program, which does the same as libnetwork-setkey. A hook of
 * an unexpected form stays as it is.
 *
 * `runc exec` is done by crun, which takes 40 % of the time (docs/machine.md): runc is two Go
 * programs one after the other, and compiles the seccomp filter again. After runc has created a
 * container, this program writes the state that crun would have written for it, with the filter
 * that runc installed, read back from the container's first process. If crun fails, runc runs the
 * exec, so the error is the same as on other engines; so does it if anything is unexpected.
 *
 * Memory is not freed: this process soon exits or becomes another program.
 */
#define _GNU_SOURCE
#include "runtime.h"

#include "options.h"

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

/* Tried in this order; init creates the first one. */
static const char *const PLACES[] = {"/run/%s.ro", "/usr/sbin/%s", "/usr/bin/%s"};

/* The content of a file as a string, or NULL. */
static char *content(const char *path)
{
    FILE *file = fopen(path, "re");
    char *text = NULL;
    size_t room = 0;
    ssize_t length = file ? getdelim(&text, &room, 0, file) : -1;
    if (file)
        fclose(file);
    return length > 0 ? text : NULL;
}

static const char HOOK_END[] = "/exe\",\"args\":[\"libnetwork-setkey\"";
static const char PATH_KEY[] = "\"path\":\"";

/* Replace the program of the hook in a bundle's config.json by this one. */
static void replace_hook(const char *bundle)
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

/* Run the real runtime. Returns its exit code, or for a signal what a shell returns. */
static int run(const char *runtime, char **words)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        /* containerd kills this process after a timeout. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        become(runtime, words);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) != child)
        return 127;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Write the seccomp filter of a process to path. Returns 0 unless it has exactly one. */
static int save_filter(pid_t pid, const char *path)
{
    int status, saved = 0;
    if (ptrace(PTRACE_SEIZE, pid, 0, 0))
        return 0;
    /* The process waits for `runc start` in open(2), which restarts after the interruption. */
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
    }
    ptrace(PTRACE_DETACH, pid, 0, 0);
    return saved;
}

static const char *state_path(const char *id, const char *name)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, CRUN_ROOT "/%s/%s", id, name);
    return path;
}

static void remove_state(const char *id)
{
    unlink(state_path(id, "status"));
    unlink(state_path(id, "config.json"));
    unlink(state_path(id, "seccomp.bpf"));
    rmdir(state_path(id, ""));
}

/* Write crun's state for a container that runc has just created. Returns 0 if that is not possible:
 * crun is not used then. */
static int write_state(const char *id, const char *bundle, const char *pid_file)
{
    char groups_path[64], config_path[PATH_MAX];
    char *number = content(pid_file);
    pid_t pid = number ? atoi(number) : 0;
    snprintf(groups_path, sizeof groups_path, "/proc/%d/cgroup", pid);
    snprintf(config_path, sizeof config_path, "%s/config.json", bundle);
    char *groups = content(groups_path), *config = content(config_path);
    if (pid <= 1 || !groups || strncmp(groups, "0::", 3) || !config ||
        strstr(config, "\"listenerPath\":"))
        return 0;
    groups[strcspn(groups, "\n")] = 0;
    mkdir(CRUN_ROOT, 0700);
    mkdir(state_path(id, ""), 0700);
    if (symlink(config_path, state_path(id, "config.json")))
        return 0;
    /* This matches keys only: inside a JSON string the quotes would have backslashes. */
    if (strstr(config, "\"seccomp\":") && !save_filter(pid, state_path(id, "seccomp.bpf")))
        return 0;
    FILE *file = fopen(state_path(id, "status"), "we");
    if (!file)
        return 0;
    fprintf(file,
            "{\"pid\":%d,\"cgroup-path\":\"%s\",\"rootfs\":\"/\",\"bundle\":\"%s\","
            "\"created\":\"\",\"detached\":true}",
            pid, groups + 3, bundle);
    return !fclose(file);
}

/*
 * Let crun run an exec. Returns 0 if it did not start the program. Only for a detached exec, where
 * an exit code other than 0 means that nothing was started.
 */
static int exec_by_crun(const char *id, int count, char **words)
{
    char *changed[count + 1];
    const char *log = option(words, "--log");
    int detached = 0;
    for (int index = 1; index < count; index++)
        detached |= !strcmp(words[index], "--detach");
    if (!detached || access(state_path(id, "status"), F_OK))
        return 0;
    for (int index = 0; index <= count; index++)
        changed[index] = index && words[index] && !strcmp(words[index - 1], "--root")
                             ? CRUN_ROOT
                             : words[index];
    if (!run("crun", changed))
        return 1;
    /* containerd reads the error from this file: leave it to runc. */
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
        replace_hook(option(words, "--bundle"));
    if (!strcmp(runtime, "runc")) {
        if (!strcmp(command, "create")) {
            int code = run(runtime, words);
            if (!code && !write_state(id, option(words, "--bundle"), option(words, "--pid-file")))
                remove_state(id);
            return code;
        }
        if (!strcmp(command, "exec") && exec_by_crun(id, count, words))
            return 0;
        if (!strcmp(command, "delete"))
            remove_state(id);
    }
    become(runtime, words);
    return 127;
}

/* libnetwork-setkey -exec-root=FOLDER CONTAINER CONTROLLER, with the container's state on stdin. */
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

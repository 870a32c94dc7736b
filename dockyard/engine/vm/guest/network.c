/*
 * network: connects the machine to its host, without privileges.
 *
 *   network [--lan FOLDER NUMBER SOCKET] [--console SOCKET] DOCKER_SOCKET CABLE_SOCKET
 *           CONTROL_SOCKET CPU PROGRAM [ARGUMENT...]
 *
 * Runs PROGRAM (the machine), which connects to CABLE_SOCKET and sends one Ethernet frame per
 * packet; libslirp implements the network on the other end. If CABLE_SOCKET is "-", the machine
 * finds its end of the cable as file descriptor 3. The helper exits when the machine exits, and the
 * machine is killed when the helper dies. Both stay on the given CPU (-1: any): in User-Mode Linux
 * every system call of a guest program is a switch between two processes, and waking one on
 * another CPU takes three times as long.
 *
 *   192.168.127.1  the host: its loopback, and the gateway to the outside
 *   192.168.127.2  the machine; DOCKER_SOCKET leads to its daemon, which listens on port 2375
 *   192.168.127.3  the host's name server
 *   192.168.127.4  port 1 leads to CONTROL_SOCKET
 *
 * A connection to CONTROL_SOCKET publishes one port for as long as it is open: it sends
 * "tcp|udp HOST_PORT CONTAINER_ADDRESS CONTAINER_PORT\n" and receives "ok\n" or the reason for a
 * failure. Published ports are opened on the host's loopback only. A connection that sends
 * "time\n" receives the seconds since 1970. "memory -MIB\n" takes memory away from the machine, and
 * "memory +MIB\n" adds it, through the management console of User-Mode Linux (--console).
 *
 * With --lan the machines of one user share a second network, a hub: the machine connects its
 * second interface to SOCKET, and each frame goes to the socket of every other machine in FOLDER
 * (this machine's is FOLDER/NUMBER). It is not connected to anything else.
 *
 * Half-closed connections stay half open in both directions, as `docker run -i` and `attach` need.
 *
 * Why not an existing program? passt needs user namespaces, does not open ports on request, and
 * speaks only vhost-user with User-Mode Linux. gvproxy (gvisor-tap-vsock) would replace libslirp
 * and the published ports, but Debian has it only since 13, a port stays open when its owner dies,
 * and a helper for the LAN, the clock, the memory, the CPU and the child process would remain (see
 * docs/machine.md).
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <slirp/libslirp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MACHINE "192.168.127.2"
#define DAEMON_PORT 2375
#define MAX_FRAME 65600
#define MAX_PUBLISHED 512
/* libslirp listens with a backlog of one, which a page with six connections overflows. */
#define BACKLOG 128

static Slirp *network;
static int cable = -1;

/* The LAN: the machine's end of its cable, and this machine's socket in the folder. */
static int lan_listener = -1, lan_cable = -1, lan_group = -1;
static const char *lan_folder, *lan_place;

/* The machine's management console, where it has one. */
static const char *console_socket;

static struct pollfd *polled;
static int polled_count, polled_room;

struct published {
    int control;
    bool active, udp;
    struct sockaddr_in host;
};
static struct published published[MAX_PUBLISHED];
static int published_count;

/* --- Callbacks for libslirp --------------------------------------------------------------- */

static ssize_t send_frame(const void *frame, size_t length, void *opaque)
{
    (void)opaque;
    if (cable < 0)
        return (ssize_t)length;
    for (;;) {
        ssize_t sent = send(cable, frame, length, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0)
            return sent;
        if (errno == EAGAIN) {
            /* The machine is slow. Wait, because TCP recovers from a lost frame by a timeout. */
            struct pollfd wait = {.fd = cable, .events = POLLOUT};
            if (poll(&wait, 1, 100) > 0)
                continue;
        } else if (errno == EINTR)
            continue;
        return -1;
    }
}

static void guest_error(const char *message, void *opaque)
{
    (void)opaque;
    fprintf(stderr, "network: from the machine: %s\n", message);
}

static int64_t clock_ns(void *opaque)
{
    struct timespec now;
    (void)opaque;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* libslirp uses timers for IPv6 router advertisements only, and this network has no IPv6. */
static void *timer_new(SlirpTimerCb callback, void *argument, void *opaque)
{
    (void)callback, (void)argument, (void)opaque;
    return malloc(1);
}
static void timer_free(void *timer, void *opaque) { (void)opaque, free(timer); }
static void timer_set(void *timer, int64_t when, void *opaque)
{
    (void)timer, (void)when, (void)opaque;
}
static void ignore_fd(int fd, void *opaque) { (void)fd, (void)opaque; }
static void ignore(void *opaque) { (void)opaque; }

static int poll_also(int fd, int events, void *opaque)
{
    (void)opaque;
    if (polled_count == polled_room) {
        polled_room = polled_room ? 2 * polled_room : 256;
        polled = realloc(polled, polled_room * sizeof *polled);
        if (!polled)
            abort();
    }
    short wanted = 0;
    if (events & SLIRP_POLL_IN)
        wanted |= POLLIN;
    if (events & SLIRP_POLL_OUT)
        wanted |= POLLOUT;
    if (events & SLIRP_POLL_PRI)
        wanted |= POLLPRI;
    polled[polled_count] = (struct pollfd){.fd = fd, .events = wanted};
    return polled_count++;
}

static int polled_events(int index, void *opaque)
{
    (void)opaque;
    short seen = polled[index].revents;
    int events = 0;
    if (seen & POLLIN)
        events |= SLIRP_POLL_IN;
    if (seen & POLLOUT)
        events |= SLIRP_POLL_OUT;
    if (seen & POLLPRI)
        events |= SLIRP_POLL_PRI;
    if (seen & POLLERR)
        events |= SLIRP_POLL_ERR;
    if (seen & POLLHUP)
        /* A client closed before it had read everything: on a hang-up libslirp 4.7 only reads,
         * so poll() would return at once for ever. A write makes it notice. */
        events |= polled[index].events & POLLIN ? SLIRP_POLL_HUP : SLIRP_POLL_OUT;
    return events;
}

/* --- Sockets ------------------------------------------------------------------------------ */

static void fail(const char *what)
{
    fprintf(stderr, "network: %s: %s\n", what, strerror(errno));
    exit(1);
}

static struct sockaddr_un unix_address(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        fail(path);
    }
    strcpy(address.sun_path, path);
    return address;
}

static int listen_on(const char *path, int type)
{
    struct sockaddr_un address = unix_address(path);
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    unlink(path);
    if (fd < 0 || bind(fd, (void *)&address, sizeof address) || listen(fd, BACKLOG))
        fail(path);
    return fd;
}

static void lengthen_queue(int fd)
{
    int size = 4 << 20;
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size))
        fprintf(stderr, "network: cable: %s\n", strerror(errno));
}

/* Set the longer backlog on every listening socket of this process. */
static void lengthen_backlogs(void)
{
    for (int fd = 3; fd < 1024; fd++) {
        int listening = 0;
        socklen_t size = sizeof listening;
        if (!getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) && listening)
            listen(fd, BACKLOG);
    }
}

/* --- Published ports ---------------------------------------------------------------------- */

static void answer(struct published *port, const char *text)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s\n", text);
    if (send(port->control, line, length, MSG_NOSIGNAL) < 0)
        fprintf(stderr, "network: control: %s\n", strerror(errno));
}

static void tell_time(struct published *port)
{
    struct timespec now;
    char line[64];
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof line, "%lld.%09ld", (long long)now.tv_sec, now.tv_nsec);
    answer(port, line);
}

/* Change the size of the machine's memory by some MiB. The protocol of the console:
 * arch/um/drivers/mconsole.h in the kernel's source. */
static bool change_memory(int size)
{
    struct {
        uint32_t magic, version, length;
        char command[512];
    } request = {.magic = 0xcafebabe, .version = 2};
    struct {
        uint32_t failed, more, length;
        char text[512];
    } reply = {.failed = 1};
    /* An empty address makes the kernel pick one; without it no answer can arrive (unix(7)). */
    struct sockaddr_un ours = {.sun_family = AF_UNIX}, console = unix_address(console_socket);
    struct timeval patience = {.tv_sec = 10};

    request.length = snprintf(request.command, sizeof request.command, "config mem=%+dM", size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    bool done = !bind(fd, (void *)&ours, sizeof ours.sun_family) &&
                sendto(fd, &request, sizeof request, 0, (void *)&console, sizeof console) > 0 &&
                recv(fd, &reply, sizeof reply, 0) > 0 && !reply.failed;
    close(fd);
    return done;
}

/* Why a port could not be opened, in Go's words for the usual reason. */
static const char *refusal(void)
{
    return errno == EADDRINUSE ? "address already in use" : strerror(errno);
}

static void publish(struct published *port, char *request)
{
    char protocol[4], address[16];
    unsigned host_port, container_port;
    struct sockaddr_in guest = {.sin_family = AF_INET};

    if (sscanf(request, "%3s %u %15s %u", protocol, &host_port, address, &container_port) != 4 ||
        !inet_aton(address, &guest.sin_addr) || host_port > 65535 || container_port > 65535) {
        answer(port, "malformed request");
        return;
    }
    port->udp = !strcmp(protocol, "udp");
    port->host = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(host_port)};
    port->host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    guest.sin_port = htons(container_port);
    if (slirp_add_hostxfwd(network, (void *)&port->host, sizeof port->host, (void *)&guest,
                           sizeof guest, port->udp ? SLIRP_HOSTFWD_UDP : 0)) {
        answer(port, refusal());
        return;
    }
    port->active = true;
    lengthen_backlogs();
    answer(port, "ok");
}

/* Whether a port could be published now. */
static void try_port(struct published *port, const char *protocol, unsigned number)
{
    int udp = !strcmp(protocol, "udp"), yes = 1;
    struct sockaddr_in host = {.sin_family = AF_INET, .sin_port = htons(number)};
    host.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC, 0);
    if (!udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    bool taken = bind(fd, (void *)&host, sizeof host) || (!udp && listen(fd, 1));
    answer(port, taken ? refusal() : "ok");
    close(fd);
}

static void withdraw(int index)
{
    struct published *port = &published[index];
    if (port->active)
        slirp_remove_hostxfwd(network, (void *)&port->host, sizeof port->host,
                              port->udp ? SLIRP_HOSTFWD_UDP : 0);
    close(port->control);
    *port = published[--published_count];
}

static void serve_control(int index)
{
    char request[128];
    ssize_t length = recv(published[index].control, request, sizeof request - 1, MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0) {
        withdraw(index);
        return;
    }
    request[length] = 0;
    char protocol[4];
    unsigned number;
    int size;
    if (!strcmp(request, "time\n"))
        tell_time(&published[index]);
    else if (sscanf(request, "memory %6d", &size) == 1)
        answer(&published[index], console_socket && change_memory(size) ? "ok" : "refused");
    else if (sscanf(request, "try %3s %u", protocol, &number) == 2)
        try_port(&published[index], protocol, number);
    else if (!published[index].active)
        publish(&published[index], request);
}

static void accept_control(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (published_count == MAX_PUBLISHED) {
        close(fd);
        return;
    }
    published[published_count++] = (struct published){.control = fd};
}

/* --- The LAN ------------------------------------------------------------------------------ */

static void join_lan(const char *folder, const char *place, const char *socket_path)
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path];
    if (snprintf(path, sizeof path, "%s/%s", folder, place) >= (int)sizeof path) {
        errno = ENAMETOOLONG;
        fail(folder);
    }
    struct sockaddr_un address = unix_address(path);
    lan_folder = folder;
    lan_place = place;
    lan_listener = listen_on(socket_path, SOCK_SEQPACKET);
    lan_group = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    unlink(path);
    if (lan_group < 0 || bind(lan_group, (void *)&address, sizeof address))
        fail(path);
    lengthen_queue(lan_group);
}

static void send_to_others(const uint8_t *frame, ssize_t length)
{
    DIR *folder = opendir(lan_folder);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));) {
        struct sockaddr_un other = {.sun_family = AF_UNIX};
        if (entry->d_name[0] == '.' || !strcmp(entry->d_name, lan_place) ||
            snprintf(other.sun_path, sizeof other.sun_path, "%s/%s", lan_folder, entry->d_name) >=
                (int)sizeof other.sun_path)
            continue;
        /* A slow machine loses the frame, as on any network. A killed one left its socket. */
        if (sendto(lan_group, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL, (void *)&other,
                   sizeof other) < 0 && errno == ECONNREFUSED)
            unlink(other.sun_path);
    }
    closedir(folder);
}

static void relay_lan(void)
{
    static uint8_t frame[MAX_FRAME];
    ssize_t length;
    if (lan_cable < 0)
        lan_cable = accept4(lan_listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    for (int count = 0; count < 64 && lan_cable >= 0; count++) {
        if ((length = recv(lan_cable, frame, sizeof frame, MSG_DONTWAIT)) > 0) {
            send_to_others(frame, length);
            continue;
        }
        if (length == 0) { /* the interface is down */
            close(lan_cable);
            lan_cable = -1;
        }
        break;
    }
    for (int count = 0; count < 64; count++) {
        if ((length = recv(lan_group, frame, sizeof frame, MSG_DONTWAIT)) <= 0)
            break;
        if (lan_cable >= 0 && send(lan_cable, frame, length, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
            errno != EAGAIN)
            fprintf(stderr, "network: lan: %s\n", strerror(errno));
    }
}

/* --- The machine -------------------------------------------------------------------------- */

/* Start the machine. inherited becomes its file descriptor 3, unless it is -1. */
static pid_t start(char **command, int inherited)
{
    pid_t parent = getpid(), child = fork();
    if (child < 0)
        fail("fork");
    if (child == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        signal(SIGPIPE, SIG_DFL);
        umask(077);
        if (inherited >= 0 && dup2(inherited, 3) < 0)
            _exit(126);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
        execv(command[0], command);
        fprintf(stderr, "network: %s: %s\n", command[0], strerror(errno));
        _exit(127);
    }
    return child;
}

static bool receive_frames(void)
{
    static uint8_t frame[MAX_FRAME];
    for (int count = 0; count < 64; count++) {
        ssize_t length = recv(cable, frame, sizeof frame, MSG_DONTWAIT);
        if (length == 0)
            return false;
        if (length < 0)
            return errno == EAGAIN || errno == EINTR;
        slirp_input(network, frame, (int)length);
    }
    return true;
}

static void make_network(const char *docker_socket, const char *control_path)
{
    static const SlirpCb callbacks = {
        .send_packet = send_frame, .guest_error = guest_error, .clock_get_ns = clock_ns,
        .timer_new = timer_new, .timer_free = timer_free, .timer_mod = timer_set,
        .register_poll_fd = ignore_fd, .unregister_poll_fd = ignore_fd, .notify = ignore,
    };
    SlirpConfig config = {.version = 1, .in_enabled = true};
    inet_aton("192.168.127.0", &config.vnetwork);
    inet_aton("255.255.255.0", &config.vnetmask);
    inet_aton("192.168.127.1", &config.vhost);
    inet_aton("192.168.127.3", &config.vnameserver);
    inet_aton(MACHINE, &config.vdhcp_start);
    network = slirp_new(&config, &callbacks, NULL);
    if (!network)
        fail("libslirp");

    struct in_addr control;
    inet_aton("192.168.127.4", &control);
    if (slirp_add_unix(network, control_path, &control, 1))
        fail(control_path);

    struct sockaddr_un host = unix_address(docker_socket);
    struct sockaddr_in daemon = {.sin_family = AF_INET, .sin_port = htons(DAEMON_PORT)};
    inet_aton(MACHINE, &daemon.sin_addr);
    unlink(docker_socket);
    if (slirp_add_hostxfwd(network, (void *)&host, sizeof host, (void *)&daemon, sizeof daemon, 0))
        fail(docker_socket);
    lengthen_backlogs();
}

static void keep_on_cpu(int cpu)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    if (sched_setaffinity(0, sizeof one, &one))
        fprintf(stderr, "network: CPU %d: %s\n", cpu, strerror(errno));
}

/* A file descriptor that reports the machine's exit and the signals that ask for one. */
static int open_signals(void)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* Connect the cable at once. Returns the machine's end. */
static int make_cable(void)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends))
        fail("socketpair");
    cable = ends[0];
    lengthen_queue(cable);
    /* Above 3, because dup2 to the same number would keep CLOEXEC. */
    int far_end = fcntl(ends[1], F_DUPFD_CLOEXEC, 4);
    close(ends[1]);
    return far_end;
}

/* Forward frames until the machine exits. Returns its status, as from waitpid. */
static int forward(pid_t machine, int signalled, int cable_listener, int control_listener)
{
    for (;;) {
        uint32_t timeout = 60000;
        polled_count = 0;
        poll_also(cable < 0 ? cable_listener : cable, SLIRP_POLL_IN, NULL);
        poll_also(signalled, SLIRP_POLL_IN, NULL);
        poll_also(control_listener, SLIRP_POLL_IN, NULL);
        int controls = published_count;
        for (int index = 0; index < controls; index++)
            poll_also(published[index].control, SLIRP_POLL_IN, NULL);
        int lan = polled_count;
        if (lan_group >= 0) {
            poll_also(lan_group, SLIRP_POLL_IN, NULL);
            poll_also(lan_cable < 0 ? lan_listener : lan_cable, SLIRP_POLL_IN, NULL);
        }
        slirp_pollfds_fill(network, &timeout, poll_also, NULL);
        int ready = poll(polled, polled_count, (int)timeout);
        if (ready < 0 && errno == EINTR)
            continue;
        slirp_pollfds_poll(network, ready < 0, polled_events, NULL);
        if (polled[1].revents) {
            struct signalfd_siginfo signal_info;
            int status;
            while (read(signalled, &signal_info, sizeof signal_info) > 0)
                if (signal_info.ssi_signo != SIGCHLD)
                    kill(machine, SIGKILL);
            if (waitpid(machine, &status, WNOHANG) == machine)
                return status;
        }
        if (polled[0].revents) {
            if (cable < 0) {
                cable = accept4(cable_listener, NULL, NULL, SOCK_CLOEXEC);
                lengthen_queue(cable);
            } else if (!receive_frames()) {
                close(cable);
                cable = -1;
            }
        }
        if (lan_group >= 0 && (polled[lan].revents || polled[lan + 1].revents))
            relay_lan();
        /* Backwards, because withdrawing one moves the last one into the gap. */
        for (int index = controls - 1; index >= 0; index--)
            if (polled[3 + index].revents)
                serve_control(index);
        if (polled[2].revents)
            accept_control(control_listener);
    }
}

int main(int count, char **words)
{
    umask(0177); /* the sockets are for this user alone */
    if (count > 5 && !strcmp(words[1], "--lan")) {
        join_lan(words[2], words[3], words[4]);
        words += 4;
        count -= 4;
    }
    if (count > 3 && !strcmp(words[1], "--console")) {
        console_socket = words[2];
        words += 2;
        count -= 2;
    }
    if (count < 6) {
        fprintf(stderr, "usage: network DOCKER_SOCKET CABLE_SOCKET CONTROL_SOCKET CPU PROGRAM\n");
        return 2;
    }
    const char *docker_socket = words[1], *cable_socket = words[2], *control_socket = words[3];
    if (atoi(words[4]) >= 0)
        keep_on_cpu(atoi(words[4]));
    signal(SIGPIPE, SIG_IGN);
    int signalled = open_signals(), cable_listener = -1, far_end = -1;
    if (!strcmp(cable_socket, "-"))
        far_end = make_cable();
    else
        cable_listener = listen_on(cable_socket, SOCK_SEQPACKET);
    int control_listener = listen_on(control_socket, SOCK_STREAM);
    make_network(docker_socket, control_socket);
    pid_t machine = start(words + 5, far_end);
    if (far_end >= 0)
        close(far_end);

    int status = forward(machine, signalled, cable_listener, control_listener);
    unlink(docker_socket);
    if (cable_listener >= 0)
        unlink(cable_socket);
    unlink(control_socket);
    if (lan_folder) {
        int folder = open(lan_folder, O_RDONLY | O_DIRECTORY);
        unlinkat(folder, lan_place, 0);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

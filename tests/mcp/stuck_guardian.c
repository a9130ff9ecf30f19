/* A guardian whose tree cannot be ended, as with a process that sleeps in the kernel for good: it
 * answers every order at once, starts a process in place of the app, and never says that it has
 * ended. It stays when its supervisor goes, as the real one would; the test ends it. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "guardian/protocol.h"

static void send_report(uint16_t type, const struct steward_guardian_order* order, pid_t pid,
                        int fd) {
    struct steward_guardian_report report;
    memset(&report, 0, sizeof report);
    report.size = sizeof report;
    report.version = STEWARD_GUARDIAN_VERSION;
    report.type = type;
    report.seq = order->seq;
    report.generation = order->generation;
    report.token = order->token;
    report.pid = pid;
    struct iovec part = {&report, sizeof report};
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    (void)sendmsg(STEWARD_GUARDIAN_SOCKET, &message, MSG_NOSIGNAL);
}

static void start(const struct steward_guardian_order* order) {
    const pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)prctl(PR_SET_NAME, "stuck");
        for (;;) {
            (void)pause();
        }
    }
    const int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    send_report(kStewardGuardianStarted, order, pid, pidfd);
    (void)close(pidfd);
}

int main(void) {
    /* The real one tells itself from others by this name, too. */
    (void)prctl(PR_SET_NAME, "app-guardian");
    (void)signal(SIGTERM, SIG_IGN);
    (void)alarm(120);
    for (;;) {
        struct steward_guardian_order order;
        /* Descriptors that come along are dropped by the kernel: no room is given for them. */
        const ssize_t got = recv(STEWARD_GUARDIAN_SOCKET, &order, sizeof order, 0);
        if (got != (ssize_t)sizeof order) {
            break;
        }
        send_report(order.type == kStewardGuardianPing ? kStewardGuardianPong : kStewardGuardianAck,
                    &order, 0, -1);
        if (order.type == kStewardGuardianSpawn) {
            start(&order);
        }
    }
    for (;;) {
        (void)pause();
    }
}

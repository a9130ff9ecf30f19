#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Answers that did not fit into the socket. A supervisor that has this many unread is dead or
 * broken. */
#define MAX_ANSWERS 64u

static struct {
    struct steward_guardian_report answers[MAX_ANSWERS];
    uint32_t first;
    uint32_t count;
    bool full;  /* the socket buffer: POLLOUT tells when it is not any more */
    bool retry; /* the kernel refused for another reason: only time tells */
} channel;

/* How long to wait when the kernel is out of memory or of descriptors in flight. */
enum { kRetryMs = 10 };

bool channel_open(void) {
    int type = 0;
    socklen_t length = sizeof type;
    if (getsockopt(STEWARD_GUARDIAN_SOCKET, SOL_SOCKET, SO_TYPE, &type, &length) != 0 ||
        type != SOCK_SEQPACKET) {
        return false;
    }
    return fcntl(STEWARD_GUARDIAN_SOCKET, F_SETFD, FD_CLOEXEC) == 0;
}

int channel_fd(void) {
    return STEWARD_GUARDIAN_SOCKET;
}

short channel_poll_events(void) {
    int events = POLLRDHUP;
    if (channel.count < MAX_ANSWERS) {
        events |= POLLIN;
    }
    if (channel.full) {
        events |= POLLOUT;
    }
    return (short)events;
}

int channel_retry_ms(void) {
    return channel.retry ? kRetryMs : -1;
}

bool channel_is_idle(void) {
    struct pollfd entry = {.fd = STEWARD_GUARDIAN_SOCKET, .events = POLLIN};
    return channel.count == 0 && poll(&entry, 1, 0) == 0;
}

void channel_discard_fds(struct message* message) {
    for (uint32_t i = 0; i < message->fd_count; ++i) {
        close(message->fds[i]);
    }
    message->fd_count = 0;
}

/* Takes the descriptors out of a received packet; those beyond the limit are closed at once. */
static void collect_fds(struct msghdr* header, struct message* message) {
    for (struct cmsghdr* c = CMSG_FIRSTHDR(header); c != NULL; c = CMSG_NXTHDR(header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; ++i) {
            int fd = -1;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (message->fd_count < kStewardGuardianMaxFds) {
                message->fds[message->fd_count++] = fd;
            } else {
                close(fd);
                message->reject = kStewardGuardianReasonDescriptors;
            }
        }
    }
    if ((header->msg_flags & MSG_CTRUNC) != 0) {
        message->reject = kStewardGuardianReasonDescriptors;
    }
}

/* What is wrong with an order regardless of its type, or 0. */
static uint32_t check_frame(const struct steward_guardian_order* order, size_t length,
                            bool truncated) {
    if (length >= offsetof(struct steward_guardian_order, type) &&
        order->version != STEWARD_GUARDIAN_VERSION) {
        return kStewardGuardianReasonVersion;
    }
    if (truncated || length != sizeof *order || order->size != sizeof *order || order->seq == 0) {
        return kStewardGuardianReasonMalformed;
    }
    return 0;
}

bool channel_receive(struct message* message) {
    memset(message, 0, sizeof *message);
    if (channel.count >= MAX_ANSWERS) {
        return false;
    }
    /* One descriptor more than allowed fits in, so that too many are told from just enough. */
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * (kStewardGuardianMaxFds + 1))];
    struct iovec part = {.iov_base = &message->order, .iov_len = sizeof message->order};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control,
                            .msg_controllen = sizeof control};
    ssize_t length = recvmsg(STEWARD_GUARDIAN_SOCKET, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0) {
        return false; /* EAGAIN, or an error that the next poll() shows as POLLERR or POLLHUP */
    }
    collect_fds(&header, message);
    uint32_t reason =
        check_frame(&message->order, (size_t)length, (header.msg_flags & MSG_TRUNC) != 0);
    if (reason != 0) {
        message->reject = reason;
    }
    if ((size_t)length < sizeof message->order) {
        message->order.seq = 0;
    }
    return true;
}

void channel_report_init(struct steward_guardian_report* report, uint16_t type,
                         uint64_t generation) {
    memset(report, 0, sizeof *report);
    report->size = sizeof *report;
    report->version = STEWARD_GUARDIAN_VERSION;
    report->type = type;
    report->generation = generation;
}

static enum send_result send_now(const struct steward_guardian_report* report, int fd) {
    struct iovec part = {.iov_base = (void*)(uintptr_t)report, .iov_len = sizeof *report};
    struct msghdr header = {.msg_iov = &part, .msg_iovlen = 1};
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    if (fd >= 0) {
        memset(control, 0, sizeof control);
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        struct cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (sendmsg(STEWARD_GUARDIAN_SOCKET, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
        channel.full = false;
        channel.retry = false;
        return kSendDone;
    }
    switch (errno) {
        case EPIPE:
        case ECONNRESET:
        case ENOTCONN:
            return kSendClosed;
        case EAGAIN:
            channel.full = true;
            return kSendLater;
        default:
            channel.retry = true;
            return kSendLater;
    }
}

enum send_result channel_flush(void) {
    while (channel.count > 0) {
        enum send_result result = send_now(&channel.answers[channel.first], -1);
        if (result != kSendDone) {
            return result;
        }
        channel.first = (channel.first + 1) % MAX_ANSWERS;
        --channel.count;
    }
    return kSendDone;
}

enum send_result channel_send(const struct steward_guardian_report* report, int fd) {
    enum send_result result = channel_flush();
    return result == kSendDone ? send_now(report, fd) : result;
}

void channel_answer(const struct steward_guardian_order* order, uint16_t type, uint32_t detail,
                    uint64_t generation) {
    struct steward_guardian_report* report =
        &channel.answers[(channel.first + channel.count) % MAX_ANSWERS];
    channel_report_init(report, type, generation);
    report->seq = order->seq;
    report->detail = detail;
    if (type == kStewardGuardianPong) {
        report->token = order->token;
    }
    ++channel.count;
    (void)channel_flush();
}

/* The guardian's end of the socket to its supervisor: receives orders, sends answers and reports.
 *
 * No call blocks. All state is static; there is one channel per process and one thread.
 */
#ifndef STEWARD_GUARDIAN_CHANNEL_H
#define STEWARD_GUARDIAN_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "protocol.h"

/* An order with what came along with it. The receiver owns the descriptors. */
struct message {
    struct steward_guardian_order order;
    int fds[kStewardGuardianMaxFds];
    uint32_t fd_count;
    uint32_t reject; /* 0, or the reason why the order cannot be obeyed whatever it says */
};

enum send_result {
    kSendDone,
    kSendLater,  /* nothing was sent; channel_poll_events() and channel_retry_ms() say when to retry
                  */
    kSendClosed, /* the supervisor's end is closed */
};

/* Takes over descriptor STEWARD_GUARDIAN_SOCKET. False if that is no SOCK_SEQPACKET socket. */
bool channel_open(void);

/* The descriptor to poll, and the events to poll it for. */
int channel_fd(void);
short channel_poll_events(void);

/* -1, or after how many milliseconds to try again because no event will tell (the kernel was out of
 * something that poll() does not watch). */
int channel_retry_ms(void);

/* Receives the next order, unless more answers wait than there is room for. False: none. A message
 * that is no order of this version comes with `reject` set. */
bool channel_receive(struct message* message);

/* True if no order waits to be received and no answer to be sent. */
bool channel_is_idle(void);

/* Closes the descriptors of a message. */
void channel_discard_fds(struct message* message);

/* Queues ACK, PONG or REJECTED for this order and sends what can be sent. There is always room
 * after channel_receive(). */
void channel_answer(const struct steward_guardian_order* order, uint16_t type, uint32_t detail,
                    uint64_t generation);

/* Sends queued answers. kSendDone: none is left. */
enum send_result channel_flush(void);

/* Fills in size, version and type of a report and clears the rest. */
void channel_report_init(struct steward_guardian_report* report, uint16_t type,
                         uint64_t generation);

/* Sends one report behind all answers, with a descriptor if `fd` is not -1 (it stays the caller's).
 */
enum send_result channel_send(const struct steward_guardian_report* report, int fd);

#endif

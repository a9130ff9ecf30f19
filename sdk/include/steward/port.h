/* steward/port.h - strategy "steward.port/1": which port? A pure function that proposes; it touches
 * no socket.
 *
 * Binding, listening and keeping the socket is the host's work. The host tries the candidates in
 * their order and asks again, with what it found taken added to `excluded` and `attempt` one
 * higher, until one can be had or the answer is EXHAUSTED.
 */
#ifndef STEWARD_PORT_H
#define STEWARD_PORT_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_IFACE_PORT "steward.port/1"

typedef struct steward_port_request {
    uint32_t size;
    uint32_t attempt;    /* 1, 2, 3 … within one search */
    steward_str address; /* the literal address that will be bound */
    uint16_t base;       /* the port that the user would like best */
    uint16_t first;      /* candidates are in [first, last] */
    uint16_t last;
    uint16_t reserved;
    const uint16_t* excluded; /* ascending; never to be proposed */
    size_t excluded_count;
    uint64_t entropy;
} steward_port_request;

typedef struct steward_port {
    uint32_t size;
    uint32_t reserved;
    /* Writes up to `capacity` distinct candidates, best first, and their number to *count.
     * EXHAUSTED: nothing is left, *count is 0. [plugin] */
    steward_status (*propose)(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error);
} steward_port;

#ifdef __cplusplus
}
#endif
#endif

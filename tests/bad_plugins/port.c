/* Bad plugins for the checks of group "Port". */
#include <sys/socket.h>
#include <unistd.h>

#include "wrap.h"

#ifdef BAD_PORT_RANGE
/* The wanted port comes first, wherever it is. */
static void change(const steward_port_request* request, uint16_t* out, size_t* count,
                   steward_status* status) {
    (void)count;
    if (*status == STEWARD_OK &&
        (request->base < request->first || request->base > request->last)) {
        out[0] = request->base;
    }
}
#endif

#ifdef BAD_PORT_EXCLUSION
/* From the third attempt on the wanted port might be free again. */
static void change(const steward_port_request* request, uint16_t* out, size_t* count,
                   steward_status* status) {
    (void)count;
    if (*status == STEWARD_OK && request->attempt >= 3 && request->excluded_count != 0) {
        out[0] = request->base;
    }
}
#endif

#ifdef BAD_PORT_EXHAUSTED
/* Nothing found is a success with nothing in it, the first time. */
static void change(const steward_port_request* request, uint16_t* out, size_t* count,
                   steward_status* status) {
    (void)out;
    if (*status == STEWARD_E_EXHAUSTED && request->attempt == 1) {
        *status = STEWARD_OK;
        *count = 0;
    }
}
#endif

#ifdef BAD_PORT_PURE
/* Looks whether there are sockets at all. */
static void change(const steward_port_request* request, uint16_t* out, size_t* count,
                   steward_status* status) {
    (void)out;
    (void)count;
    (void)status;
    if (request->attempt == 5) {
        (void)close(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    }
}
#endif

static steward_status propose(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error) {
    steward_status status =
        parts.good_port->propose(instance, request, out, capacity, count, error);
    change(request, out, count, &status);
    return status;
}

void spoil(void) {
    parts.port.propose = propose;
}

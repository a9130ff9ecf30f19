/* Bad plugins for the checks of group "Errors". */
#include <string.h>

#include "wrap.h"

#if defined(BAD_ERR_CODES)
static steward_status sample(steward_instance* instance, const steward_metrics_request* request,
                             void (*emit)(void* ud, const steward_metric* metric), void* ud,
                             steward_error* error) {
    const steward_status status = parts.good_metrics->sample(instance, request, emit, ud, error);
    /* A process that cannot exist. */
    return status == STEWARD_E_GONE && request->app_pid == 0x7ffffffe ? STEWARD_E_INTERNAL : status;
}

void spoil(void) {
    parts.metrics.sample = sample;
}

#elif defined(BAD_ERR_TEXT)
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    const steward_status status = parts.good->create(host, config, out, error);
    const size_t length = strlen(error->text);
    if (status == STEWARD_E_INVALID && length < sizeof error->text - 1) {
        memcpy(error->text + length, ".", 2);
    }
    return status;
}

void spoil(void) {
    parts.plugin.create = create;
}

#elif defined(BAD_ERR_NO_UNWIND)
/* std::__throw_length_error(const char*) of the C++ library. */
extern void throw_length_error(const char* text) __asm__("_ZSt20__throw_length_errorPKc");

static steward_status propose(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error) {
    if (request->address.len > 1000000) {
        throw_length_error("the address is too long");
    }
    return parts.good_port->propose(instance, request, out, capacity, count, error);
}

void spoil(void) {
    parts.port.propose = propose;
}

#elif defined(BAD_ERR_BAD_SINK)
static steward_status config_schema(const steward_sink* out) {
    (void)parts.good->config_schema(out);
    return STEWARD_OK;
}

void spoil(void) {
    parts.plugin.config_schema = config_schema;
}
#endif

/* The allocator's part of watch.h: plugins' blocks are counted, and one is refused on demand.
 *
 * In C and by glibc's own names for what it would define, so that no dlsym() is needed, which
 * allocates itself. A sanitizer has its own allocator: with one, nothing is counted or refused. */
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "steward/compliance/plugin_side.h"
#include "watch.h"
#include "watch_note.h"

#ifndef STEWARD_SANITIZED
extern void* __libc_malloc(size_t size);
extern void* __libc_calloc(size_t count, size_t size);
extern void* __libc_realloc(void* block, size_t size);
extern void* __libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void* block);

static atomic_int_fast64_t live_blocks;
static atomic_uint_fast64_t until_failure; /* 0: none */
static atomic_uint_fast64_t failures_left;

int watch_fail_allocation(uint64_t nth, uint64_t count) {
    atomic_store(&failures_left, nth == 0 ? 0 : count);
    atomic_store(&until_failure, nth);
    return 1;
}

int64_t watch_live_blocks(void) {
    return atomic_load(&live_blocks);
}

/* Is this the one that fails? */
static int refused(void) {
    if (!steward_on_plugin_side()) {
        return 0;
    }
    watch_note(WATCHED_ALLOC, "malloc");
    const uint_fast64_t left = atomic_load_explicit(&until_failure, memory_order_relaxed);
    if (left == 0) {
        return 0;
    }
    if (left > 1) {
        atomic_store_explicit(&until_failure, left - 1, memory_order_relaxed);
        return 0;
    }
    const uint_fast64_t failures = atomic_load(&failures_left);
    if (failures == 0) {
        return 0;
    }
    atomic_store(&failures_left, failures - 1);
    errno = ENOMEM;
    return 1;
}

static void* counted(void* block) {
    if (block != NULL && steward_on_plugin_side()) {
        atomic_fetch_add_explicit(&live_blocks, 1, memory_order_relaxed);
    }
    return block;
}

void* malloc(size_t size) {
    return refused() ? NULL : counted(__libc_malloc(size));
}

void* calloc(size_t count, size_t size) {
    return refused() ? NULL : counted(__libc_calloc(count, size));
}

void* realloc(void* block, size_t size) {
    if (refused()) {
        return NULL;
    }
    if (block == NULL) {
        return counted(__libc_realloc(NULL, size));
    }
    return __libc_realloc(block, size);
}

void* memalign(size_t alignment, size_t size);
void* memalign(size_t alignment, size_t size) {
    return refused() ? NULL : counted(__libc_memalign(alignment, size));
}

void* aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}

int posix_memalign(void** out, size_t alignment, size_t size) {
    void* const block = memalign(alignment, size);
    if (block == NULL) {
        return ENOMEM;
    }
    *out = block;
    return 0;
}

void free(void* block) {
    if (block != NULL && steward_on_plugin_side()) {
        atomic_fetch_sub_explicit(&live_blocks, 1, memory_order_relaxed);
    }
    __libc_free(block);
}
#else
int watch_fail_allocation(uint64_t nth, uint64_t count) {
    (void)nth;
    (void)count;
    return 0;
}

int64_t watch_live_blocks(void) {
    return 0;
}
#endif

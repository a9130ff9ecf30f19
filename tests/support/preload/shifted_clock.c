/* A library for LD_PRELOAD that moves clocks: the file STEWARD_TEST_CLOCK holds two int64_t in the
 * machine's byte order, nanoseconds to add to CLOCK_REALTIME and to CLOCK_BOOTTIME (a wall clock
 * that is set, a machine that has slept). The test changes them while the program runs.
 *
 * What it cannot move: clocks that the kernel reads for itself (file times, timerfd). */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const _Atomic int64_t* shift; /* [0] realtime, [1] boottime; NULL: none */

__attribute__((constructor)) static void map_shift(void) {
    const char* file = getenv("STEWARD_TEST_CLOCK");
    int fd = file == NULL ? -1 : open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return;
    }
    void* at = mmap(NULL, 2 * sizeof *shift, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) {
        shift = at;
    }
}

static int64_t shift_of(clockid_t clock) {
    if (shift == NULL) {
        return 0;
    }
    switch (clock) {
        case CLOCK_REALTIME:
        case CLOCK_REALTIME_COARSE:
            return atomic_load(&shift[0]);
        case CLOCK_BOOTTIME:
            return atomic_load(&shift[1]);
        default:
            return 0;
    }
}

__attribute__((visibility("default"))) int clock_gettime(clockid_t clock, struct timespec* out) {
    int result = (int)syscall(SYS_clock_gettime, clock, out);
    int64_t add = result == 0 ? shift_of(clock) : 0;
    if (add != 0) {
        int64_t ns = out->tv_nsec + add % 1000000000;
        out->tv_sec += add / 1000000000 + (ns >= 1000000000 ? 1 : 0) - (ns < 0 ? 1 : 0);
        out->tv_nsec = ns + (ns < 0 ? 1000000000 : 0) - (ns >= 1000000000 ? 1000000000 : 0);
    }
    return result;
}

__attribute__((visibility("default"))) int gettimeofday(struct timeval* restrict out,
                                                        void* restrict zone) {
    (void)zone;
    struct timespec now;
    int result = clock_gettime(CLOCK_REALTIME, &now);
    out->tv_sec = now.tv_sec;
    out->tv_usec = now.tv_nsec / 1000;
    return result;
}

__attribute__((visibility("default"))) time_t time(time_t* out) {
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    if (out != NULL) {
        *out = now.tv_sec;
    }
    return now.tv_sec;
}

/* start_reporter FIFO: says when its main() began, then waits to be killed.
 *
 * What it writes, in one piece: the monotonic clock in nanoseconds (int64_t), its pid (int64_t). */
#include <fcntl.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char* argv[]) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (argc != 2) {
        return 64;
    }
    int64_t report[2] = {(int64_t)now.tv_sec * 1000000000 + now.tv_nsec, getpid()};
    int fifo = open(argv[1], O_WRONLY | O_CLOEXEC);
    if (fifo < 0 || write(fifo, report, sizeof report) != (ssize_t)sizeof report) {
        return 1;
    }
    close(fifo);
    for (;;) {
        pause();
    }
}

// Writes so many bytes to stdout, in lines of 100 bytes and so many bytes per write, as fast as it
// can; then one double into the FIFO: the milliseconds it took. Waits to be ended.
//
//   writer BYTES BYTES_PER_WRITE FIFO
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char** argv) {
    if (argc != 4) {
        fprintf(stderr, "usage: writer BYTES BYTES_PER_WRITE FIFO\n");
        return 2;
    }
    const long long bytes = atoll(argv[1]);
    const size_t block = (size_t)atoll(argv[2]);
    char* const text = malloc(block);
    if (text == NULL || block == 0) {
        return 2;
    }
    for (size_t i = 0; i < block; ++i) {
        text[i] = i % 100 == 99 ? '\n' : (char)('a' + i % 26);
    }
    const double begin = now_ms();
    for (long long done = 0; done < bytes;) {
        const ssize_t written = write(STDOUT_FILENO, text, block);
        if (written <= 0) {
            return 1;
        }
        done += written;
    }
    const double took = now_ms() - begin;
    const int report = open(argv[3], O_WRONLY | O_CLOEXEC);
    if (report < 0 || write(report, &took, sizeof took) != sizeof took) {
        return 1;
    }
    pause();
    return 0;
}

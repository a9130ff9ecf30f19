// Writes so many bytes to stdout, in lines of 100 bytes and writes of 64,000, as fast as it can;
// then waits for its end.
//
//   flood_app BYTES FOLDER
//
// Begins when there is a file FOLDER/go. Makes the file FOLDER/tenth after a tenth of them, and FOLDER/done at the end: "TOTAL LONGEST",
// the milliseconds of all and of the longest write.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { kLine = 100, kBlock = 64000 };

static double now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

// Whole from the moment it can be seen.
static void report(const char* folder, const char* name, double total, double longest) {
    char path[4096];
    char part[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    snprintf(part, sizeof part, "%s/.%s", folder, name);
    FILE* file = fopen(part, "we");
    if (file == NULL) {
        exit(2);
    }
    fprintf(file, "%.0f %.0f\n", total, longest);
    fclose(file);
    if (rename(part, path) != 0) {
        exit(2);
    }
}

int main(int argc, char** argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: flood_app BYTES FOLDER\n");
        return 2;
    }
    static char block[kBlock];
    for (size_t i = 0; i < sizeof block; ++i) {
        block[i] = i % kLine == kLine - 1 ? '\n' : (char)('a' + i % 26);
    }
    const long long bytes = atoll(argv[1]);
    int told = 0;
    char go[4096];
    snprintf(go, sizeof go, "%s/go", argv[2]);
    while (access(go, F_OK) != 0) {
        const struct timespec ms = {0, 1000000};
        nanosleep(&ms, NULL);
    }
    double longest = 0;
    const double begin = now_ms();
    double before = begin;
    for (long long done = 0; done < bytes;) {
        const size_t left = bytes - done < kBlock ? (size_t)(bytes - done) : kBlock;
        const ssize_t written = write(STDOUT_FILENO, block, left);
        if (written <= 0) {
            return 1;
        }
        done += written;
        const double after = now_ms();
        longest = after - before > longest ? after - before : longest;
        before = after;
        if (!told && done >= bytes / 10) {
            told = 1;
            report(argv[2], "tenth", before - begin, longest);
            before = now_ms();
        }
    }
    report(argv[2], "done", now_ms() - begin, longest);
    for (;;) {
        pause();
    }
}

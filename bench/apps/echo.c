/* echo [BYTES]: the least that can be called an MCP server. Answers each line on stdin with one on
 * stdout: the same line, or with BYTES always the same one of that many bytes, newline included.
 * Ends at the end of stdin. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kInput = 64 * 1024, kOutput = 256 * 1024 };

static char input[kInput];
static char output[kOutput];
static size_t filled;

static void flush(void) {
    for (size_t at = 0; at < filled;) {
        ssize_t count = write(STDOUT_FILENO, output + at, filled - at);
        if (count < 0 && errno != EINTR) {
            _exit(1);
        }
        at += count > 0 ? (size_t)count : 0;
    }
    filled = 0;
}

static void put(const char* bytes, size_t count) {
    if (filled + count > kOutput) {
        flush();
    }
    memcpy(output + filled, bytes, count);
    filled += count;
}

int main(int argc, char* argv[]) {
    static char answer[kOutput];
    size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (size > kOutput) {
        return 64;
    }
    if (size > 0) {
        memset(answer, 'x', size - 1);
        answer[size - 1] = '\n';
    }
    for (;;) {
        ssize_t count = read(STDIN_FILENO, input, kInput);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count == 0 ? 0 : 1;
        }
        if (size == 0) {
            put(input, (size_t)count);
        } else {
            const char* end = input + count;
            for (const char* at = input; (at = memchr(at, '\n', (size_t)(end - at))) != NULL;
                 ++at) {
                put(answer, size);
            }
        }
        flush();
    }
}

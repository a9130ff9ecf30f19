/* echo [BYTES]: the least that can be called an MCP server. Answers each line on stdin with one on
 * stdout, each with a write of its own: the same line, or with BYTES always the same one of that
 * many bytes, newline included. Ends at the end of stdin. Lines longer than its buffer end it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBuffer = 256 * 1024 };

static char input[kBuffer];
static char answer[kBuffer];

static void put(const char* bytes, size_t size) {
    while (size > 0) {
        ssize_t count = write(STDOUT_FILENO, bytes, size);
        if (count < 0 && errno != EINTR) {
            _exit(1);
        }
        bytes += count > 0 ? count : 0;
        size -= count > 0 ? (size_t)count : 0;
    }
}

int main(int argc, char* argv[]) {
    size_t answer_size = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
    if (answer_size > kBuffer) {
        return 64;
    }
    if (answer_size > 0) {
        memset(answer, 'x', answer_size - 1);
        answer[answer_size - 1] = '\n';
    }
    size_t filled = 0;
    while (filled < kBuffer) {
        ssize_t count = read(STDIN_FILENO, input + filled, kBuffer - filled);
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            return count == 0 ? 0 : 1;
        }
        filled += (size_t)count;
        char* at = input;
        const char* end = input + filled;
        for (char* newline; (newline = memchr(at, '\n', (size_t)(end - at))) != NULL;
             at = newline + 1) {
            put(answer_size > 0 ? answer : at,
                answer_size > 0 ? answer_size : (size_t)(newline + 1 - at));
        }
        filled = (size_t)(end - at);
        memmove(input, at, filled);
    }
    return 1;
}

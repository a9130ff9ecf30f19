/* echo [BYTES]: the least that can be called an MCP server. Answers each line on stdin that has an
 * id with one on stdout, each with a write of its own: `initialize` and `tools/list` as they must
 * be, anything else as a tools/call whose answer is BYTES long, newline included (200 without it).
 * Knows JSON no better than to copy the id. Ends at the end of stdin. Lines longer than its buffer
 * end it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kBuffer = 256 * 1024 };

static const char kHead[] = "{\"jsonrpc\":\"2.0\",\"id\":";
static const char kInitialized[] =
    ",\"result\":{\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},"
    "\"serverInfo\":{\"name\":\"echo\",\"version\":\"1\"}}}\n";
static const char kTools[] =
    ",\"result\":{\"tools\":[{\"name\":\"flask_status\",\"inputSchema\":{\"type\":\"object\"}}]}}"
    "\n";
static const char kBegin[] = ",\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"";
static const char kEnd[] = "\"}]}}\n";

static char input[kBuffer];
static char answer[kBuffer + 1024];
static size_t wanted = 200;

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

static size_t add(size_t at, const char* bytes, size_t size) {
    memcpy(answer + at, bytes, size);
    return at + size;
}

static int contains(const char* line, size_t size, const char* text) {
    return memmem(line, size, text, strlen(text)) != NULL;
}

static void serve(const char* line, size_t size) {
    const char* id = memmem(line, size, "\"id\":", 5);
    if (id == NULL) {
        return; /* a notification */
    }
    id += 5;
    size_t length = 0;
    while (id + length < line + size && id[length] != ',' && id[length] != '}' && length < 64) {
        ++length;
    }
    size_t at = add(add(0, kHead, sizeof kHead - 1), id, length);
    if (contains(line, size, "\"initialize\"")) {
        at = add(at, kInitialized, sizeof kInitialized - 1);
    } else if (contains(line, size, "\"tools/list\"")) {
        at = add(at, kTools, sizeof kTools - 1);
    } else {
        at = add(at, kBegin, sizeof kBegin - 1);
        size_t rest = at + sizeof kEnd - 1;
        if (wanted > rest) {
            memset(answer + at, 'x', wanted - rest);
            at += wanted - rest;
        }
        at = add(at, kEnd, sizeof kEnd - 1);
    }
    put(answer, at);
}

int main(int argc, char* argv[]) {
    if (argc > 1) {
        wanted = strtoul(argv[1], NULL, 10);
    }
    if (wanted > kBuffer) {
        return 64;
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
            serve(at, (size_t)(newline - at));
        }
        filled = (size_t)(end - at);
        memmove(input, at, filled);
    }
    return 1;
}

#include "json_line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void line_clear(struct json_line* line) {
    line->length = 0;
    line->overflow = 0;
}

void line_raw_bytes(struct json_line* line, const char* data, size_t length) {
    /* One byte stays free for the newline. */
    if (line->overflow || length > kLineCapacity - 1 - line->length) {
        line->overflow = 1;
        return;
    }
    memcpy(line->text + line->length, data, length);
    line->length += length;
}

void line_raw(struct json_line* line, const char* text) {
    line_raw_bytes(line, text, strlen(text));
}

void line_number(struct json_line* line, unsigned long value) {
    char digits[32];
    (void)snprintf(digits, sizeof digits, "%lu", value);
    line_raw(line, digits);
}

static int within(unsigned char byte, unsigned char low, unsigned char high) {
    return byte >= low && byte <= high;
}

size_t utf8_sequence(const unsigned char* data, size_t length) {
    /* RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
    if (length == 0) {
        return 0;
    }
    const unsigned char first = data[0];
    size_t need = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xBF;
    if (first < 0x80) {
        return 1;
    }
    if (within(first, 0xC2, 0xDF)) {
        need = 2;
    } else if (within(first, 0xE0, 0xEF)) {
        need = 3;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (within(first, 0xF0, 0xF4)) {
        need = 4;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    }
    if (need == 0 || length < need || !within(data[1], low, high)) {
        return 0;
    }
    for (size_t i = 2; i < need; ++i) {
        if (!within(data[i], 0x80, 0xBF)) {
            return 0;
        }
    }
    return need;
}

void line_string(struct json_line* line, const char* data, size_t length) {
    line_raw(line, "\"");
    for (size_t at = 0; at < length;) {
        const unsigned char* const here = (const unsigned char*)data + at;
        const size_t sequence = utf8_sequence(here, length - at);
        if (sequence == 0) {
            line_raw(line, "\xEF\xBF\xBD");
            ++at;
            continue;
        }
        if (*here == '"' || *here == '\\') {
            line_raw(line, "\\");
        }
        if (*here < 0x20 || *here == 0x7F) {
            char escape[8];
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*here);
            line_raw(line, escape);
        } else {
            line_raw_bytes(line, data + at, sequence);
        }
        at += sequence;
    }
    line_raw(line, "\"");
}

void line_member(struct json_line* line, const char* name, steward_str value) {
    if (line->length > 0 && line->text[line->length - 1] != '{') {
        line_raw(line, ",");
    }
    line_raw(line, "\"");
    line_raw(line, name);
    line_raw(line, "\":");
    line_string(line, value.ptr, value.len);
}

int line_write(struct json_line* line, int fd) {
    line->text[line->length++] = '\n';
    for (size_t done = 0; done < line->length;) {
        const ssize_t wrote = write(fd, line->text + done, line->length - done);
        if (wrote < 0 && errno != EINTR) {
            return -1;
        }
        done += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

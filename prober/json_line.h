/* One line of JSON, built up in memory and written at once.
 *
 * A line never grows beyond its fixed storage: what does not fit sets `overflow`, and the caller
 * says so instead. Output goes to the descriptor it is given; one thread. */
#ifndef STEWARD_PROBER_JSON_LINE_H
#define STEWARD_PROBER_JSON_LINE_H

#include <stddef.h>
#include <steward/abi.h>

enum { kLineCapacity = 512 * 1024 };

struct json_line {
    size_t length;
    int overflow;
    char text[kLineCapacity];
};

void line_clear(struct json_line* line);

/* Appends `text` as it is. */
void line_raw(struct json_line* line, const char* text);
void line_raw_bytes(struct json_line* line, const char* data, size_t length);

void line_number(struct json_line* line, unsigned long value);

/* Appends a JSON string; control characters are escaped, bytes that are no UTF-8 become U+FFFD. */
void line_string(struct json_line* line, const char* data, size_t length);

/* Appends "name": and a string, with a comma before it if something precedes in the object. */
void line_member(struct json_line* line, const char* name, steward_str value);

/* Ends the line and writes it whole. Returns 0, or -1 if the reader is gone. */
int line_write(struct json_line* line, int fd);

/* The length of the well-formed UTF-8 sequence at the start of the data, or 0. */
size_t utf8_sequence(const unsigned char* data, size_t length);

#endif

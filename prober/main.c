/* steward-plugin-probe FILE... - what are these plugin files?
 *
 * Loads each file in this process, so that a fault in one cannot hurt the host, and prints two
 * lines of JSON per file on the descriptor that was standard output at the start:
 *     {"file":PATH,"loading":true}                     before it is touched
 *     {"file":PATH,"ok":true,"abi":{…},"plugins":[…]}   or   {"file":PATH,"ok":false,"error":"…"}
 * A plugin that crashes or hangs ends or holds this program; the last "loading" line says which it
 * was, and the host starts the program again with the files that are left. Exit status: 0 all files
 * were judged, 2 wrong use, 3 nobody reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "check.h"

/* Descriptors 0 to 2 are open afterwards, and 1 is what 2 is: whatever a plugin prints cannot get
 * between our lines. Returns the private duplicate of standard output, or -1. */
static int keep_output(void) {
    int fd = 0;
    do {
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0) {
        (void)close(fd);
    }
    const int output = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    if (output < 0 || dup2(STDERR_FILENO, STDOUT_FILENO) < 0) {
        return -1;
    }
    return output;
}

static void begin_line(struct json_line* line, const char* path) {
    line_clear(line);
    line_raw(line, "{");
    line_member(line, "file", (steward_str){path, strlen(path)});
}

static int probe(struct json_line* line, const char* path, int output) {
    char error[1024];
    begin_line(line, path);
    line_raw(line, ",\"loading\":true}");
    if (line_write(line, output) != 0) {
        return -1;
    }
    begin_line(line, path);
    line_raw(line, ",\"ok\":true");
    if (check_plugin(path, line, error, sizeof error) != 0) {
        begin_line(line, path);
        line_raw(line, ",\"ok\":false,\"error\":");
        line_string(line, error, strlen(error));
    }
    line_raw(line, "}");
    return line_write(line, output);
}

int main(int argc, char* argv[]) {
    static struct json_line line;
    const int output = keep_output();
    if (argc < 2) {
        (void)fputs("usage: steward-plugin-probe FILE...\n", stderr);
        _exit(2);
    }
    if (output < 0) {
        (void)fprintf(stderr, "steward-plugin-probe: no descriptor for the output: %s\n",
                      strerror(errno));
        _exit(3);
    }
    /* A plugin that hangs is ended by whoever asked, and with them. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* A crash here is an expected answer, not worth a core file. */
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    (void)signal(SIGPIPE, SIG_IGN);
    for (int i = 1; i < argc; ++i) {
        if (probe(&line, argv[i], output) != 0) {
            _exit(3);
        }
    }
    /* Not exit(): no plugin's destructor runs. */
    _exit(0);
}

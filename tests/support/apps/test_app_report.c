#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "test_app.h"

extern char** environ;

static void put_string(FILE* out, const char* text) {
    putc('"', out);
    for (; *text != '\0'; ++text) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            fprintf(out, "\\%c", c);
        } else if (c < 0x20) {
            fprintf(out, "\\u%04x", c);
        } else {
            putc(c, out);
        }
    }
    putc('"', out);
}

static void put_strings(FILE* out, const char* name, char** strings) {
    fprintf(out, ",\"%s\":[", name);
    for (char** s = strings; *s != NULL; ++s) {
        if (s != strings) {
            putc(',', out);
        }
        put_string(out, *s);
    }
    putc(']', out);
}

/* Every open descriptor but the one that lists them and the report's own. */
static void put_fds(FILE* out) {
    DIR* folder = opendir("/proc/self/fd");
    const char* separator = "";
    fputs(",\"fds\":{", out);
    for (struct dirent* entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        int fd = atoi(entry->d_name);
        if (entry->d_name[0] == '.' || fd == dirfd(folder) || fd == fileno(out)) {
            continue;
        }
        char target[PATH_MAX];
        ssize_t length = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = '\0';
        fprintf(out, "%s\"%d\":", separator, fd);
        put_string(out, target);
        separator = ",";
    }
    putc('}', out);
    closedir(folder);
}

static void put_signal_masks(FILE* out) {
    FILE* status = fopen("/proc/self/status", "re");
    char line[256];
    unsigned long long mask = 0;
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (sscanf(line, "SigBlk: %llx", &mask) == 1) {
            fprintf(out, ",\"sig_blocked\":\"%llx\"", mask);
        } else if (sscanf(line, "SigIgn: %llx", &mask) == 1) {
            fprintf(out, ",\"sig_ignored\":\"%llx\"", mask);
        }
    }
    if (status != NULL) {
        fclose(status);
    }
}

void write_report(const char* path, int argc, char** argv) {
    (void)argc;
    char temporary[PATH_MAX];
    char cwd[PATH_MAX];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE* out = fopen(temporary, "we");
    if (out == NULL) {
        usage_error("--report", path);
    }
    int death_signal = 0;
    struct rlimit files;
    prctl(PR_GET_PDEATHSIG, &death_signal);
    getrlimit(RLIMIT_NOFILE, &files);
    fprintf(out, "{\"pid\":%d,\"ppid\":%d,\"sid\":%d,\"pgid\":%d,\"pdeathsig\":%d,\"nofile\":%llu",
            getpid(), getppid(), getsid(0), getpgrp(), death_signal,
            (unsigned long long)files.rlim_cur);
    fputs(",\"cwd\":", out);
    put_string(out, getcwd(cwd, sizeof cwd) != NULL ? cwd : "");
    put_strings(out, "argv", argv);
    put_strings(out, "env", environ);
    put_fds(out);
    put_signal_masks(out);
    fputs("}\n", out);
    fclose(out);
    rename(temporary, path);
}

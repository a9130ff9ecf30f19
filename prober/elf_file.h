/* What a file says of itself before anybody loads it.
 *
 * The loader's own words for these are of no help ("cannot open shared object file" for another
 * machine's library), and a library that is cut short would end the process with SIGBUS. */
#ifndef STEWARD_PROBER_ELF_FILE_H
#define STEWARD_PROBER_ELF_FILE_H

#include <stddef.h>

/* 0 if the file is a whole shared library for this machine, as far as its headers tell; -1 with
 * the reason and the remedy, for people, in `error`. Never waits, whatever kind of file it is. */
int check_elf_file(const char* path, char* error, size_t error_size);

#endif

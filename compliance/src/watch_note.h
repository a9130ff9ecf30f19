/* What the interposed functions of watch.c and watch_memory.c tell: a call by the plugin's side. */
#pragma once
#include "watch.h"

/* Counts `call`, by the function `name` (a literal), unless the program itself makes it. */
void watch_note(enum watched_call call, const char* name);

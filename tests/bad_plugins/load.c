/* Bad plugins for the checks of group "Load and ABI". */
#include "wrap.h"

#ifdef BAD_LOAD_NOW
/* Defined nowhere. */
extern int missing_function(void);

static void deinit(void) {
    if (missing_function() != 0) {
        parts.good_entry->deinit();
    }
}

void spoil(void) {
    parts.deinit = deinit;
}
#endif

/* A shared library that is no plugin. */
int steward_bad_library_function(void);
int steward_bad_library_function(void) {
    return 0;
}

/* The entry's name on a function. */
int steward_plugin_entry(void);
int steward_plugin_entry(void) {
    return 0;
}

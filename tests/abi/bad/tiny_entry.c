/* The entry's name on an object that is shorter than the head of an entry. */
const unsigned steward_plugin_entry = 0x44574453u;

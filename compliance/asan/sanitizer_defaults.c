/* What the sanitizers do unless the environment says otherwise: undefined behaviour ends the check
 * that met it, as a wrong access to memory does. */
const char* __ubsan_default_options(void);
const char* __ubsan_default_options(void) {
    return "halt_on_error=1:print_stacktrace=1";
}

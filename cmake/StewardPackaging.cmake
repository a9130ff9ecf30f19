# One Debian package of everything: script/package, or `cpack -G DEB` in the build folder once it is built.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME steward)
set(CPACK_PACKAGE_VENDOR "Steward")
set(CPACK_PACKAGE_CONTACT "Steward <steward@example.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "plugin-based supervisor for a web app, with an MCP stdio server")
set(CPACK_PACKAGE_DESCRIPTION
    "Starts a web app, keeps it healthy and takes it down with itself. AI tools start it as an MCP server; it comes with the prompt
library PromptBin. Health check, restart, port and metrics are plugins; the headers, the CMake package and the templates to write
others are included.")
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_VERBATIM_VARIABLES ON)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
# The libraries by dpkg-shlibdeps; the interpreter and its modules are run, not linked.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "python3, python3-flask, python3-waitress")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "g++ (>= 4:12), cmake (>= 3.25), make")
# Whatever the umask of the build: plugins that a group or others may write are refused.
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
install(
    FILES LICENSE
    DESTINATION share/doc/steward
    RENAME copyright
    COMPONENT steward)
install(
    FILES README.md CHANGELOG.md
    DESTINATION share/doc/steward
    COMPONENT steward)

include(CPack)

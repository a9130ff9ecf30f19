# What `cmake --install` puts where. The program finds everything relative to itself (host/src/paths.cpp), so any prefix will do.
#
# Components: steward (the program, its plugins, the web app), sdk (headers, CMake package, templates), compliance (the harness). The CMake
# package of the build tree, lib/cmake/Steward in it, is the same as an installed one: CMAKE_PREFIX_PATH may be the build folder.
include(CMakePackageConfigHelpers)

set(package lib/cmake/Steward)
install(TARGETS steward app-guardian steward-plugin-probe RUNTIME DESTINATION bin COMPONENT steward)
install(
    TARGETS steward_plugin_health_http steward_plugin_restart_backoff steward_plugin_port_sequential steward_plugin_metrics_proc
    LIBRARY DESTINATION lib/steward/plugins COMPONENT steward)

# ---- sdk
install(
    DIRECTORY sdk/include/
    DESTINATION include
    COMPONENT sdk
    FILES_MATCHING
    PATTERN "*.h"
    PATTERN "*.hpp")
install(
    DIRECTORY plugins/template
    DESTINATION share/steward
    COMPONENT sdk)
set_target_properties(steward_sdk PROPERTIES EXPORT_NAME sdk)
install(TARGETS steward_sdk EXPORT StewardSdkTargets)
install(
    EXPORT StewardSdkTargets
    NAMESPACE Steward::
    DESTINATION ${package}
    COMPONENT sdk)
export(
    EXPORT StewardSdkTargets
    NAMESPACE Steward::
    FILE ${CMAKE_BINARY_DIR}/${package}/StewardSdkTargets.cmake)
set(sdk_files sdk/cmake/StewardPlugin.cmake sdk/cmake/steward_plugin.map)
install(
    FILES ${sdk_files}
    DESTINATION ${package}
    COMPONENT sdk)

# ---- compliance
set_target_properties(steward-compliance PROPERTIES EXPORT_NAME compliance)
install(TARGETS steward-compliance EXPORT StewardComplianceTargets RUNTIME DESTINATION bin COMPONENT compliance)
# It asks it what is in a file, and may be installed without the rest.
install(TARGETS steward-plugin-probe RUNTIME DESTINATION bin COMPONENT compliance)
install(
    EXPORT StewardComplianceTargets
    NAMESPACE Steward::
    DESTINATION ${package}
    COMPONENT compliance)
export(
    EXPORT StewardComplianceTargets
    NAMESPACE Steward::
    FILE ${CMAKE_BINARY_DIR}/${package}/StewardComplianceTargets.cmake)
# list_checks.cmake has written them.
install(
    FILES ${CMAKE_BINARY_DIR}/${package}/StewardCompliance.cmake ${CMAKE_BINARY_DIR}/${package}/StewardComplianceChecks.cmake
    DESTINATION ${package}
    COMPONENT compliance)

# ---- what finds them; with either, for each may be installed alone
write_basic_package_version_file(${CMAKE_BINARY_DIR}/${package}/StewardConfigVersion.cmake COMPATIBILITY SameMajorVersion)
foreach(component IN ITEMS sdk compliance)
    install(
        FILES sdk/cmake/StewardConfig.cmake ${CMAKE_BINARY_DIR}/${package}/StewardConfigVersion.cmake
        DESTINATION ${package}
        COMPONENT ${component})
endforeach()
foreach(file IN LISTS sdk_files ITEMS sdk/cmake/StewardConfig.cmake)
    get_filename_component(name ${file} NAME)
    configure_file(${file} ${CMAKE_BINARY_DIR}/${package}/${name} COPYONLY)
endforeach()

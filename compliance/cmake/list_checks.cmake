# Steward's own tree: reads the ids of the checks from the sources of the harness, which cannot be asked while a project is configured,
# writes StewardComplianceChecks.cmake into the CMake package of the build tree, and includes what is there. The test
# package_compliance_checks compares the list with `steward-compliance list --ids`.
# A new file changes CMakeLists.txt too, so that this is read again.
file(GLOB sources ${CMAKE_CURRENT_LIST_DIR}/../src/checks/*.cpp)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${sources})
set(numbered)
foreach(source IN LISTS sources)
    file(READ ${source} text)
    string(REGEX MATCHALL "Check{[ \n]*[0-9]+,[ \n]+\"[a-z0-9-]+\"" entries "${text}")
    list(APPEND numbered ${entries})
endforeach()
# In the order of their numbers.
list(TRANSFORM numbered REPLACE "Check{[ \n]*([0-9]+),[ \n]+\"([a-z0-9-]+)\"" "\\1 \\2")
list(SORT numbered COMPARE NATURAL)
list(TRANSFORM numbered REPLACE "^[0-9]+ " "")
if(NOT numbered)
    message(FATAL_ERROR "compliance/src/checks: there is no `Check{1, \"id\", ...}` in it, as ${CMAKE_CURRENT_LIST_FILE} wants it")
endif()
set(package ${CMAKE_BINARY_DIR}/lib/cmake/Steward)
list(JOIN numbered "\n    " ids)
file(CONFIGURE OUTPUT ${package}/StewardComplianceChecks.cmake CONTENT
     "# The checks of steward-compliance ${PROJECT_VERSION}.\nset(STEWARD_COMPLIANCE_CHECKS\n    ${ids})\n")
configure_file(${CMAKE_CURRENT_LIST_DIR}/StewardCompliance.cmake ${package}/StewardCompliance.cmake COPYONLY)
include(${package}/StewardCompliance.cmake)

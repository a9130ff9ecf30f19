# steward_add_compliance(ID [GRADE bronze|silver|gold] [WAIVERS FILE] [TIMEOUT SECONDS])
#
# Holds the plugin ID, made by steward_add_plugin(), against the compliance harness: one CTest test for each check, called
# compliance.<ID>.<check>, with the label "compliance". A check that does not concern the plugin is skipped. By default the grade is
# bronze, and a test may take 120 s (the harness has a limit of its own for each check, which is shorter). The waivers are a file of
# the harness; a relative name is one of the current source folder. The project calls enable_testing() itself.
include(${CMAKE_CURRENT_LIST_DIR}/StewardComplianceChecks.cmake)
set_property(GLOBAL PROPERTY STEWARD_COMPLIANCE_CHECKS ${STEWARD_COMPLIANCE_CHECKS})

function(steward_add_compliance id)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "GRADE;WAIVERS;TIMEOUT" "")
    if(arg_UNPARSED_ARGUMENTS OR arg_KEYWORDS_MISSING_VALUES)
        message(FATAL_ERROR "steward_add_compliance(${id}): not understood, or without a value: "
                            "\"${arg_UNPARSED_ARGUMENTS}${arg_KEYWORDS_MISSING_VALUES}\"")
    endif()
    if(NOT TARGET steward_plugin_${id})
        message(FATAL_ERROR "steward_add_compliance: there is no plugin \"${id}\"; call steward_add_plugin(${id} ...) before")
    endif()
    if(NOT DEFINED arg_GRADE)
        set(arg_GRADE bronze)
    endif()
    if(NOT arg_GRADE MATCHES "^(bronze|silver|gold)$")
        message(FATAL_ERROR "steward_add_compliance(${id}): GRADE must be bronze, silver or gold (got \"${arg_GRADE}\")")
    endif()
    if(NOT DEFINED arg_TIMEOUT)
        set(arg_TIMEOUT 120)
    endif()
    set(waivers)
    if(DEFINED arg_WAIVERS)
        cmake_path(ABSOLUTE_PATH arg_WAIVERS BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE OUTPUT_VARIABLE file)
        if(NOT EXISTS "${file}")
            message(FATAL_ERROR "steward_add_compliance(${id}): WAIVERS: there is no file ${file}")
        endif()
        set(waivers --waivers "${file}")
    endif()
    # The target has its plain name in Steward's own tree.
    set(program Steward::compliance)
    if(NOT TARGET Steward::compliance)
        set(program steward-compliance)
    endif()
    get_property(checks GLOBAL PROPERTY STEWARD_COMPLIANCE_CHECKS)
    foreach(check IN LISTS checks)
        set(test compliance.${id}.${check})
        add_test(NAME ${test} COMMAND $<TARGET_FILE:${program}> run $<TARGET_FILE:steward_plugin_${id}> --only ${check}
                                      --grade ${arg_GRADE} ${waivers})
        set_tests_properties(${test} PROPERTIES LABELS compliance TIMEOUT ${arg_TIMEOUT} SKIP_REGULAR_EXPRESSION "^skip ")
    endforeach()
endfunction()

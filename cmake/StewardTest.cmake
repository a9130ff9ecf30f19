# steward_add_test(NAME SOURCES FILE... [LIBRARIES TARGET...] [LABELS LABEL...] [TIMEOUT SECONDS] [ARGS ARG...] [MOSTLY_WAITS])
#
# One Catch2 program (shared main in tests/main.cpp) and one CTest test of the same name. MOSTLY_WAITS: of processes, but it leaves the
# processors to others nearly all the time, and asserts nothing that a short wait for one would break.
function(steward_add_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "MOSTLY_WAITS" "TIMEOUT" "SOURCES;LIBRARIES;LABELS;ARGS;DEFINITIONS")
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    add_executable(${name} ${arg_SOURCES})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_link_libraries(${name} PRIVATE steward_options steward_test_main ${arg_LIBRARIES})
    target_precompile_headers(${name} REUSE_FROM steward_test_main)
    target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
    add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
    # What may take long begins early.
    set_tests_properties(${name} PROPERTIES TIMEOUT ${arg_TIMEOUT} COST ${arg_TIMEOUT} LABELS "${arg_LABELS}")
    # What asserts times of real processes runs one at a time; another test may keep the other core busy.
    if("process" IN_LIST arg_LABELS AND NOT arg_MOSTLY_WAITS)
        set_tests_properties(${name} PROPERTIES RESOURCE_LOCK processes)
    endif()
endfunction()

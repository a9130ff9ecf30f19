# steward_add_plugin(ID SOURCES FILE... [LIBRARIES TARGET...] [VERSION VERSION])
#
# Builds the plugin steward_<ID>.so, as the target steward_plugin_<ID>; into STEWARD_PLUGIN_OUTPUT_DIRECTORY if that is set.
# The sources see STEWARD_PLUGIN_ID and STEWARD_PLUGIN_VERSION (by default the project's) as string literals.
#
# The link line is part of the contract: hidden visibility and a version script, because hidden visibility alone still
# exports the standard library's templates, whose unique symbols pin the library in memory; and no undefined symbol, because
# such a plugin loads and dies at its first call.
#
# Also defines the static library steward_plugin_<ID>_static, built when something links it: the same code with the entry
# called steward_plugin_entry_<ID>, for tests and for programs that link plugins in.
set(STEWARD_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/steward_plugin.map)

function(_steward_plugin_options target id version libraries)
    set_target_properties(
        ${target}
        PROPERTIES C_VISIBILITY_PRESET hidden
                   CXX_VISIBILITY_PRESET hidden
                   VISIBILITY_INLINES_HIDDEN ON
                   POSITION_INDEPENDENT_CODE ON
                   CXX_EXTENSIONS OFF)
    target_compile_features(${target} PRIVATE cxx_std_20)
    target_compile_definitions(${target} PRIVATE STEWARD_PLUGIN_ID="${id}" STEWARD_PLUGIN_VERSION="${version}")
    target_link_libraries(${target} PRIVATE Steward::sdk ${libraries})
    # Only inside this project's own tree.
    if(TARGET steward_options)
        target_link_libraries(${target} PRIVATE steward_options)
    endif()
endfunction()

function(steward_add_plugin id)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "VERSION" "SOURCES;LIBRARIES")
    string(LENGTH "${id}" length)
    if(NOT id MATCHES "^[a-z][a-z0-9_]*$" OR length GREATER 64)
        message(FATAL_ERROR "steward_add_plugin: the id \"${id}\" is not [a-z][a-z0-9_]{0,63}")
    endif()
    if(NOT arg_SOURCES OR arg_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "steward_add_plugin(${id}): SOURCES are missing, or not understood: "
                            "\"${arg_UNPARSED_ARGUMENTS}\"")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION "${PROJECT_VERSION}")
    endif()
    if(NOT arg_VERSION)
        set(arg_VERSION 0.0.0)
    endif()

    # Not STEWARD_PLUGIN_MAP: a caller elsewhere in the project sees the function, but not this file's variables.
    set(map ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/steward_plugin.map)
    set(target steward_plugin_${id})
    add_library(${target} MODULE ${arg_SOURCES})
    _steward_plugin_options(${target} ${id} ${arg_VERSION} "${arg_LIBRARIES}")
    set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME steward_${id} SUFFIX ".so"
                                               LINK_DEPENDS ${map})
    if(STEWARD_PLUGIN_OUTPUT_DIRECTORY)
        set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${STEWARD_PLUGIN_OUTPUT_DIRECTORY})
    endif()
    target_link_options(${target} PRIVATE -Wl,--version-script=${map} -Wl,-z,relro,-z,now)
    # clang leaves the sanitizers' symbols in a library undefined; the program brings them.
    if(NOT (CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND (STEWARD_SANITIZE OR CMAKE_CXX_FLAGS MATCHES "-fsanitize")))
        target_link_options(${target} PRIVATE -Wl,-z,defs)
    endif()

    add_library(${target}_static STATIC EXCLUDE_FROM_ALL ${arg_SOURCES})
    _steward_plugin_options(${target}_static ${id} ${arg_VERSION} "${arg_LIBRARIES}")
    target_compile_definitions(${target}_static PRIVATE STEWARD_STATIC_ENTRY=steward_plugin_entry_${id})
endfunction()

# steward_options: language level, warnings, hardening and sanitizers, linked PRIVATE by every target of this project.
# steward_c_options: the same for the programs in C that must never carry a sanitizer (the guardian).

find_program(STEWARD_CCACHE ccache)
if(STEWARD_CCACHE)
    set(CMAKE_C_COMPILER_LAUNCHER ${STEWARD_CCACHE})
    set(CMAKE_CXX_COMPILER_LAUNCHER ${STEWARD_CCACHE})
endif()

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

add_library(steward_c_options INTERFACE)
target_compile_options(
    steward_c_options
    INTERFACE -Wall
              -Wextra
              -Wpedantic
              -Wconversion
              -Wshadow
              -Wundef
              -fstack-protector-strong
              $<$<BOOL:${STEWARD_WERROR}>:-Werror>)
if(NOT STEWARD_SANITIZE)
    target_compile_definitions(steward_c_options INTERFACE $<$<CONFIG:Release,RelWithDebInfo>:_FORTIFY_SOURCE=2>)
endif()
target_link_options(steward_c_options INTERFACE -Wl,-z,relro,-z,now)

add_library(steward_options INTERFACE)
target_link_libraries(steward_options INTERFACE steward_c_options)
target_compile_options(
    steward_options
    INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor -Wold-style-cast>
              $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:Clang>>:-Wthread-safety>)
if(STEWARD_SANITIZE)
    target_compile_options(steward_options INTERFACE -fsanitize=${STEWARD_SANITIZE} -fno-omit-frame-pointer)
    if(STEWARD_SANITIZE MATCHES "undefined")
        # These check each use of each pointer, which doubles the time to compile; null and wild ones are the address sanitizer's.
        target_compile_options(steward_options INTERFACE -fno-sanitize=null,alignment,object-size,vptr)
    endif()
    target_link_options(steward_options INTERFACE -fsanitize=${STEWARD_SANITIZE})
    target_compile_definitions(steward_options INTERFACE STEWARD_SANITIZED=1)
endif()

# The sanitizers for single targets of a tree without them.
add_library(steward_asan_options INTERFACE)
target_compile_options(steward_asan_options INTERFACE -fsanitize=address,undefined -fno-omit-frame-pointer -U_FORTIFY_SOURCE -O1 -g1)
target_link_options(steward_asan_options INTERFACE -fsanitize=address,undefined)
target_compile_definitions(steward_asan_options INTERFACE STEWARD_SANITIZED=1)

# Everything the project takes from the distribution, by find_package; nothing is downloaded.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(Poco REQUIRED COMPONENTS Foundation JSON Net)
# Poco hands its own feature macros on; _XOPEN_SOURCE contradicts the one that the C++ library needs.
get_target_property(definitions Poco::Foundation INTERFACE_COMPILE_DEFINITIONS)
list(FILTER definitions EXCLUDE REGEX "_XOPEN_SOURCE")
set_target_properties(Poco::Foundation PROPERTIES INTERFACE_COMPILE_DEFINITIONS "${definitions}")
find_package(spdlog REQUIRED)
find_package(CLI11 REQUIRED)

# Debian's valijson has headers alone.
find_path(VALIJSON_INCLUDE_DIR valijson/validator.hpp REQUIRED)
add_library(valijson INTERFACE)
target_include_directories(valijson SYSTEM INTERFACE ${VALIJSON_INCLUDE_DIR})
target_compile_definitions(valijson INTERFACE VALIJSON_USE_EXCEPTIONS=1)

if(STEWARD_TESTS)
    find_package(Catch2 REQUIRED)
endif()

// Includes Catch2, 2.x (Debian 12) or 3.x, so that a test names neither.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

// Compiled with the precompiled header of the test programs, so that CMake makes one: main.cpp
// cannot use it.

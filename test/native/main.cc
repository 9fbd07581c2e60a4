// The main function of native_tests: all C++ unit tests in one executable, without Node.

#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

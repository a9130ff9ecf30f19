// The harness's random numbers from a seed, for tests.
#pragma once
#include "steward/compliance/random.hpp"

namespace steward::tests {

using compliance::Random;

}  // namespace steward::tests

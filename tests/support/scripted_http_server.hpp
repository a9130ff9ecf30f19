// The harness's servers that misbehave on purpose, for tests.
#pragma once
#include "steward/compliance/scripted_http_server.hpp"

namespace steward::tests {

using compliance::ClosedPort;
using compliance::Family;
using compliance::Script;
using compliance::ScriptedHttpServer;
using compliance::Step;
using compliance::UnattendedPort;
namespace script = compliance::script;

}  // namespace steward::tests

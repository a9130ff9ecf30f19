// steward/sdk.hpp - the C++20 layer over the plugin ABI: header-only, compiled into the plugin,
// standard library alone.
//
// Begin with steward/sdk/plugin.hpp, which says what a plugin's class looks like. (proc_tree.hpp, a
// walker over /proc, is included by those who need it.)
#pragma once

#include "sdk/guard.hpp"
#include "sdk/health.hpp"
#include "sdk/host.hpp"
#include "sdk/metrics.hpp"
#include "sdk/plugin.hpp"
#include "sdk/port.hpp"
#include "sdk/restart.hpp"
#include "sdk/settings.hpp"
#include "sdk/text.hpp"

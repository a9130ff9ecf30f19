// From the command line to what the core supervises.
#pragma once
#include <string>

#include "options.hpp"
#include "paths.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/core/result.hpp"
#include "steward/core/service.hpp"

namespace steward::host {

// What the service is called: "promptbin", or the name of the program behind `--`.
std::string service_name(const Options& options);

// The service that the options describe: PromptBin, or the command behind `--`. Reads the
// environment for what is passed on.
core::ServiceConfig service_config(const Options& options, const Paths& paths);

core::StrategyChoice strategy_choice(const Options& options);

// Refuses what can be seen to be wrong before anything is started: the address and the data
// directory. Plugins are the supervisor's to check.
core::Status check_options(const Options& options);

// Its parts. Whether the command uses the data directory; one that it does not use may be anywhere.
core::Status check_address(const Options& options);
bool needs_data_dir(const Options& options);
core::Status check_data_dir(const Options& options);

}  // namespace steward::host

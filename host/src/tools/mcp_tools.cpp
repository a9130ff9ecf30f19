#include "mcp_tools.hpp"

#include <utility>

#include <fmt/core.h>

#include "event_tools.hpp"
#include "flask_tools.hpp"
#include "log_tools.hpp"
#include "plugin_tools.hpp"
#include "prompt_completion.hpp"
#include "prompt_resources.hpp"
#include "prompt_source.hpp"
#include "prompt_tools.hpp"
#include "service_config.hpp"
#include "version.hpp"

namespace steward::host {

mcp::ServerInfo server_info(const Options& options) {
    const auto service = service_name(options);
    const Words words(service);
    std::string text = fmt::format(
        "Runs {}{} and looks after it. flask_status tells its URL and whether it is healthy; "
        "flask_start, flask_stop and flask_restart control it; flask_logs shows what it writes; "
        "flask_explain tells why it is in its state.",
        words.app, service == defaults::kServiceName ? " (a prompt library)" : "");
    if (needs_data_dir(options)) {
        text +=
            " search_prompts finds prompts in its library and get_prompt returns one, whether the "
            "app runs or not; create_prompt, update_prompt and delete_prompt change them.";
    }
    return {"steward", "Steward for " + words.title, std::string(kVersion), text};
}

void register_tools(mcp::Server& server, const Bridge& bridge, PromptWorker* worker,
                    const Options& options, Timers timers) {
    const Words words(service_name(options));
    if (worker != nullptr) {
        register_prompt_resources(server, *worker);
        register_prompt_tools(server, *worker, std::move(timers));
        register_prompt_source(server, *worker);
        register_prompt_completion(server, *worker);
    }
    register_flask_tools(server, bridge, words);
    register_log_tools(server, bridge, words);
    register_event_tools(server, bridge, words);
    register_plugin_tools(server, bridge, options);
}

}  // namespace steward::host

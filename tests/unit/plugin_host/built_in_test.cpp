// Plugins that are linked into a program: this one has two.
#include "catch.hpp"

#include <array>
#include <fstream>

#include "built_in_plugin.hpp"
#include "files.hpp"
#include "plugin_bed.hpp"

extern "C" const steward_entry steward_plugin_entry_restart_backoff;
extern "C" const steward_entry steward_plugin_entry_port_sequential;

std::vector<const steward_entry*> steward::core::built_in_plugins() {
    return {&steward_plugin_entry_restart_backoff, &steward_plugin_entry_port_sequential};
}

namespace {

using namespace steward;
using namespace steward::test;

// One whose schema is nearly as long as it may be.
constexpr std::size_t kLong = 60'000;
steward_status long_schema(const steward_sink* out) {
    const std::string text = R"({"type":"object","description":")" + std::string(kLong, 'x') +
                             R"(","properties":{},"additionalProperties":false})";
    return out->write(out->ctx, text.data(), text.size());
}
const std::array<const char*, 1> kNoInterfaces{nullptr};
const steward_descriptor kLongDescriptor{
    sizeof kLongDescriptor, 0, {"long_winded", 11}, {}, {}, {}, {}, {}, {}, kNoInterfaces.data()};
const steward_plugin kLongWinded{
    sizeof kLongWinded, 0, &kLongDescriptor, &long_schema, nullptr, nullptr, nullptr};
const steward_plugin* long_winded(std::uint32_t index) {
    return index == 0 ? &kLongWinded : nullptr;
}

// No prober, and no folder of plugins: nothing but what is built in can be found.
core::PluginPlaces nowhere() {
    return {"/nowhere/steward-plugin-probe", "/nowhere/plugins", {}, {}};
}

bool is_mapped(const std::string& part) {
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
        if (line.find(part) != std::string::npos) {
            return true;
        }
    }
    return false;
}

}  // namespace

TEST_CASE("a plugin that is built in is found without a prober and without a file") {
    core::PluginCatalogue catalogue(nowhere());
    const auto found = catalogue.find("restart_backoff");
    REQUIRE(found);
    CHECK(found->id == "restart_backoff");
    CHECK(found->origin == "built in");
    CHECK(found->built_in == &steward_plugin_entry_restart_backoff);
    CHECK(found->has("steward.restart/1"));
    CHECK_THAT(found->schema, Catch::Contains("max_restarts"));
    CHECK(catalogue.list().size() == 2);
    CHECK_THAT(refusal(catalogue, "health_http"), Catch::Contains("no such plugin"));
}

TEST_CASE("the settings of one that is built in may be described at the same length as a file's") {
    const steward_entry entry{
        STEWARD_ABI_MAGIC, sizeof entry, STEWARD_ABI_MAJOR, STEWARD_ABI_MINOR, 0, 1,
        nullptr,           nullptr,      &long_winded};
    const auto info = core::built_in_info(entry);
    CHECK(info.error.empty());
    CHECK(info.id == "long_winded");
    CHECK(info.schema.size() > kLong);
}

TEST_CASE("it says the same of itself as its file does") {
    core::PluginCatalogue in_file({kProber, kOwnFolder, {}, {}});
    core::PluginCatalogue catalogue(nowhere());
    const auto file = in_file.find(file_of(kOwnFolder, "restart_backoff"));
    const auto linked = catalogue.find("restart_backoff");
    REQUIRE(file);
    REQUIRE(linked);
    CHECK(linked->name == file->name);
    CHECK(linked->vendor == file->vendor);
    CHECK(linked->version == file->version);
    CHECK(linked->license == file->license);
    CHECK(linked->summary == file->summary);
    CHECK(linked->interfaces == file->interfaces);
    CHECK(linked->schema == file->schema);
}

TEST_CASE(
    "a folder given by the user comes before what is built in, and that before the program's "
    "folder") {
    const Folder extra;
    const auto copy = extra.add(kOwnFolder, "restart_backoff");
    core::PluginCatalogue catalogue(places({extra.path()}));
    const auto found = catalogue.find("restart_backoff");
    REQUIRE(found);
    CHECK(found->file == copy);
    std::vector<std::string> order;
    for (const auto& info : catalogue.list()) {
        if (info.id == "restart_backoff") {
            order.push_back(info.origin);
            CHECK(info.shadowed_by == (order.size() == 1 ? "" : copy));
        }
    }
    CHECK(order == std::vector<std::string>{"--plugin-dir " + extra.path(), "built in",
                                            "next to the program"});
}

TEST_CASE("it is configured and asked like one in a file, and nothing is loaded") {
    core::StrategyChoice choice;
    choice.health = choice.metrics = "none";
    choice.settings["restart_backoff"]["base_ms"] = "1000";
    choice.settings["restart_backoff"]["jitter_percent"] = "0";
    Bed bed(choice, nowhere());
    const auto ready = bed.prepare();
    INFO((ready ? "" : ready.error().text));
    REQUIRE(ready);
    const auto answer = bed.decide();
    CHECK(answer.value.action == core::DecisionAction::kRestart);
    CHECK(answer.value.delay == std::chrono::milliseconds(1000));
    CHECK(bed.reports().empty());
    CHECK_FALSE(is_mapped("/steward_"));
}

TEST_CASE("a wrong setting of it is refused with the same words") {
    core::StrategyChoice choice;
    choice.settings["restart_backoff"]["base_ms"] = "-1";
    choice.health = choice.metrics = "none";
    Bed bed(choice, nowhere());
    const auto ready = bed.prepare();
    REQUIRE_FALSE(ready);
    CHECK(ready.error().text == "restart_backoff.base_ms: must be >= 0 (got -1)");
}

// This store and PromptBin's write the same prompts at once.
#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>

#include <set>

#include "catch.hpp"
#include "prompt_bed.hpp"

using namespace steward::prompts;
using namespace steward::prompts::test;

namespace {

constexpr int kWrites = 100;
constexpr int kPrompts = 5;
// No version is old enough to go: 50 are kept.
static_assert(2 * kWrites / kPrompts < 50);

struct Write {
    std::string updated_at;
    std::string content;
    auto operator<=>(const Write&) const = default;
};
using Writes = std::map<std::string, std::set<Write>>;  // by id

void write_own(PromptStore& store, const std::vector<std::string>& ids, Writes& acknowledged) {
    for (int i = 0; i < kWrites; ++i) {
        Poco::JSON::Object changes;
        changes.set("content", "cpp " + std::to_string(i));
        const auto stored = store.update(ids[static_cast<std::size_t>(i % kPrompts)], changes);
        if (stored) {
            acknowledged[(*stored)->id].insert({(*stored)->updated_at, (*stored)->content});
        } else {
            REQUIRE(stored.error().code == ErrorCode::kBusy);
        }
    }
}

void read_others(std::istream& lines, Writes& acknowledged) {
    std::string id;
    Write write;
    while (lines >> id >> write.updated_at && std::getline(lines >> std::ws, write.content)) {
        acknowledged[id].insert(write);
    }
}

std::set<Write> stored_versions(const Folder& folder, const std::string& id) {
    std::set<Write> found;
    const auto take = [&found](const fs::path& path) {
        const auto prompt = object(read_text(path));  // throws for a torn file
        found.insert({prompt->getValue<std::string>("updated_at"),
                      prompt->getValue<std::string>("content")});
    };
    take(folder.file("coding/" + id + ".json"));
    for (const auto& entry : fs::directory_iterator(folder.file(".history/" + id))) {
        take(entry.path());
    }
    return found;
}

}  // namespace

TEST_CASE("of two programs that write at once no acknowledged write is lost", "[prompts][proc]") {
    const Folder folder;
    std::vector<std::string> ids;
    for (int i = 0; i < kPrompts; ++i) {
        ids.push_back("p" + std::to_string(i));
        folder.put("coding/" + ids.back() + ".json", prompt_text("T", "first"));
    }
    PromptStore store(folder.data());
    REQUIRE(store.count() == kPrompts);

    const fs::path source = STEWARD_SOURCE_DIR;
    Poco::Pipe to_other;
    Poco::Pipe from_other;
    // -B: no byte code in the sources.
    std::vector<std::string> arguments{
        "-B", (source / "tests/unit/prompts/two_writers.py").string(),
        (source / "flask_app").string(), folder.data(), std::to_string(kWrites)};
    arguments.insert(arguments.end(), ids.begin(), ids.end());
    const auto other =
        Poco::Process::launch(STEWARD_TEST_PYTHON, arguments, &to_other, &from_other, nullptr);
    Poco::PipeInputStream lines(from_other);
    std::string line;
    std::getline(lines, line);
    REQUIRE(line == "ready");
    to_other.writeBytes("\n", 1);

    Writes acknowledged;
    write_own(store, ids, acknowledged);
    read_others(lines, acknowledged);
    REQUIRE(other.wait() == 0);

    for (const auto& id : ids) {
        const auto found = stored_versions(folder, id);
        const auto& written = acknowledged[id];
        CHECK(written.size() >= kWrites / kPrompts);
        CHECK(found.size() == written.size() + 1);  // and the first one
        for (const auto& write : written) {
            INFO(write.content << " of " << write.updated_at);
            CHECK(found.contains(write));
        }
        CHECK((*store.get(id))->updated_at == written.rbegin()->updated_at);
    }
    CHECK(store.search({}).broken->empty());
}

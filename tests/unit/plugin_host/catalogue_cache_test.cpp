// The catalogue's cache: what makes it unnecessary to load unknown code again.
#include "catch.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>
#include <sstream>

#include "files.hpp"

using namespace steward::test;
using steward::core::PluginCatalogue;
using steward::core::PluginPlaces;

namespace {

// A prober that is not there: whatever is answered with it comes from the cache.
PluginPlaces without_prober(PluginPlaces places) {
    places.prober = "/nowhere/steward-plugin-probe";
    return places;
}

struct Cached {
    Folder folder;
    std::string plugin = folder.add(kOwnFolder, "port_sequential");
    PluginPlaces where{kProber, kOwnFolder, {folder.path()}, folder.file("cache/x/plugins.jsonl")};

    void fill() const {
        PluginCatalogue catalogue(where);
        REQUIRE(catalogue.find("port_sequential"));
        catalogue.save_cache();
        REQUIRE(fs::exists(where.cache_file));
    }
    bool hits() const {
        PluginCatalogue catalogue(without_prober(where));
        const auto found = catalogue.find("port_sequential");
        return found && found->file == plugin;
    }
    std::string text() const {
        std::ifstream file(where.cache_file);
        std::ostringstream all;
        all << file.rdbuf();
        return all.str();
    }
};

}  // namespace

TEST_CASE("a cached answer is complete and needs no prober", "[catalogue][cache]") {
    const Cached cached;
    cached.fill();
    PluginCatalogue probing(cached.where);
    PluginCatalogue remembering(without_prober(cached.where));
    const auto probed = probing.find("port_sequential");
    const auto remembered = remembering.find("port_sequential");
    REQUIRE(probed);
    REQUIRE(remembered);
    CHECK(remembered->file == probed->file);
    CHECK(remembered->origin == probed->origin);
    CHECK(remembered->id == probed->id);
    CHECK(remembered->name == probed->name);
    CHECK(remembered->vendor == probed->vendor);
    CHECK(remembered->version == probed->version);
    CHECK(remembered->license == probed->license);
    CHECK(remembered->url == probed->url);
    CHECK(remembered->summary == probed->summary);
    CHECK(remembered->interfaces == probed->interfaces);
    CHECK(remembered->schema == probed->schema);
    // Without the cache this prober gives nothing, so it was the cache.
    auto uncached = without_prober(cached.where);
    uncached.cache_file.clear();
    PluginCatalogue blind(uncached);
    CHECK_FALSE(blind.find("port_sequential"));
}

TEST_CASE("the cache is written by save_cache() alone", "[catalogue][cache]") {
    const Cached cached;
    PluginCatalogue catalogue(cached.where);
    REQUIRE(catalogue.find("port_sequential"));
    CHECK(catalogue.list().size() == 5);
    CHECK_FALSE(fs::exists(cached.folder.file("cache")));
    catalogue.save_cache();
    REQUIRE(fs::exists(cached.where.cache_file));
    // Nothing new, nothing written.
    fs::remove(cached.where.cache_file);
    catalogue.save_cache();
    CHECK_FALSE(fs::exists(cached.where.cache_file));
    // Nothing but the cache is left behind.
    CHECK(fs::is_empty(cached.folder.file("cache/x")));
}

TEST_CASE("a file that has changed is examined again", "[catalogue][cache]") {
    const Cached cached;
    cached.fill();
    REQUIRE(cached.hits());

    SECTION("by its time") {
        struct stat status {};
        REQUIRE(stat(cached.plugin.c_str(), &status) == 0);
        timespec times[2] = {status.st_atim, status.st_mtim};
        times[1].tv_nsec = (times[1].tv_nsec + 1) % 1'000'000'000;
        REQUIRE(utimensat(AT_FDCWD, cached.plugin.c_str(), times, 0) == 0);
    }
    SECTION("by its inode, with the same time and size") {
        struct stat status {};
        REQUIRE(stat(cached.plugin.c_str(), &status) == 0);
        const std::string copy = cached.folder.file("copy");
        fs::copy_file(cached.plugin, copy);
        fs::permissions(copy, fs::perms(0755));
        const timespec times[2] = {status.st_atim, status.st_mtim};
        REQUIRE(utimensat(AT_FDCWD, copy.c_str(), times, 0) == 0);
        fs::rename(copy, cached.plugin);
    }
    SECTION("by its size, with the same time") {
        struct stat status {};
        REQUIRE(stat(cached.plugin.c_str(), &status) == 0);
        std::ofstream(cached.plugin, std::ios::app) << "x";
        const timespec times[2] = {status.st_atim, status.st_mtim};
        REQUIRE(utimensat(AT_FDCWD, cached.plugin.c_str(), times, 0) == 0);
    }
    CHECK_FALSE(cached.hits());
    // With a prober it is found again.
    PluginCatalogue catalogue(cached.where);
    CHECK(catalogue.find("port_sequential"));
}

TEST_CASE("a cached file that others may write by now is refused all the same",
          "[catalogue][cache]") {
    const Cached cached;
    cached.fill();
    fs::permissions(cached.plugin, fs::perms(0777));
    PluginCatalogue catalogue(without_prober(cached.where));
    CHECK_THAT(refusal(catalogue, "port_sequential"), Catch::Contains("written by everybody"));
}

TEST_CASE("a refusal is not remembered on disk: its cause may lie outside of the file",
          "[catalogue][cache]") {
    Cached cached;
    const std::string broken = cached.folder.add(kBadFolder, "bad_no_entry");
    PluginCatalogue catalogue(cached.where);
    REQUIRE_FALSE(catalogue.find("bad_no_entry"));
    REQUIRE(catalogue.find("port_sequential"));
    catalogue.save_cache();
    CHECK(cached.text().find("bad_no_entry") == std::string::npos);
    CHECK(cached.text().find("port_sequential") != std::string::npos);

    // Nor is a prober that could not be started, not even within the process.
    PluginPlaces where = cached.where;
    where.cache_file = cached.folder.file("other");
    where.prober = cached.folder.file("prober");
    PluginCatalogue early(where);
    CHECK_THAT(refusal(early, "port_sequential"), Catch::Contains("cannot be examined"));
    fs::create_symlink(kProber, where.prober);
    CHECK(early.find("port_sequential"));
}

TEST_CASE("a cache that is damaged or cannot be read is ignored", "[catalogue][cache]") {
    const Cached cached;
    cached.fill();
    const std::string good = cached.text();
    REQUIRE(good.find('\n') != std::string::npos);

    SECTION("cut in the middle of a line") {
        std::ofstream(cached.where.cache_file) << good.substr(0, good.size() / 2);
    }
    SECTION("something else") {
        std::ofstream(cached.where.cache_file) << std::string("\0\xff{\n[]\n7\n\"x\"\nnull\n", 18);
    }
    SECTION("JSON that is no answer") {
        std::string name = good.substr(good.find("\"format\":"));
        name = name.substr(0, name.find_first_of(",}"));
        std::ofstream(cached.where.cache_file)
            << "{" << name << "}\n{" << name << ",\"key\":1,\"answer\":7}\n{" << name
            << ",\"key\":{},\"answer\":{\"file\":\"" << cached.plugin << "\",\"ok\":[]}}\n{" << name
            << ",\"key\":\"x\",\"answer\":{\"file\":\"" << cached.plugin
            << "\",\"ok\":true,\"plugins\":[{\"interfaces\":[{}],\"schema\":{}}]}}\n";
    }
    SECTION("of another version") {
        std::string other = good;
        const auto at = other.find("abi1.0");
        REQUIRE(at != std::string::npos);
        other.replace(at, 6, "abi0.9");
        std::ofstream(cached.where.cache_file) << other;
    }
    SECTION("a folder") {
        fs::remove(cached.where.cache_file);
        fs::create_directory(cached.where.cache_file);
    }
    SECTION("deeply nested") {
        std::ofstream(cached.where.cache_file)
            << std::string(100'000, '[') << std::string(100'000, ']') << "\n";
    }
    CHECK_FALSE(cached.hits());
    PluginCatalogue catalogue(cached.where);
    CHECK(catalogue.find("port_sequential"));
    catalogue.save_cache();
    if (!fs::is_directory(cached.where.cache_file)) {
        CHECK(cached.hits());
    }
}

TEST_CASE("a damaged line costs that line alone", "[catalogue][cache]") {
    const Cached cached;
    cached.fill();
    const std::string good = cached.text();
    std::ofstream(cached.where.cache_file) << "{broken\n" << good << "more rubbish";
    CHECK(cached.hits());
}

TEST_CASE("a cache that cannot be written is of no consequence", "[catalogue][cache]") {
    Cached cached;
    // A file where the folder should be: also root cannot write there.
    std::ofstream(cached.folder.file("cache")) << "in the way";
    PluginCatalogue catalogue(cached.where);
    REQUIRE(catalogue.find("port_sequential"));
    catalogue.save_cache();
    CHECK(catalogue.find("port_sequential"));
}

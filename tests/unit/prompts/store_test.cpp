// The store as its callers see it: lists, names, news of what others change, broken files, writes.
#include "steward/prompts/store.hpp"

#include <Poco/JSON/Array.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>

#include "catch.hpp"
#include "prompt_bed.hpp"

using namespace steward::prompts;
using namespace steward::prompts::test;

namespace {

using Names = std::vector<std::string>;

Names titles(PromptStore& store, std::string_view text = "") {
    Names out;
    for (const auto& prompt : store.search({text}).prompts) {
        out.push_back(prompt->title);
    }
    return out;
}

// What the callbacks were told.
struct News {
    std::vector<Change> changes;
    Names troubles;

    StoreOptions options() {
        StoreOptions options;
        options.on_change = [this](const Change& change) { changes.push_back(change); };
        options.on_trouble = [this](const std::string& text) { troubles.push_back(text); };
        return options;
    }
};

bool is_readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return poll(&one, 1, 0) == 1;
}

// inotify with faults.
class FaultySource final : public WatchSource {
  public:
    struct Faults {
        bool lose_events = false;    // the queue overflowed
        bool no_watch_left = false;  // fs.inotify.max_user_watches is reached
    };
    explicit FaultySource(std::shared_ptr<Faults> faults) : faults_(std::move(faults)) {}

    int fd() const noexcept override { return real_->fd(); }
    int add(const std::string& folder) override {
        return faults_->no_watch_left ? -1 : real_->add(folder);
    }
    void remove(int watch) override { real_->remove(watch); }
    std::vector<WatchEvent> drain() override {
        auto events = real_->drain();
        if (faults_->lose_events && !events.empty()) {
            WatchEvent lost;
            lost.lost = true;
            return {lost};
        }
        return events;
    }

  private:
    std::unique_ptr<WatchSource> real_ = make_inotify();
    std::shared_ptr<Faults> faults_;
};

// The ways in which a store learns of changes; each must show the same.
StoreOptions options_of_kind(const std::string& kind, StoreOptions options = {}) {
    auto faults = std::make_shared<FaultySource::Faults>();
    if (kind == "no inotify") {
        options.make_watch = [] { return std::unique_ptr<WatchSource>(); };
    } else if (kind == "no watch left") {
        faults->no_watch_left = true;
        options.make_watch = [faults] { return std::make_unique<FaultySource>(faults); };
    } else if (kind == "lost events") {
        faults->lose_events = true;
        options.make_watch = [faults] { return std::make_unique<FaultySource>(faults); };
    }
    return options;
}

Poco::JSON::Object::Ptr values(const std::string& title, const std::string& content = "C",
                               const std::string& category = "coding") {
    Poco::JSON::Object::Ptr out = new Poco::JSON::Object;
    out->set("title", title);
    out->set("content", content);
    out->set("category", category);
    return out;
}

int open_descriptors() {
    int count = 0;
    for (fs::directory_iterator entry("/proc/self/fd"), end; entry != end; ++entry) {
        ++count;
    }
    return count;
}

}  // namespace

TEST_CASE("a store that is not used leaves no trace", "[prompts]") {
    const Folder folder;
    const int before = open_descriptors();
    {
        PromptStore store(folder.data());
        store.refresh();
        CHECK(store.watch_fd() == -1);
        CHECK(open_descriptors() == before);
        CHECK_FALSE(fs::exists(folder.data()));
        CHECK(store.count() == 0);
        CHECK(store.watch_fd() >= 0);
        CHECK_FALSE(fs::exists(folder.data()));
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("the next call sees what another program has changed", "[prompts]") {
    const std::string kind = GENERATE("inotify", "no inotify", "no watch left", "lost events");
    INFO(kind);
    const Folder folder;
    folder.put("coding/one.json", prompt_text("One", "first", 1));
    PromptStore store(folder.data(), options_of_kind(kind));
    REQUIRE(titles(store) == Names{"One"});

    SECTION("a new prompt") {
        folder.put("coding/two.json", prompt_text("Two", "c", 2));
        CHECK(titles(store) == Names{"Two", "One"});
    }
    SECTION("a replaced prompt") {
        folder.put("coding/one.json", prompt_text("Uno", "c", 1));
        CHECK(titles(store) == Names{"Uno"});
        CHECK((*store.get("one"))->content == "c");
    }
    SECTION("a removed prompt") {
        fs::remove(folder.file("coding/one.json"));
        CHECK(titles(store).empty());
        CHECK(store.get("one").error().code == ErrorCode::kNotFound);
    }
    SECTION("a prompt that is moved to another category") {
        fs::create_directory(folder.file("writing"));
        fs::rename(folder.file("coding/one.json"), folder.file("writing/one.json"));
        CHECK((*store.get("one"))->category == "writing");
        CHECK(store.search({}).broken->empty());
    }
    SECTION("a new category") {
        folder.put("new/two.json", prompt_text("Two", "c", 2));
        CHECK(store.categories() == Names{"coding", "new"});
        CHECK(titles(store) == Names{"Two", "One"});
        folder.put("new/three.json", prompt_text("Three", "c", 3));
        CHECK(titles(store) == Names{"Three", "Two", "One"});
    }
    SECTION("a removed category") {
        fs::remove_all(folder.file("coding"));
        CHECK(store.categories().empty());
        CHECK(titles(store).empty());
        folder.put("coding/two.json", prompt_text("Two", "c", 2));
        CHECK(titles(store) == Names{"Two"});
    }
    SECTION("a category of another name") {
        fs::rename(folder.file("coding"), folder.file("cooking"));
        CHECK((*store.get("one"))->category == "cooking");
        CHECK(titles(store) == Names{"One"});
        folder.put("cooking/two.json", prompt_text("Two", "c", 2));
        CHECK(titles(store) == Names{"Two", "One"});
    }
    SECTION("a data folder in the place of another") {
        fs::rename(folder.data(), folder.path() / "old");
        CHECK(store.count() == 0);
        folder.put("writing/two.json", prompt_text("Two", "c", 2));
        CHECK(titles(store) == Names{"Two"});
        fs::rename(folder.data(), folder.path() / "new");
        fs::rename(folder.path() / "old", folder.data());
        CHECK(titles(store) == Names{"One"});
        folder.put("coding/three.json", prompt_text("Three", "c", 3));
        CHECK(titles(store) == Names{"Three", "One"});
    }
    SECTION("the folder above in the place of another") {
        const fs::path other = folder.path() / "data/coding/deeper";
        PromptStore deeper(other.string(), options_of_kind(kind));
        CHECK(deeper.count() == 0);
        folder.put("coding/deeper/a/x.json", prompt_text("X", "c"));
        CHECK(deeper.count() == 1);
        fs::rename(folder.file("coding"), folder.file("away"));
        CHECK(deeper.count() == 0);
        folder.put("coding/deeper/a/y.json", prompt_text("Y", "c"));
        CHECK(titles(deeper) == Names{"Y"});
    }
    SECTION("a category that is a link to a folder elsewhere") {
        const fs::path elsewhere = folder.path() / "elsewhere";
        fs::create_directory_symlink(elsewhere, folder.file("linked"));
        CHECK(store.categories() == Names{"coding"});
        fs::create_directory(elsewhere);
        CHECK(store.categories() == Names{"coding", "linked"});
        std::ofstream(elsewhere / "two.json") << prompt_text("Two", "c", 2);
        CHECK(titles(store) == Names{"Two", "One"});
        fs::create_directory(folder.path() / "third");
        std::ofstream(folder.path() / "third/3.json") << prompt_text("Three", "c", 3);
        fs::remove(folder.file("linked"));
        fs::create_directory_symlink(folder.path() / "third", folder.file("linked"));
        CHECK(titles(store) == Names{"Three", "One"});
    }
    SECTION("two categories that are one folder") {
        fs::create_directory_symlink("coding", folder.file("again"));
        CHECK(store.search({}).broken->size() == 1);
        folder.put("coding/two.json", prompt_text("Two", "c", 2));
        CHECK(titles(store) == Names{"Two", "One"});
        CHECK((*store.get("two"))->category == "again");
        fs::remove(folder.file("again"));
        CHECK((*store.get("two"))->category == "coding");
        folder.put("coding/two.json", prompt_text("Deux", "c", 2));
        CHECK(titles(store) == Names{"Deux", "One"});
        CHECK(store.search({}).broken->empty());
    }
    SECTION("a prompt that is a link to a file elsewhere") {
        const fs::path target = folder.path() / "elsewhere.json";
        fs::create_symlink(target, folder.file("coding/two.json"));
        CHECK(titles(store) == Names{"One"});
        std::ofstream(target) << prompt_text("Two", "c", 2);
        CHECK(titles(store) == Names{"Two", "One"});
        std::ofstream(target) << prompt_text("Deux", "c", 2);
        CHECK(titles(store) == Names{"Deux", "One"});
    }
    SECTION("a folder that can't be read, and can again") {
        if (geteuid() != 0) {
            fs::permissions(folder.file("coding"), fs::perms::none);
            CHECK(titles(store).empty());
            fs::permissions(folder.file("coding"), fs::perms::owner_all);
            CHECK(titles(store) == Names{"One"});
        }
    }
}

TEST_CASE("a file that is changed in place is seen", "[prompts]") {
    const Folder folder;
    folder.put("coding/one.json", prompt_text("One", "first", 1));
    const auto write_in_place = [&](const std::string& title) {
        std::ofstream(folder.file("coding/one.json"), std::ios::trunc) << prompt_text(title, "c");
    };
    SECTION("at once with inotify") {
        PromptStore store(folder.data());
        REQUIRE(titles(store) == Names{"One"});
        write_in_place("Uno");
        CHECK(titles(store) == Names{"Uno"});
    }
    SECTION("at once by get, and in lists after the interval, without") {
        StoreOptions options = options_of_kind("no inotify");
        options.poll_interval = std::chrono::hours(1);
        // What was changed less than a tick of the file system's clock ago is read anew each time,
        // so this file must be older.
        const auto aged = [&] {
            struct stat status {};
            do {
                stat(folder.file("coding/one.json").c_str(), &status);
            } while (std::chrono::system_clock::now().time_since_epoch() -
                         std::chrono::seconds(status.st_ctim.tv_sec) -
                         std::chrono::nanoseconds(status.st_ctim.tv_nsec) <
                     std::chrono::milliseconds(60));
        };
        aged();
        PromptStore store(folder.data(), options);
        REQUIRE(titles(store) == Names{"One"});
        write_in_place("Uno");
        CHECK(titles(store) == Names{"One"});
        CHECK((*store.get("one"))->title == "Uno");
        options.poll_interval = std::chrono::milliseconds(0);
        PromptStore eager(folder.data(), options);
        REQUIRE(titles(eager) == Names{"Uno"});
        write_in_place("Ein");
        CHECK(titles(eager) == Names{"Ein"});
    }
}

TEST_CASE("a change of another program makes the descriptor readable", "[prompts]") {
    const Folder folder;
    News news;
    PromptStore store(folder.data(), news.options());
    CHECK(store.count() == 0);
    REQUIRE(store.watch_fd() >= 0);
    CHECK(store.is_watched());
    CHECK_FALSE(is_readable(store.watch_fd()));

    folder.put("coding/one.json", prompt_text("One", "c"));
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    REQUIRE(news.changes.size() == 1);
    CHECK(news.changes[0].ids == Names{"one"});
    CHECK(news.changes[0].slugs == Names{"one"});
    CHECK(news.changes[0].list_changed);
    CHECK_FALSE(is_readable(store.watch_fd()));

    folder.put("coding/one.json", prompt_text("One", "other text"));
    REQUIRE(is_readable(store.watch_fd()));
    CHECK(store.count() == 1);  // any call takes it in, and tells
    REQUIRE(news.changes.size() == 2);
    CHECK(news.changes[1].ids == Names{"one"});
    CHECK_FALSE(news.changes[1].list_changed);

    folder.put("coding/one.json", prompt_text("A new title", "other text"));
    store.refresh();
    REQUIRE(news.changes.size() == 3);
    CHECK(news.changes[2].slugs == Names{"a-new-title", "one"});

    fs::rename(folder.data(), folder.path() / "old");
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    REQUIRE(news.changes.size() == 4);
    CHECK(news.changes[3].ids == Names{"one"});
    CHECK(news.changes[3].list_changed);

    fs::rename(folder.path() / "old", folder.data());
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    CHECK(news.changes.size() == 5);
}

TEST_CASE("a data folder below folders that are not there yet is told of", "[prompts]") {
    const Folder folder;
    News news;
    PromptStore store((folder.path() / "a/b/data").string(), news.options());
    CHECK(store.count() == 0);
    fs::create_directory(folder.path() / "a");
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    fs::create_directories(folder.path() / "a/b/data/coding");
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    CHECK(store.categories() == Names{"coding"});
    std::ofstream(folder.path() / "a/b/data/coding/one.json") << prompt_text("One", "c");
    REQUIRE(is_readable(store.watch_fd()));
    store.refresh();
    REQUIRE(news.changes.size() == 1);
}

TEST_CASE("an own write is in the index at once and told once", "[prompts]") {
    const Folder folder;
    News news;
    PromptStore store(folder.data(), news.options());
    const bool loaded = GENERATE(false, true);
    if (loaded) {
        CHECK(store.count() == 0);
    }
    const auto made = store.create(*values("One"));
    REQUIRE(made);
    const std::string id = (*made)->id;
    REQUIRE(news.changes.size() == 1);
    CHECK(news.changes[0].ids == Names{id});
    CHECK(news.changes[0].list_changed);
    CHECK(titles(store) == Names{"One"});
    CHECK(*(*store.get(id)) == **made);

    Poco::JSON::Object::Ptr changes = new Poco::JSON::Object;
    changes->set("category", "writing");
    changes->set("favourite", true);
    const auto moved = store.update(id, *changes, (*made)->updated_at);
    REQUIRE(moved);
    CHECK(*(*store.get(id)) == **moved);
    CHECK((*store.get(id))->favourite == true);
    CHECK(store.search({}).broken->empty());
    REQUIRE(store.remove(id));
    CHECK(store.count() == 0);
    store.refresh();
    CHECK(news.changes.size() == 3);
    CHECK(news.troubles.empty());
}

TEST_CASE("the clock standing still, two versions still have two dates", "[prompts]") {
    const Folder folder;
    StoreOptions options;
    options.now = [] {
        return std::chrono::system_clock::time_point(std::chrono::microseconds(1'000'000));
    };
    PromptStore store(folder.data(), options);
    const auto made = store.create(*values("One"));
    REQUIRE(made);
    const auto changed = store.update((*made)->id, Poco::JSON::Object());
    REQUIRE(changed);
    CHECK((*made)->updated_at.substr(17) == "01.000000");
    CHECK((*changed)->updated_at.substr(17) == "01.000001");
    CHECK((*changed)->created_at == (*made)->created_at);
}

TEST_CASE("each broken file is told once", "[prompts]") {
    const Folder folder;
    News news;
    folder.put("coding/good.json", prompt_text("Good", "c"));
    folder.put("coding/bad.json", "{");
    folder.put("coding/no id.json", prompt_text("T", "c"));
    mkfifo(folder.file("coding/fifo.json").c_str(), 0600);
    fs::create_directory(folder.file("coding/folder.json"));
    fs::create_symlink("loop.json", folder.file("coding/loop.json"));
    std::ofstream(folder.file("coding/huge.json")) << "{";
    fs::resize_file(folder.file("coding/huge.json"), 16 * 1024 * 1024 + 1);
    PromptStore store(folder.data(), news.options());
    CHECK(store.count() == 1);
    CHECK(store.count() == 1);
    const auto broken = store.search({}).broken;
    Names files;
    for (const auto& file : *broken) {
        files.push_back(file.file);
        INFO(file.reason);
        CHECK(std::count(news.troubles.begin(), news.troubles.end(),
                         file.file + " " + file.reason) == 1);
    }
    CHECK(files == Names{"coding/bad.json", "coding/fifo.json", "coding/folder.json",
                         "coding/huge.json", "coding/loop.json", "coding/no id.json"});
    CHECK(news.troubles.size() == 6);
    CHECK(store.get("bad").error().code == ErrorCode::kBroken);
    CHECK(store.remove("fifo").error().code == ErrorCode::kBroken);

    folder.put("coding/bad.json", prompt_text("Mended", "c", 2));
    CHECK(titles(store) == Names{"Mended", "Good"});
    folder.put("coding/bad.json", "[]");
    CHECK(titles(store) == Names{"Good"});
    CHECK(news.troubles.back() == "coding/bad.json is not a JSON object");
    CHECK(news.troubles.size() == 7);
    folder.put("coding/bad.json", "{\"title\":1}");
    store.refresh();
    CHECK(news.troubles.size() == 8);
}

TEST_CASE("a prompt is found by its id or by the slug of its title", "[prompts]") {
    const Folder folder;
    folder.put("coding/old.json", prompt_text("Code review", "older", 1));
    folder.put("coding/new.json", prompt_text("Code: Review!", "newer", 2));
    folder.put("coding/other.json", prompt_text("old", "c", 3));
    PromptStore store(folder.data());
    CHECK((*store.find("code-review"))->id == "new");
    CHECK((*store.find("old"))->title == "Code review");
    CHECK((*store.find("other"))->title == "old");
    for (const std::string name : {"", "code review", "../coding/old", "x\xFF", "*"}) {
        const auto none = store.find(name);
        REQUIRE_FALSE(none);
        CHECK(none.error().code == ErrorCode::kNotFound);
    }
    CHECK(store.suggestions("code-reveiw") == Names{"code-review"});
    CHECK(store.suggestions("Code Review")[0] == "code-review");
    CHECK(store.suggestions("review") == Names{"code-review"});
    CHECK(store.suggestions("quantum-physics").empty());
    CHECK(store.suggestions(std::string(9'000'000, 'x')).empty());
    CHECK(store.suggestions("").empty());
}

TEST_CASE("a search is cut at its limit and counts all", "[prompts]") {
    const Folder folder;
    for (int day = 1; day <= 9; ++day) {
        folder.put("c" + std::to_string(day % 2) + "/p" + std::to_string(day) + ".json",
                   prompt_text("Title " + std::to_string(day), "Ünïcode Text", day));
    }
    PromptStore store(folder.data());
    const auto some = store.search({"  üNÏC ", std::nullopt, 2});
    CHECK(some.total == 9);
    REQUIRE(some.prompts.size() == 2);
    CHECK(some.prompts[0]->title == "Title 9");
    CHECK(store.search({"title", "c1", 0}).total == 5);
    CHECK(store.search({"title", "c1", 0}).prompts.empty());
    CHECK(store.search({"e 9\xFF"}).total == 0);
    CHECK(store.search({std::string(2'000'000, 'x')}).total == 0);
    CHECK(store.search({"9"}).total == 1);
    // Parts of two texts of one prompt are no text.
    CHECK(store.search({"9ü"}).total == 0);
}

TEST_CASE("a writer that holds the lock delays writing, not reading", "[prompts]") {
    const Folder folder;
    folder.put("coding/one.json", prompt_text("One", "c"));
    StoreOptions options;
    options.lock_timeout = std::chrono::milliseconds(300);
    PromptStore store(folder.data(), options);
    REQUIRE(store.count() == 1);
    const int lock = open(folder.file(".lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    REQUIRE(flock(lock, LOCK_EX) == 0);
    std::atomic<bool> done = false;
    std::optional<ErrorCode> refused;  // Catch2's macros are for one thread
    std::thread writer([&] {
        const auto result = store.remove("one");
        refused = result ? std::nullopt : std::optional(result.error().code);
        done = true;
    });
    int reads = 0;
    while (!done) {
        CHECK(store.count() == 1);
        ++reads;
    }
    writer.join();
    CHECK(refused == ErrorCode::kBusy);
    CHECK(reads > 10);
    CHECK(close(lock) == 0);
    CHECK(store.remove("one"));
}

TEST_CASE("what can't be written is an error and changes nothing", "[prompts]") {
    const Folder folder;
    folder.put("coding/one.json", prompt_text("One", "c"));
    std::ofstream(folder.file("file")) << "x";
    PromptStore store(folder.data());
    const auto made = store.create(*values("T", "C", "file"));
    REQUIRE_FALSE(made);
    CHECK(made.error().code == ErrorCode::kIo);
    Poco::JSON::Object::Ptr changes = new Poco::JSON::Object;
    changes->set("category", "file");
    CHECK(store.update("one", *changes).error().code == ErrorCode::kIo);
    CHECK((*store.get("one"))->category == "coding");
    CHECK(read_text(folder.file("coding/one.json")) == prompt_text("One", "c"));

    PromptStore impossible("/proc/nowhere/data");
    CHECK(impossible.ensure().error().code == ErrorCode::kIo);
    CHECK(impossible.create(*values("T")).error().code == ErrorCode::kIo);
    CHECK(impossible.count() == 0);
}

TEST_CASE("all prompts of a real collection are read", "[prompts]") {
    const Folder folder;
    fs::copy(fs::path(STEWARD_SOURCE_DIR) / "tests/data/promptbin-data", folder.data(),
             fs::copy_options::recursive);
    std::size_t files = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder.data())) {
        files += entry.path().extension() == ".json" ? 1 : 0;
    }
    REQUIRE(files >= 500);
    PromptStore store(folder.data());
    const Listing all = store.search({"**"});
    CHECK(all.total == files);
    CHECK(all.broken->empty());
    CHECK(std::is_sorted(all.prompts.begin(), all.prompts.end(), [](const auto& a, const auto& b) {
        return std::pair(a->instant, a->id) > std::pair(b->instant, b->id);
    }));
    for (const auto& prompt : all.prompts) {
        CHECK(as_object(*prompt)->getValue<std::string>("title") == prompt->title);
    }
}

TEST_CASE("reading goes on while files come, change and go", "[prompts]") {
    const Folder folder;
    folder.put("coding/stays.json", prompt_text("Stays", "c"));
    PromptStore store(folder.data());
    std::atomic<bool> done = false;
    std::thread changer([&] {
        for (int i = 0; i < 300; ++i) {
            const std::string name = "coding/p" + std::to_string(i % 7) + ".json";
            folder.put(name, i % 3 == 0 ? "{" : prompt_text("Title", std::to_string(i)));
            if (i % 5 == 0) {
                fs::remove(folder.file(name));
            }
        }
        done = true;
    });
    while (!done) {
        CHECK(store.get("stays"));
        CHECK(store.count() >= 1);
    }
    changer.join();
    // Nothing was overlooked: a store that has just read everything has the same.
    PromptStore fresh(folder.data());
    CHECK(titles(store) == titles(fresh));
    CHECK(store.search({}).broken->size() == fresh.search({}).broken->size());
    for (const auto& prompt : fresh.search({}).prompts) {
        CHECK((*store.get(prompt->id))->content == prompt->content);
    }
}

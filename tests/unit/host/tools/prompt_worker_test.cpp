// The thread of the prompt store.
#include "prompt_worker.hpp"

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <stdexcept>

#include "catch.hpp"

using namespace steward::host;
using steward::prompts::Change;
using steward::prompts::PromptStore;

namespace {

namespace fs = std::filesystem;
constexpr auto kPatience = std::chrono::seconds(10);

// A folder for prompts, and the tasks that would run on the owner's thread.
class Owner {
  public:
    Owner() : root_(fs::temp_directory_path() / ("worker" + std::to_string(getpid()))) {
        fs::remove_all(root_);
    }
    ~Owner() { fs::remove_all(root_); }
    Owner(const Owner&) = delete;
    Owner& operator=(const Owner&) = delete;

    PromptWorker::Options options() {
        PromptWorker::Options options;
        options.data_dir = root_;
        options.to_owner = [this](std::function<void()> task) {
            {
                const std::lock_guard lock(mutex_);
                tasks_.push_back(std::move(task));
            }
            there_.notify_one();
        };
        options.on_trouble = [this](const std::string& text) {
            const std::lock_guard lock(mutex_);
            troubles_.push_back(text);
        };
        return options;
    }
    // Runs the next task; false: none comes.
    bool run_one() {
        std::unique_lock lock(mutex_);
        if (!there_.wait_for(lock, kPatience, [this] { return !tasks_.empty(); })) {
            return false;
        }
        auto task = std::move(tasks_.front());
        tasks_.pop_front();
        lock.unlock();
        task();
        return true;
    }
    std::vector<std::string> troubles() {
        const std::lock_guard lock(mutex_);
        return troubles_;
    }
    void write(const std::string& category, const std::string& name) const {
        fs::create_directories(root_ / category);
        std::ofstream(root_ / category / (name + ".json")) << R"({"title":"T","content":"C"})";
    }

  private:
    fs::path root_;
    std::mutex mutex_;
    std::condition_variable there_;
    std::deque<std::function<void()>> tasks_;
    std::vector<std::string> troubles_;
};

}  // namespace

TEST_CASE("jobs run in order, away from their owner, who gets the answers", "[prompt_worker]") {
    Owner owner;
    std::string order;
    PromptWorker worker(owner.options());
    const auto mine = std::this_thread::get_id();
    for (const char name : {'a', 'b', 'c'}) {
        CHECK(worker
                  .ask([&order, name, mine](PromptStore&) -> PromptWorker::Answer {
                      const bool away = std::this_thread::get_id() != mine;
                      return [&order, name, away] { order += away ? name : '?'; };
                  })
                  .empty());
    }
    CHECK(worker.ask([](PromptStore&) { return PromptWorker::Answer(); }).empty());
    for (int i = 0; i < 3; ++i) {
        REQUIRE(owner.run_one());
    }
    CHECK(order == "abc");
}

TEST_CASE("more jobs than may wait are refused as busy", "[prompt_worker]") {
    Owner owner;
    auto options = owner.options();
    options.max_waiting = 3;
    std::promise<void> begun;
    std::promise<void> go_on;
    PromptWorker worker(options);
    CHECK(worker
              .ask([&](PromptStore&) -> PromptWorker::Answer {
                  begun.set_value();
                  go_on.get_future().wait();
                  return [] {};
              })
              .empty());
    begun.get_future().wait();
    for (int i = 0; i < 3; ++i) {
        CHECK(worker.ask([](PromptStore&) { return PromptWorker::Answer([] {}); }).empty());
    }
    CHECK_THAT(worker.ask([](PromptStore&) { return PromptWorker::Answer(); }),
               Catch::Contains("busy") && Catch::Contains("3"));
    go_on.set_value();
    for (int i = 0; i < 4; ++i) {
        REQUIRE(owner.run_one());
    }
    CHECK(worker.ask([](PromptStore&) { return PromptWorker::Answer([] {}); }).empty());
    CHECK(owner.run_one());
}

TEST_CASE("jobs that hold too much are refused as busy, but never one alone", "[prompt_worker]") {
    Owner owner;
    auto options = owner.options();
    options.max_waiting_bytes = 1000;
    const auto job = [](PromptStore&) { return PromptWorker::Answer([] {}); };
    std::promise<void> begun;
    std::promise<void> go_on;
    PromptWorker worker(options);
    CHECK(worker
              .ask([&](PromptStore&) -> PromptWorker::Answer {
                  begun.set_value();
                  go_on.get_future().wait();
                  return {};
              })
              .empty());
    begun.get_future().wait();
    CHECK(worker.ask(job, 2000).empty());
    CHECK_THAT(worker.ask(job, 1), Catch::Contains("busy"));
    CHECK(worker.unanswered() == 2);
    go_on.set_value();
    REQUIRE(owner.run_one());  // one without an answer counts as answered, too
    REQUIRE(owner.run_one());
    CHECK(worker.unanswered() == 0);
    CHECK(worker.ask(job, 1000).empty());
    REQUIRE(owner.run_one());
}

TEST_CASE("a job that throws is told, and the next one runs", "[prompt_worker]") {
    Owner owner;
    PromptWorker worker(owner.options());
    CHECK(worker
              .ask([](PromptStore&) -> PromptWorker::Answer {
                  throw std::runtime_error("out of luck");
              })
              .empty());
    bool answered = false;
    CHECK(worker
              .ask([&answered](PromptStore&) -> PromptWorker::Answer {
                  return [&answered] { answered = true; };
              })
              .empty());
    REQUIRE(owner.run_one());
    REQUIRE(owner.run_one());
    CHECK(answered);
    CHECK(worker.unanswered() == 0);
    REQUIRE(owner.troubles().size() == 1);
    CHECK_THAT(owner.troubles().front(), Catch::Contains("out of luck"));
}

TEST_CASE("a worker that is destroyed drops the jobs that wait", "[prompt_worker]") {
    Owner owner;
    std::atomic<int> done{0};
    std::promise<void> begun;
    {
        PromptWorker worker(owner.options());
        CHECK(worker
                  .ask([&](PromptStore&) {
                      begun.set_value();
                      std::this_thread::sleep_for(std::chrono::milliseconds(20));
                      ++done;
                      return PromptWorker::Answer();
                  })
                  .empty());
        begun.get_future().wait();
        for (int i = 0; i < 10; ++i) {
            CHECK(worker
                      .ask([&](PromptStore&) {
                          ++done;
                          return PromptWorker::Answer();
                      })
                      .empty());
        }
    }
    CHECK(done == 1);
}

TEST_CASE("changes of other programs are told without being asked for", "[prompt_worker]") {
    Owner owner;
    owner.write("coding", "first");
    std::vector<std::string> ids;
    auto options = owner.options();
    options.on_change = [&ids](const Change& change) {
        ids.insert(ids.end(), change.ids.begin(), change.ids.end());
    };
    PromptWorker worker(options);
    std::size_t count = 0;
    CHECK(worker
              .ask([&count](PromptStore& store) -> PromptWorker::Answer {
                  return [&count, n = store.count()] { count = n; };
              })
              .empty());
    REQUIRE(owner.run_one());
    CHECK(count == 1);
    owner.write("coding", "second");
    while (ids.empty()) {
        REQUIRE(owner.run_one());
    }
    CHECK(ids.front() == "second");
}

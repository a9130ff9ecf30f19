// What a server waits for before it answers.
#pragma once
#include <future>

namespace steward::compliance {

// open() belongs to one thread.
class Gate {
  public:
    Gate() : opened_(promise_.get_future().share()) {}
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    void open() {
        if (!is_open_) {
            is_open_ = true;
            promise_.set_value();
        }
    }
    [[nodiscard]] std::shared_future<void> opened() const { return opened_; }

    // Opens it at the end of its scope, however that is left. Declared behind the server, whose own
    // end waits for what waits for the gate.
    class Opener {
      public:
        explicit Opener(Gate& gate) : gate_(gate) {}
        ~Opener() { gate_.open(); }
        Opener(const Opener&) = delete;
        Opener& operator=(const Opener&) = delete;

      private:
        Gate& gate_;
    };

  private:
    std::promise<void> promise_;
    std::shared_future<void> opened_;
    bool is_open_ = false;
};

}  // namespace steward::compliance

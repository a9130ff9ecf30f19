// OutputTroubles: why the file lacks lines of the app, told once when that begins and once when
// there has been none for a second; not for each line.
//
// Thread: the output loop's. It must not be running when the object is destroyed.
#pragma once
#include <functional>
#include <string>

#include "output_buffer.hpp"
#include "steward/core/app_output.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

class OutputTroubles {
  public:
    OutputTroubles(Scheduler& loop, const OutputBuffer& buffer,
                   const std::function<void(OutputTrouble)>& tell)
        : loop_(loop), buffer_(buffer), tell_(tell) {}
    ~OutputTroubles() { loop_.disarm(timer_); }
    OutputTroubles(const OutputTroubles&) = delete;
    OutputTroubles& operator=(const OutputTroubles&) = delete;

    // Why the file takes nothing now; empty: it does.
    void file_error_is(const std::string& error);
    const std::string& file_error() const { return file_error_; }
    // Lines were dropped just now.
    void dropped() { last_drop_ = loop_.now(); }
    // Tells of it, unless that has been done.
    void begin(const std::string& why);
    // What the note that ends a gap says; what is missing after it has a reason of its own.
    std::string take_gap_reason();

  private:
    void look();

    Scheduler& loop_;
    const OutputBuffer& buffer_;
    const std::function<void(OutputTrouble)>& tell_;
    std::string file_error_;
    std::string gap_reason_;  // as far as the file said
    bool begun_ = false;
    TimerId timer_ = 0;
    TimePoint last_drop_{};
    OutputCounters told_;  // when the last trouble was over
};

}  // namespace steward::core

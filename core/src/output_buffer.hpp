// OutputBuffer: the records on their way to the file, in a ring of bounded size, and the count of
// every byte that the app wrote.
//
// Two threads meet here. The one that reads the pipes adds; it never waits for the other, and what
// does not fit is dropped and counted. The one that writes the file takes; however long it is held
// up, only the room in the ring depends on it. The mutex is held for a few assignments at a time.
//
// The ring goes round through all its memory, so that its weight does not depend on how far the
// file lags behind; release() gives it back.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>

#include "output_batch.hpp"
#include "rotating_file.hpp"
#include "steward/core/app_output.hpp"

namespace steward::core {

// Anonymous memory that weighs nothing before it is used. Failure: std::bad_alloc.
class MappedMemory {
  public:
    explicit MappedMemory(std::size_t bytes);
    ~MappedMemory();
    MappedMemory(const MappedMemory&) = delete;
    MappedMemory& operator=(const MappedMemory&) = delete;
    char* data() const { return data_; }
    // Weighs nothing again; its contents are lost.
    void release();

  private:
    char* data_;
    std::size_t bytes_;
};

class OutputBuffer {
  public:
    OutputBuffer(RotatingFile& file, std::size_t max_bytes);

    // ---- the thread that reads

    // The app wrote so many bytes; whatever becomes of them, they are counted from here on.
    void read(std::size_t raw_bytes);
    // Takes the records, or drops those that do not fit. False: some were dropped.
    bool add(const OutputBatch& batch);
    // Drops lines that were not even looked at, while lines are missing already.
    void drop(std::uint64_t lines, std::uint64_t raw_bytes);
    // Tells in the file of what was dropped, if there is room again. `why` ends the sentence.
    void end_gap(const std::string& why);
    // Gives the memory back if nothing waits. False: something waits.
    bool release();

    // ---- the thread that writes

    enum class Pump {
        kEmpty,  // everything is in the file
        kMore,   // call again
        kStuck,  // the file takes nothing now; try again later
    };
    // Writes at most one portion, so that others get a turn on this thread.
    Pump pump();
    // Why the file takes nothing; empty: it does, or it was only not ready.
    const std::string& error() const { return error_; }

    // ---- any thread

    OutputCounters counters() const;
    // Lines are missing behind the last record.
    bool has_gap() const;
    // … and there is room again for a note.
    bool gap_can_end() const;

  private:
    struct Record {
        std::uint32_t length;
        std::uint32_t raw_bytes;
    };

    Pump begin_records(std::uint64_t records_end);
    Pump failed(const Error& error);
    void written(std::size_t bytes);
    Status rotate();
    void copy_in(std::string_view bytes);
    Record& record_at(std::uint64_t index) const {
        return reinterpret_cast<Record*>(records_.data())[index & (max_records_ - 1)];
    }
    std::size_t in_use() const;

    const std::size_t max_bytes_;
    const std::size_t max_records_;  // a power of two, for a division for each record is felt
    MappedMemory bytes_;
    MappedMemory records_;

    // The thread that reads. Positions only grow; modulo the size they are places in the ring.
    std::uint64_t in_ = 0;
    std::uint64_t records_in_ = 0;
    OutputBatch note_;

    // The thread that writes.
    RotatingFile& file_;
    std::uint64_t out_ = 0;
    std::uint64_t records_out_ = 0;
    std::size_t first_done_ = 0;             // bytes of the first record that are in the file
    std::size_t cleared_ = 0;                // bytes that may go to the current file
    std::deque<std::uint64_t> file_raw_{0};  // the app's bytes in each file, the newest last
    std::string error_;

    mutable std::mutex mutex_;
    // Guarded by mutex_: what each thread tells the other.
    std::uint64_t shared_in_ = 0;
    std::uint64_t shared_records_in_ = 0;
    std::uint64_t shared_out_ = 0;
    std::uint64_t gap_lines_ = 0;  // dropped since the last note
    std::uint64_t gap_bytes_ = 0;
    OutputCounters counters_;
};

}  // namespace steward::core

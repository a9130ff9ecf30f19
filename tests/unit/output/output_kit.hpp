// What the tests of the app's output share.
#pragma once
#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "loop_thread.hpp"
#include "steward/core/app_output.hpp"

namespace steward::test {

// A folder of its own, removed with everything in it.
class TempFolder {
  public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

// One line of the file, taken apart.
struct FileRecord {
    std::string time;
    std::uint64_t generation = 0;
    std::string kind;  // "out", "err+", "log"
    std::string text;
};
std::size_t open_descriptors();
std::string repeated(char c, std::size_t count);
std::string read_file(const std::string& path);
// Fails the test if a line is not of the documented form. A last line without its end is left out.
std::vector<FileRecord> records_of(const std::string& content);
// The app's bytes that the records of one stream came from.
std::string rebuilt(const std::vector<FileRecord>& records, std::uint64_t generation,
                    const std::string& stream);
// What the notes among the records say, together.
struct Noted {
    std::uint64_t lines = 0;
    std::uint64_t bytes = 0;
};
Noted noted(const std::vector<FileRecord>& records);
// The files' contents, oldest first.
std::string all_files(const std::string& path);
// \xNN back to bytes.
std::string unescaped(const std::string& text);
bool is_utf8(const std::string& text);

// Keeps a loop's thread in one task until release(), as a write that does not return.
class Held {
  public:
    explicit Held(LoopThread& thread);
    ~Held() { release(); }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
    void release();

  private:
    std::promise<void> go_on_;
    bool released_ = false;
};

// Writes everything, blocking. False: nobody reads any more.
bool write_all(int fd, const std::string& bytes);

// The output under test with a core loop and a log loop on threads.
class Output {
  public:
    explicit Output(core::OutputOptions options);
    ~Output();
    Output(const Output&) = delete;
    Output& operator=(const Output&) = delete;

    core::OutputCapture::Pipes open(std::uint64_t generation);
    std::string last_line(std::uint64_t generation);
    core::LastLines last_lines(std::uint64_t generation);
    void flush();
    // Waits until so many of the app's bytes are in the file or dropped. False: not within 20 s.
    bool settles(std::uint64_t bytes);
    // Waits until so many have been read. False: not within 20 s.
    bool reads(std::uint64_t bytes);
    // Waits until the tail has a line with that text. False: not within 10 s.
    bool shows(const std::string& text);

    LoopThread core_thread;
    LoopThread output_thread;
    LoopThread log_thread;
    core::AppOutput output;
};

}  // namespace steward::test

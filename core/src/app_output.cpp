#include "steward/core/app_output.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "line_splitter.hpp"
#include "line_tail.hpp"
#include "output_buffer.hpp"
#include "rotating_file.hpp"
#include "steward/core/unique_fd.hpp"
#include "utf8.hpp"

namespace steward::core {
namespace {

constexpr int kPipeSize = 1 << 20;
constexpr std::size_t kReadSize = 65536;
constexpr int kReadsPerWakeUp = 4;
constexpr std::size_t kRemembered =
    8;  // instances whose last line is known after their pipes are closed
constexpr std::size_t kMaxLastLine = LineSplitter::kMaxHead;
constexpr Duration kLastLineLimit = std::chrono::milliseconds(100);
constexpr Duration kPartialLimit = std::chrono::seconds(1);
constexpr Duration kCloseAfter = std::chrono::seconds(2);
constexpr Duration kLineQuiet = std::chrono::milliseconds(20);
constexpr Duration kKeepUpLimit = std::chrono::milliseconds(5);
constexpr Duration kRetryAfter = std::chrono::milliseconds(250);

struct BothEnds {
    UniqueFd read;
    UniqueFd write;
};

// The ends are two open files: the reading one is non-blocking, the app's is not.
Result<BothEnds> make_pipe() {
    int fds[2] = {-1, -1};
    if (pipe2(fds, O_CLOEXEC) != 0) {
        return system_error("the pipes for the app's output cannot be made");
    }
    BothEnds ends{UniqueFd(fds[0]), UniqueFd(fds[1])};
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    // Refused when the user's pipes are too big already; the usual 64 KiB do as well.
    fcntl(fds[1], F_SETPIPE_SZ, kPipeSize);
    return ends;
}

std::size_t waiting_in(int fd) {
    int count = 0;
    return ioctl(fd, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace

struct AppOutput::Impl : std::enable_shared_from_this<AppOutput::Impl> {
    Impl(Scheduler& core_in, Scheduler& log_in, OutputOptions options_in)
        : core(core_in),
          log(log_in),
          options(std::move(options_in)),
          file(options.folder, options.file_name, options.max_file_bytes,
               std::max(1U, options.files)),
          buffer(file, options.buffer_bytes),
          lines(options.tail_bytes),
          path(options.folder + "/" + options.file_name) {}

    using Key = std::pair<std::uint64_t, OutputStream>;
    struct Pipe {
        UniqueFd fd;
        LineSplitter splitter;
        TimePoint partial_since{};
        TimerId partial_timer = 0;
    };
    // Somebody waits for a line on stderr.
    struct Awaited {
        std::uint64_t generation = 0;
        std::string mark;
        std::uint64_t after = 0;  // the number of the last line that does not count
        bool seen = false;
        TimerId quiet = 0;
    };
    using Answer = std::function<void(std::string)>;
    struct Question {
        Answer answer;
        TimerId timer = 0;
    };

    // The log thread.
    void add_pipe(const Key& key, UniqueFd fd);
    void ready(const Key& key);
    bool read_once(const Key& key, Pipe& pipe, std::size_t limit);
    bool read_what_is_there(const Key& key);
    void take(const Key& key, const std::function<void(const LineSplitter::Piece&)>& feed);
    void watch_partial(const Key& key, Pipe& pipe, bool line_ended);
    void partial_due(const Key& key);
    void keep_up();
    void finish(const Key& key);
    void close_later(std::uint64_t generation);
    void close_older_later(std::uint64_t generation);
    void schedule_pump();
    OutputBuffer::Pump pump();
    std::string find_last_line(std::uint64_t generation);
    void look_for_awaited(std::uint64_t ticket);
    void drain_everything();

    // The core's loop.
    std::uint64_t ask(Duration limit, std::function<std::string()> when_late, Answer answer);
    void answer_now(std::uint64_t ticket, std::string text);

    // A task that does nothing once the object is gone.
    template <class Work>
    Scheduler::Task guarded(Work work) {
        return [weak = weak_from_this(), work = std::move(work)]() mutable {
            if (const auto self = weak.lock()) {
                work(*self);
            }
        };
    }

    Scheduler& core;
    Scheduler& log;
    const OutputOptions options;

    // Used on the log thread; the buffer's counters and the tail lock for themselves.
    RotatingFile file;
    OutputBuffer buffer;
    LineTail lines;
    std::map<Key, Pipe> pipes;
    std::map<std::uint64_t, TimerId> closing;
    std::map<std::uint64_t, Awaited> awaited;         // by ticket
    std::map<std::uint64_t, std::string> last_lines;  // of closed pipes
    bool pump_posted = false;
    TimerId retry = 0;
    std::array<char, kReadSize> read_buffer{};

    std::mutex path_mutex;
    std::string path;  // guarded by path_mutex

    // Used on the core's loop.
    std::map<std::uint64_t, Question> questions;
    std::uint64_t next_ticket = 1;
};

AppOutput::AppOutput(Scheduler& core_loop, Scheduler& log_loop, OutputOptions options)
    : impl_(std::make_shared<Impl>(core_loop, log_loop, std::move(options))) {}

AppOutput::~AppOutput() {
    for (auto& [ticket, question] : impl_->questions) {
        impl_->core.disarm(question.timer);
    }
    for (auto& [key, pipe] : impl_->pipes) {
        impl_->log.unwatch(pipe.fd.get());
        impl_->log.disarm(pipe.partial_timer);
    }
    for (const auto& [generation, timer] : impl_->closing) {
        impl_->log.disarm(timer);
    }
    for (const auto& [ticket, line] : impl_->awaited) {
        impl_->log.disarm(line.quiet);
    }
    impl_->log.disarm(impl_->retry);
}

// ---- from the core's loop

Result<OutputCapture::Pipes> AppOutput::open(std::uint64_t generation) {
    auto out = make_pipe();
    if (!out) {
        return out.error();
    }
    auto err = make_pipe();
    if (!err) {
        return err.error();
    }
    // Tasks are copyable, descriptors are not.
    const auto ends = std::make_shared<Pipes>(Pipes{std::move(out->read), std::move(err->read)});
    impl_->log.post(impl_->guarded([generation, ends](Impl& self) {
        self.close_older_later(generation);
        self.add_pipe({generation, OutputStream::kOut}, std::move(ends->out));
        self.add_pipe({generation, OutputStream::kErr}, std::move(ends->err));
    }));
    return Pipes{std::move(out->write), std::move(err->write)};
}

void AppOutput::set_folder(const std::string& folder) {
    {
        const std::lock_guard lock(impl_->path_mutex);
        impl_->path = folder + "/" + impl_->options.file_name;
    }
    impl_->log.post(impl_->guarded([folder](Impl& self) { self.file.set_folder(folder); }));
}

void AppOutput::end(std::uint64_t generation) {
    impl_->log.post(impl_->guarded([generation](Impl& self) { self.close_later(generation); }));
}

void AppOutput::last_line(std::uint64_t generation, std::function<void(std::string)> answer) {
    const auto when_late = [lines = &impl_->lines, generation] {
        return std::string(
            utf8_cut(lines->last_text(generation, OutputStream::kErr), kMaxLastLine));
    };
    const auto ticket = impl_->ask(kLastLineLimit, when_late, std::move(answer));
    impl_->log.post(impl_->guarded([generation, ticket](Impl& self) {
        auto text = self.find_last_line(generation);
        self.core.post(self.guarded(
            [ticket, text = std::move(text)](Impl& me) { me.answer_now(ticket, text); }));
    }));
}

void AppOutput::await_line(std::uint64_t generation, const std::string& mark, Duration limit,
                           std::function<void(bool came)> answer) {
    const auto ticket = impl_->ask(
        limit, [] { return std::string(); },
        [weak = impl_->weak_from_this(), ticket = impl_->next_ticket,
         answer = std::move(answer)](const std::string& line) {
            if (const auto self = weak.lock()) {
                self->log.post(self->guarded([ticket](Impl& me) {
                    if (const auto it = me.awaited.find(ticket); it != me.awaited.end()) {
                        me.log.disarm(it->second.quiet);
                        me.awaited.erase(it);
                    }
                }));
            }
            answer(!line.empty());
        });
    const Impl::Awaited line{generation, mark, impl_->lines.last_sequence(), false, 0};
    impl_->log.post(impl_->guarded([ticket, line](Impl& self) {
        self.awaited[ticket] = line;
        self.look_for_awaited(ticket);
    }));
}

void AppOutput::flush(Duration limit, std::function<void()> done) {
    const auto ticket = impl_->ask(
        limit, [] { return std::string(); },
        [done = std::move(done)](const std::string&) { done(); });
    impl_->log.post(impl_->guarded([ticket](Impl& self) {
        self.drain_everything();
        self.core.post(self.guarded([ticket](Impl& me) { me.answer_now(ticket, {}); }));
    }));
}

// The first of the two that come, the answer or the time limit, takes the question out.
std::uint64_t AppOutput::Impl::ask(Duration limit, std::function<std::string()> when_late,
                                   Answer answer) {
    const std::uint64_t ticket = next_ticket++;
    Question& question = questions[ticket];
    question.answer = std::move(answer);
    question.timer = core.arm(core.now() + limit,
                              guarded([ticket, when_late = std::move(when_late)](Impl& self) {
                                  self.answer_now(ticket, when_late());
                              }));
    return ticket;
}

void AppOutput::Impl::answer_now(std::uint64_t ticket, std::string text) {
    const auto it = questions.find(ticket);
    if (it == questions.end()) {
        return;
    }
    const Question question = std::move(it->second);
    questions.erase(it);
    core.disarm(question.timer);
    question.answer(std::move(text));
}

// ---- from anywhere

std::vector<OutputLine> AppOutput::tail(std::size_t max_lines) const {
    return impl_->lines.last(max_lines);
}

std::vector<OutputLine> AppOutput::lines_since(std::uint64_t sequence,
                                               std::size_t max_lines) const {
    return impl_->lines.since(sequence, max_lines);
}

OutputCounters AppOutput::counters() const {
    return impl_->buffer.counters();
}

std::string AppOutput::path() const {
    const std::lock_guard lock(impl_->path_mutex);
    return impl_->path;
}

// ---- the log thread: pipes

void AppOutput::Impl::add_pipe(const Key& key, UniqueFd fd) {
    if (pipes.count(key) != 0) {
        finish(key);
    }
    Pipe& pipe = pipes[key];
    pipe.fd = std::move(fd);
    if (!log.watch(pipe.fd.get(), Interest::kRead, [this, key](bool, bool) { ready(key); })) {
        finish(key);
    }
}

void AppOutput::Impl::ready(const Key& key) {
    const auto it = pipes.find(key);
    if (it == pipes.end()) {
        return;
    }
    for (int i = 0; i < kReadsPerWakeUp; ++i) {
        errno = 0;
        if (!read_once(key, it->second, kReadSize)) {
            if (errno != EAGAIN) {
                finish(key);
            }
            return;
        }
        keep_up();
    }
}

// An app that writes faster than one portion is written per wake-up loses nothing if the disk is
// quick enough; it is held up for a moment at the most if the disk is not.
void AppOutput::Impl::keep_up() {
    const TimePoint end = log.now() + kKeepUpLimit;
    while (retry == 0 && buffer.is_half_full() && log.now() < end &&
           pump() == OutputBuffer::Pump::kMore) {
    }
}

// False: nothing was read; errno is EAGAIN if more may come.
bool AppOutput::Impl::read_once(const Key& key, Pipe& pipe, std::size_t limit) {
    ssize_t got = 0;
    do {
        got = read(pipe.fd.get(), read_buffer.data(), std::min(limit, read_buffer.size()));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        if (got == 0) {
            errno = 0;
        }
        return false;
    }
    const std::string_view bytes(read_buffer.data(), static_cast<std::size_t>(got));
    take(key, [&](const LineSplitter::Piece& piece) { pipe.splitter.feed(bytes, piece); });
    watch_partial(key, pipe, bytes.find('\n') != std::string_view::npos);
    return true;
}

// As much as is in the pipe now and not more: a descendant that writes on and on cannot hold this
// up. False at the end.
bool AppOutput::Impl::read_what_is_there(const Key& key) {
    Pipe& pipe = pipes.at(key);
    for (std::size_t left = waiting_in(pipe.fd.get());;) {
        // One read more than needed: it meets the end.
        const bool extra = left == 0;
        const std::size_t portion = extra ? kReadSize : std::min(left, kReadSize);
        if (!read_once(key, pipe, portion)) {
            return errno == EAGAIN;
        }
        if (extra) {
            return true;
        }
        left -= portion;
    }
}

void AppOutput::Impl::take(const Key& key,
                           const std::function<void(const LineSplitter::Piece&)>& feed) {
    std::vector<OutputLine> batch;
    std::vector<std::size_t> raw_bytes;
    const WallTime wall = wall_now();
    feed([&](std::string_view text, bool goes_on) {
        OutputLine line{0, wall, key.first, key.second, goes_on, {}};
        append_escaped(line.text, text);
        batch.push_back(std::move(line));
        raw_bytes.push_back(text.size() + (goes_on ? 0 : 1));
    });
    if (batch.empty()) {
        return;
    }
    lines.add(batch);
    for (std::size_t i = 0; i < batch.size(); ++i) {
        buffer.add(batch[i], raw_bytes[i]);
    }
    if (options.on_lines) {
        options.on_lines(batch);
    }
    for (const auto& [ticket, line] : awaited) {
        look_for_awaited(ticket);
    }
    schedule_pump();
}

// What has no end yet is given out after a while; the timer is set once, not for each read.
void AppOutput::Impl::watch_partial(const Key& key, Pipe& pipe, bool line_ended) {
    if (!pipe.splitter.has_partial()) {
        log.disarm(std::exchange(pipe.partial_timer, 0));
        return;
    }
    if (line_ended || pipe.partial_timer == 0) {
        pipe.partial_since = log.now();
    }
    if (pipe.partial_timer == 0) {
        pipe.partial_timer =
            log.arm(pipe.partial_since + kPartialLimit, [this, key] { partial_due(key); });
    }
}

void AppOutput::Impl::partial_due(const Key& key) {
    const auto it = pipes.find(key);
    if (it == pipes.end()) {
        return;
    }
    Pipe& pipe = it->second;
    pipe.partial_timer = 0;
    if (log.now() - pipe.partial_since < kPartialLimit) {
        pipe.partial_timer =
            log.arm(pipe.partial_since + kPartialLimit, [this, key] { partial_due(key); });
        return;
    }
    take(key,
         [&](const LineSplitter::Piece& piece) { pipe.splitter.flush(/*at_end=*/false, piece); });
}

void AppOutput::Impl::finish(const Key& key) {
    const auto it = pipes.find(key);
    if (it == pipes.end()) {
        return;
    }
    Pipe& pipe = it->second;
    log.unwatch(pipe.fd.get());
    log.disarm(pipe.partial_timer);
    take(key,
         [&](const LineSplitter::Piece& piece) { pipe.splitter.flush(/*at_end=*/true, piece); });
    if (key.second == OutputStream::kErr) {
        last_lines[key.first] = pipe.splitter.last_line();
        while (last_lines.size() > kRemembered) {
            last_lines.erase(last_lines.begin());
        }
    }
    pipes.erase(it);
}

void AppOutput::Impl::close_older_later(std::uint64_t generation) {
    for (const auto& [key, pipe] : pipes) {
        if (key.first != generation) {
            close_later(key.first);
        }
    }
}

void AppOutput::Impl::close_later(std::uint64_t generation) {
    if (closing.count(generation) != 0) {
        return;
    }
    closing[generation] = log.arm(log.now() + kCloseAfter, [this, generation] {
        closing.erase(generation);
        for (const auto stream : {OutputStream::kOut, OutputStream::kErr}) {
            const Key key{generation, stream};
            if (pipes.count(key) != 0) {
                (void)read_what_is_there(key);
                finish(key);
            }
        }
    });
}

std::string AppOutput::Impl::find_last_line(std::uint64_t generation) {
    const Key key{generation, OutputStream::kErr};
    if (pipes.count(key) != 0) {
        if (read_what_is_there(key)) {
            return pipes.at(key).splitter.last_line();
        }
        finish(key);
    }
    const auto it = last_lines.find(generation);
    return it == last_lines.end() ? std::string() : it->second;
}

// ---- the log thread: the file

// One portion per task, so that the loop comes to the pipes between two.
void AppOutput::Impl::schedule_pump() {
    if (pump_posted || retry != 0) {
        return;
    }
    pump_posted = true;
    log.post(guarded([](Impl& self) {
        self.pump_posted = false;
        (void)self.pump();
    }));
}

OutputBuffer::Pump AppOutput::Impl::pump() {
    const auto result = buffer.pump();
    if (result == OutputBuffer::Pump::kMore) {
        schedule_pump();
    } else if (result == OutputBuffer::Pump::kStuck && retry == 0) {
        retry = log.arm(log.now() + kRetryAfter, [this] {
            retry = 0;
            (void)pump();
        });
    }
    return result;
}

// Once the line has come, each further one puts the answer off.
void AppOutput::Impl::look_for_awaited(std::uint64_t ticket) {
    Awaited& line = awaited.at(ticket);
    const auto fresh = lines.since(line.after, SIZE_MAX);
    const auto counts = [&line](const OutputLine& one) {
        return one.generation == line.generation && one.stream == OutputStream::kErr &&
               (line.seen || one.text.find(line.mark) != std::string::npos);
    };
    if (fresh.empty()) {
        return;
    }
    line.after = fresh.back().sequence;
    if (std::none_of(fresh.begin(), fresh.end(), counts)) {
        return;
    }
    line.seen = true;
    log.disarm(line.quiet);
    line.quiet = log.arm(log.now() + kLineQuiet, [this, ticket] {
        awaited.at(ticket).quiet = 0;
        core.post(guarded([ticket](Impl& self) { self.answer_now(ticket, "came"); }));
    });
}

void AppOutput::Impl::drain_everything() {
    std::vector<Key> keys;
    for (const auto& [key, pipe] : pipes) {
        keys.push_back(key);
    }
    for (const auto& key : keys) {
        if (!read_what_is_there(key)) {
            finish(key);
        }
    }
    while (buffer.pump() == OutputBuffer::Pump::kMore) {
    }
}

}  // namespace steward::core

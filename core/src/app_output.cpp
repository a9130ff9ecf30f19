#include "steward/core/app_output.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <map>
#include <mutex>
#include <utility>

#include "line_splitter.hpp"
#include "line_tail.hpp"
#include "output_batch.hpp"
#include "output_buffer.hpp"
#include "output_troubles.hpp"
#include "rotating_file.hpp"
#include "steward/core/unique_fd.hpp"
#include "utf8.hpp"

namespace steward::core {
namespace {

constexpr int kPipeSize = 1 << 20;
// Half a pipe: a memory that is seldom used in full may weigh more later than at the beginning.
constexpr std::size_t kReadSize = kPipeSize / 2;
constexpr int kReadsPerWakeUp = 2;
constexpr std::size_t kRemembered =
    8;  // instances whose last line is known after their pipes are closed
constexpr Duration kLastLineLimit = std::chrono::milliseconds(100);
constexpr Duration kPartialLimit = std::chrono::seconds(1);
constexpr Duration kCloseAfter = std::chrono::seconds(2);
constexpr Duration kLineQuiet = std::chrono::milliseconds(20);
constexpr Duration kRetryAfter = std::chrono::milliseconds(250);
// Who drops lines after so long says that the file is stuck, not that the app is fast.
constexpr Duration kStuckAfter = std::chrono::seconds(1);
// The buffer's memory is given back after so much of it was used and nothing came for so long.
constexpr std::size_t kReleaseFrom = std::size_t{256} << 10U;
constexpr Duration kReleaseAfter = std::chrono::seconds(2);

// To somebody who waits for a line.
LastLines line_came() {
    return {"came", {}};
}

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
    Impl(Scheduler& core_in, Scheduler& output_in, Scheduler& files_in, OutputOptions options_in)
        : core(core_in),
          output(output_in),
          files(files_in),
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
        std::uint64_t after = 0;                  // the number of the last line that does not count
        std::shared_ptr<std::atomic<bool>> seen;  // set here, read on the core's loop
        TimerId quiet = 0;
    };
    using Answer = std::function<void(LastLines)>;
    struct Question {
        Answer answer;
        TimerId timer = 0;
    };

    // The output thread: pipes.
    void add_pipe(const Key& key, UniqueFd fd);
    void ready(const Key& key);
    bool read_once(const Key& key, Pipe& pipe, std::size_t limit);
    bool read_what_is_there(const Key& key);
    template <class Feed>
    void take(const Key& key, std::size_t whole_bytes, Feed feed);
    void pass_on(bool superseded);
    std::string_view skim(const Key& key, Pipe& pipe, std::string_view bytes);
    void watch_partial(const Key& key, Pipe& pipe, bool line_ended);
    void partial_due(const Key& key);
    void finish(const Key& key);
    void close_later(std::uint64_t generation);
    void close_older_later(std::uint64_t generation);
    LastLines find_last_lines(std::uint64_t generation);
    void read_everything();

    // The output thread: what the file does not take.
    void end_gap();
    std::string why_dropped();
    void release_later();
    void release_due();

    // The log thread; schedule_pump() any.
    void schedule_pump();
    OutputBuffer::Pump pump();
    void look_for_awaited(std::uint64_t ticket);

    // The core's loop.
    std::uint64_t ask(Duration limit, std::function<LastLines()> when_late, Answer answer);
    void answer_now(std::uint64_t ticket, LastLines lines);

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
    Scheduler& output;
    Scheduler& files;
    const OutputOptions options;

    RotatingFile file;  // the log thread's
    OutputBuffer buffer;
    LineTail lines;

    // Used on the output thread.
    std::map<Key, Pipe> pipes;
    std::map<std::uint64_t, TimerId> closing;
    std::map<std::uint64_t, Awaited> awaited;       // by ticket
    std::map<std::uint64_t, LastLines> last_words;  // of closed pipes
    MappedMemory read_buffer{kReadSize};
    OutputBatch batch;
    std::uint64_t untold_lines = 0;  // not in `lines` yet
    OutputTroubles troubles{output, buffer, options.on_trouble};
    std::size_t used_bytes = 0;  // of the buffer, since its memory was given back
    std::uint64_t used_until = 0;
    TimerId release_timer = 0;

    // Used on the log thread.
    std::string told_error;
    TimerId retry = 0;

    std::atomic<bool> pump_posted{false};
    std::atomic<bool> waits_for_retry{false};
    std::atomic<bool> gap_posted{false};
    // When the file took something, or was first offered something.
    std::atomic<TimePoint> file_moved{TimePoint{}};

    std::mutex path_mutex;
    std::string path;  // guarded by path_mutex

    // Used on the core's loop.
    std::map<std::uint64_t, Question> questions;
    std::uint64_t next_ticket = 1;
};

AppOutput::AppOutput(Scheduler& core_loop, Scheduler& output_loop, Scheduler& log_loop,
                     OutputOptions options)
    : impl_(std::make_shared<Impl>(core_loop, output_loop, log_loop, std::move(options))) {}

AppOutput::~AppOutput() {
    for (auto& [ticket, question] : impl_->questions) {
        impl_->core.disarm(question.timer);
    }
    for (auto& [key, pipe] : impl_->pipes) {
        impl_->output.unwatch(pipe.fd.get());
        impl_->output.disarm(pipe.partial_timer);
    }
    for (const auto& [generation, timer] : impl_->closing) {
        impl_->output.disarm(timer);
    }
    for (const auto& [ticket, line] : impl_->awaited) {
        impl_->output.disarm(line.quiet);
    }
    impl_->output.disarm(impl_->release_timer);
    impl_->files.disarm(impl_->retry);
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
    impl_->output.post(impl_->guarded([generation, ends](Impl& self) {
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
    impl_->files.post(impl_->guarded([folder](Impl& self) { self.file.set_folder(folder); }));
}

void AppOutput::end(std::uint64_t generation) {
    impl_->output.post(impl_->guarded([generation](Impl& self) { self.close_later(generation); }));
}

void AppOutput::last_lines(std::uint64_t generation, std::function<void(LastLines)> answer) {
    const auto when_late = [lines = &impl_->lines, generation] {
        auto texts = lines->last_texts(generation, OutputStream::kErr, LineSplitter::kRemembered);
        for (auto& text : texts) {
            text = utf8_cut(text, LineSplitter::kMaxHead);
        }
        std::reverse(texts.begin(), texts.end());
        return LastLines{texts.empty() ? std::string() : texts.front(),
                         join_last(texts, LineSplitter::kRemembered, LastLines::kMaxBytes)};
    };
    const auto ticket = impl_->ask(kLastLineLimit, when_late, std::move(answer));
    impl_->output.post(impl_->guarded([generation, ticket](Impl& self) {
        auto found = self.find_last_lines(generation);
        self.core.post(self.guarded(
            [ticket, found = std::move(found)](Impl& me) { me.answer_now(ticket, found); }));
    }));
}

void AppOutput::await_line(std::uint64_t generation, const std::string& mark, Duration limit,
                           std::function<void(bool came)> answer) {
    const auto seen = std::make_shared<std::atomic<bool>>(false);
    const auto ticket = impl_->ask(
        // What follows may never end; the line itself has come all the same.
        limit, [seen] { return seen->load() ? line_came() : LastLines(); },
        [weak = impl_->weak_from_this(), ticket = impl_->next_ticket,
         answer = std::move(answer)](const LastLines& lines) {
            if (const auto self = weak.lock()) {
                self->output.post(self->guarded([ticket](Impl& me) {
                    if (const auto it = me.awaited.find(ticket); it != me.awaited.end()) {
                        me.output.disarm(it->second.quiet);
                        me.awaited.erase(it);
                    }
                }));
            }
            answer(!lines.last.empty());
        });
    const Impl::Awaited line{generation, mark, impl_->lines.last_sequence(), seen, 0};
    impl_->output.post(impl_->guarded([ticket, line](Impl& self) {
        self.awaited[ticket] = line;
        self.look_for_awaited(ticket);
    }));
}

void AppOutput::flush(Duration limit, std::function<void()> done) {
    const auto ticket = impl_->ask(
        limit, [] { return LastLines(); }, [done = std::move(done)](const LastLines&) { done(); });
    impl_->output.post(impl_->guarded([ticket](Impl& self) {
        self.read_everything();
        self.files.post(self.guarded([ticket](Impl& me) {
            while (me.pump() == OutputBuffer::Pump::kMore) {
            }
            me.core.post(me.guarded([ticket](Impl& it) { it.answer_now(ticket, {}); }));
        }));
    }));
}

// The first of the two that come, the answer or the time limit, takes the question out.
std::uint64_t AppOutput::Impl::ask(Duration limit, std::function<LastLines()> when_late,
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

void AppOutput::Impl::answer_now(std::uint64_t ticket, LastLines found) {
    const auto it = questions.find(ticket);
    if (it == questions.end()) {
        return;
    }
    const Question question = std::move(it->second);
    questions.erase(it);
    core.disarm(question.timer);
    question.answer(std::move(found));
}

// ---- from anywhere

std::vector<OutputLine> AppOutput::tail(std::size_t max_lines) const {
    return impl_->lines.last(max_lines);
}

std::vector<OutputLine> AppOutput::lines_since(std::uint64_t sequence,
                                               std::size_t max_lines) const {
    return impl_->lines.since(sequence, max_lines);
}

std::uint64_t AppOutput::last_sequence() const {
    return impl_->lines.last_sequence();
}

OutputCounters AppOutput::counters() const {
    return impl_->buffer.counters();
}

std::string AppOutput::path() const {
    const std::lock_guard lock(impl_->path_mutex);
    return impl_->path;
}

// ---- the output thread: pipes

void AppOutput::Impl::add_pipe(const Key& key, UniqueFd fd) {
    if (pipes.count(key) != 0) {
        finish(key);
    }
    Pipe& pipe = pipes[key];
    pipe.fd = std::move(fd);
    if (!output.watch(pipe.fd.get(), Interest::kRead, [this, key](bool, bool) { ready(key); })) {
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
    }
}

// False: nothing was read; errno is EAGAIN if more may come.
bool AppOutput::Impl::read_once(const Key& key, Pipe& pipe, std::size_t limit) {
    ssize_t got = 0;
    do {
        got = read(pipe.fd.get(), read_buffer.data(), std::min(limit, kReadSize));
    } while (got < 0 && errno == EINTR);
    if (got <= 0) {
        if (got == 0) {
            errno = 0;
        }
        return false;
    }
    const std::string_view bytes(read_buffer.data(), static_cast<std::size_t>(got));
    buffer.read(bytes.size());
    const auto rest = skim(key, pipe, bytes);
    const std::size_t whole = pipe.splitter.whole_bytes(rest);
    take(key, whole, [&](auto piece) { pipe.splitter.feed(rest, piece); });
    watch_partial(key, pipe, whole != 0 || rest.size() != bytes.size());
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

// whole_bytes: as many as are known to come out of this.
template <class Feed>
void AppOutput::Impl::take(const Key& key, std::size_t whole_bytes, Feed feed) {
    batch.begin(wall_now(), key.first, key.second);
    std::size_t taken = 0;
    feed([&](std::string_view text, bool goes_on) {
        taken += text.size() + (goes_on ? 0 : 1);
        batch.add(text, goes_on);
        if (batch.is_large()) {
            pass_on(/*superseded=*/whole_bytes >= taken + options.tail_bytes);
        }
    });
    if (taken == 0) {
        return;
    }
    pass_on(/*superseded=*/false);
    if (options.on_lines) {
        options.on_lines();
    }
}

// Of much that is dropped anyway, only what the tail will hold is taken apart; the rest is counted.
// Returns what is left to be taken apart.
std::string_view AppOutput::Impl::skim(const Key& key, Pipe& pipe, std::string_view bytes) {
    if (bytes.size() < 2 * options.tail_bytes || !buffer.has_gap() || buffer.gap_can_end()) {
        return bytes;
    }
    const auto first = bytes.find('\n');
    const auto last = bytes.rfind('\n', bytes.size() - options.tail_bytes);
    if (first == std::string_view::npos || last == std::string_view::npos || last <= first) {
        return bytes;
    }
    // What has begun with an earlier read.
    take(key, 0, [&](auto piece) { pipe.splitter.feed(bytes.substr(0, first + 1), piece); });
    const auto skipped = bytes.substr(first + 1, last - first);
    const std::uint64_t count = count_newlines(skipped);
    untold_lines += count;
    buffer.drop(count, skipped.size());
    troubles.dropped();
    return bytes.substr(last + 1);
}

// superseded: the tail will be filled by what comes in the same read, so that it needs only the
// number of these lines, unless somebody waits for one of them.
void AppOutput::Impl::pass_on(bool superseded) {
    if (batch.empty()) {
        return;
    }
    if (superseded && awaited.empty()) {
        untold_lines += batch.records().size();
    } else {
        lines.add(batch, std::exchange(untold_lines, 0));
    }
    if (buffer.gap_can_end()) {
        end_gap();
    }
    for (const auto& [ticket, line] : awaited) {
        look_for_awaited(ticket);
    }
    const bool dropped = !buffer.add(batch);
    used_bytes += batch.bytes().size();
    batch.clear();
    schedule_pump();
    release_later();
    if (dropped) {
        troubles.dropped();
        troubles.begin(why_dropped());
    }
}

// What has no end yet is given out after a while; the timer is set once, not for each read.
void AppOutput::Impl::watch_partial(const Key& key, Pipe& pipe, bool line_ended) {
    if (!pipe.splitter.has_partial()) {
        output.disarm(std::exchange(pipe.partial_timer, 0));
        return;
    }
    if (line_ended || pipe.partial_timer == 0) {
        pipe.partial_since = output.now();
    }
    if (pipe.partial_timer == 0) {
        pipe.partial_timer =
            output.arm(pipe.partial_since + kPartialLimit, [this, key] { partial_due(key); });
    }
}

void AppOutput::Impl::partial_due(const Key& key) {
    const auto it = pipes.find(key);
    if (it == pipes.end()) {
        return;
    }
    Pipe& pipe = it->second;
    pipe.partial_timer = 0;
    if (output.now() - pipe.partial_since < kPartialLimit) {
        pipe.partial_timer =
            output.arm(pipe.partial_since + kPartialLimit, [this, key] { partial_due(key); });
        return;
    }
    take(key, 0, [&](auto piece) { pipe.splitter.flush(/*at_end=*/false, piece); });
}

void AppOutput::Impl::finish(const Key& key) {
    const auto it = pipes.find(key);
    if (it == pipes.end()) {
        return;
    }
    Pipe& pipe = it->second;
    output.unwatch(pipe.fd.get());
    output.disarm(pipe.partial_timer);
    take(key, 0, [&](auto piece) { pipe.splitter.flush(/*at_end=*/true, piece); });
    if (key.second == OutputStream::kErr) {
        last_words[key.first] = {pipe.splitter.last_line(),
                                 pipe.splitter.last_lines(LastLines::kMaxBytes)};
        while (last_words.size() > kRemembered) {
            last_words.erase(last_words.begin());
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
    closing[generation] = output.arm(output.now() + kCloseAfter, [this, generation] {
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

LastLines AppOutput::Impl::find_last_lines(std::uint64_t generation) {
    const Key key{generation, OutputStream::kErr};
    if (pipes.count(key) != 0) {
        if (read_what_is_there(key)) {
            const LineSplitter& splitter = pipes.at(key).splitter;
            return {splitter.last_line(), splitter.last_lines(LastLines::kMaxBytes)};
        }
        finish(key);
    }
    const auto it = last_words.find(generation);
    return it == last_words.end() ? LastLines() : it->second;
}

// Once the line has come, each further one puts the answer off, to the question's limit at most.
void AppOutput::Impl::look_for_awaited(std::uint64_t ticket) {
    Awaited& line = awaited.at(ticket);
    const auto fresh = lines.since(line.after, SIZE_MAX);
    const auto counts = [&line](const OutputLine& one) {
        return one.generation == line.generation && one.stream == OutputStream::kErr &&
               (*line.seen || one.text.find(line.mark) != std::string::npos);
    };
    if (fresh.empty()) {
        return;
    }
    line.after = fresh.back().sequence;
    if (std::none_of(fresh.begin(), fresh.end(), counts)) {
        return;
    }
    *line.seen = true;
    output.disarm(line.quiet);
    line.quiet = output.arm(output.now() + kLineQuiet, [this, ticket] {
        awaited.at(ticket).quiet = 0;
        core.post(guarded([ticket](Impl& self) { self.answer_now(ticket, line_came()); }));
    });
}

void AppOutput::Impl::read_everything() {
    std::vector<Key> keys;
    for (const auto& [key, pipe] : pipes) {
        keys.push_back(key);
    }
    for (const auto& key : keys) {
        if (!read_what_is_there(key)) {
            finish(key);
        }
    }
}

// ---- the output thread: what the file does not take

void AppOutput::Impl::end_gap() {
    buffer.end_gap(troubles.take_gap_reason());
    schedule_pump();
}

std::string AppOutput::Impl::why_dropped() {
    if (!troubles.file_error().empty()) {
        return troubles.file_error();
    }
    const std::lock_guard lock(path_mutex);
    const auto still = output.now() - file_moved.load();
    if (still > kStuckAfter) {
        const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(still).count();
        return path + " has taken nothing for " + std::to_string(seconds) + " s";
    }
    return "written faster than " + path + " takes it";
}

void AppOutput::Impl::release_later() {
    if (release_timer == 0 && used_bytes >= kReleaseFrom) {
        used_until = lines.last_sequence();
        release_timer = output.arm(output.now() + kReleaseAfter, [this] { release_due(); });
    }
}

void AppOutput::Impl::release_due() {
    release_timer = 0;
    if (lines.last_sequence() == used_until && buffer.release()) {
        read_buffer.release();
        used_bytes = 0;
    } else {
        release_later();
    }
}

// ---- the log thread: the file

// One portion per task, so that others get a turn between two.
void AppOutput::Impl::schedule_pump() {
    if (waits_for_retry || pump_posted.exchange(true)) {
        return;
    }
    file_moved = files.now();
    files.post(guarded([](Impl& self) {
        self.pump_posted = false;
        if (self.pump() == OutputBuffer::Pump::kMore) {
            self.schedule_pump();
        }
    }));
}

OutputBuffer::Pump AppOutput::Impl::pump() {
    const auto result = buffer.pump();
    if (buffer.error() != told_error) {
        told_error = buffer.error();
        output.post(
            guarded([error = told_error](Impl& self) { self.troubles.file_error_is(error); }));
    }
    if (result == OutputBuffer::Pump::kStuck) {
        if (retry == 0) {
            waits_for_retry = true;
            retry = files.arm(files.now() + kRetryAfter, [this] {
                retry = 0;
                waits_for_retry = false;
                schedule_pump();
            });
        }
        return result;
    }
    file_moved = files.now();
    if (buffer.gap_can_end() && !gap_posted.exchange(true)) {
        output.post(guarded([](Impl& self) {
            self.gap_posted = false;
            self.end_gap();
        }));
    }
    return result;
}

}  // namespace steward::core

#include <string>
#include <utility>

#include "printable.hpp"
#include "status_client.hpp"
#include "status_commands.hpp"

namespace steward::host {
namespace {

using Kind = StatusReply::Kind;

// What came, and why no more does; `code` < 0: more may come.
struct Batch {
    std::string text;
    int code = -1;
    std::string complaint;
};

// Gathers lines until the server ends the connection; when following, until nothing more is at
// hand.
Batch gather(StatusClient& client, const LogsOptions& options, Interruption& interruption) {
    Batch batch;
    std::optional<std::chrono::milliseconds> limit;
    if (!options.follow) {
        limit = StatusClient::kPatience;
    }
    for (;;) {
        const StatusReply reply = client.next(limit, interruption.fd(), options.out_fd);
        switch (reply.kind) {
            case Kind::kLog:
                batch.text += printable(reply.text) + "\n";
                break;
            case Kind::kEvent:
                batch.text += reply.text + "\n";
                break;
            case Kind::kStatus:
                break;
            case Kind::kLate:
                if (!options.follow) {
                    batch.code = 1;
                    batch.complaint = "the server does not answer";
                }
                return batch;
            case Kind::kError:
                batch.code = 1;
                batch.complaint = printable(reply.text);
                return batch;
            case Kind::kInterrupted:
                batch.code = options.follow ? 0 : 128 + interruption.take();
                return batch;
            case Kind::kEnd:
            case Kind::kOutputGone:
                batch.code = 0;
                return batch;
        }
        constexpr std::size_t kEnough = 65536;
        if (options.follow && batch.text.size() > kEnough) {
            return batch;
        }
        if (options.follow) {
            limit = std::chrono::milliseconds(0);
        }
    }
}

int print_batches(StatusClient& client, const LogsOptions& options, Interruption& interruption) {
    for (;;) {
        // All of a finite answer is taken before any of it is printed: a pager that pauses does not
        // hold the server.
        const Batch batch = gather(client, options, interruption);
        const Written written = write_all(options.out_fd, batch.text, interruption.fd());
        if (written == Written::kInterrupted) {
            return options.follow ? 0 : 128 + interruption.take();
        }
        if (written != Written::kAll) {
            return written == Written::kFailed ? 1 : 0;
        }
        if (!batch.complaint.empty()) {
            say(options.err_fd, batch.complaint);
        }
        if (batch.code >= 0) {
            return batch.code;
        }
    }
}

}  // namespace

int logs_command(const LogsOptions& options) {
    Interruption interruption;
    const StatusRequest request{options.events ? "events" : "logs", options.follow, options.lines};
    auto asked = ask_server(options.base, options.server, request, options.err_fd);
    return asked.client ? print_batches(*asked.client, options, interruption) : asked.code;
}

}  // namespace steward::host

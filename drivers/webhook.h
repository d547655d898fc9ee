// JSON to web servers near by: HTTP POST through libcurl, several at once, on the caller's thread, which never waits.
// libcurl (and what it brings along) is loaded when a Webhooks is made, so that an agent without webhooks pays nothing for it.
// Certificates are verified, redirects are not followed, a proxy of the environment is not used, an answer is read and thrown away.
// Memory: on the heap, as libcurl likes: need() is an estimate. Cost: of libcurl. Threads: one owner (libcurl resolves names on one of its own).
// Errors: open(): missing, without the library. An answer that is not 2xx, or none within the time, is an outcome that says why.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

struct WebhookRequest {
    std::uint64_t token = 0;
    std::string_view url;
    std::string_view bearer_file;  // its first line goes into the header Authorization; read each time
    std::string_view ca;           // a file of certificates; empty: the system's
    std::span<const std::string_view> headers;  // "Name: value"
    std::string_view payload;
    Duration timeout;
};

struct WebhookOutcome {
    std::uint64_t token = 0;
    bool done = false;
    std::string why;
};

class Webhooks {
public:
    static constexpr std::size_t parallel_max = 4;
    static Bytes need(bool tls);

    static Result<std::unique_ptr<Webhooks>> open(const Clock& clock);
    ~Webhooks();
    Webhooks(const Webhooks&) = delete;
    Webhooks& operator=(const Webhooks&) = delete;

    // Error::full: parallel_max are under way; missing: the bearer's file cannot be read.
    Status begin(const WebhookRequest& request);
    bool hear(WebhookOutcome& outcome);
    // Does what is due, and says when something will be.
    MonotonicTime keep_up();
    int descriptor() const;  // to poll for input

private:
    struct State;
    explicit Webhooks(std::unique_ptr<State> state);
    const std::unique_ptr<State> state_;
};

}  // namespace weir

// The page's HTTP server: one thread, a fixed pool, libmicrohttpd beneath. What is asked goes to PageRoutes.
// Memory: need(): bodies, exchanges and the events' ring from the arena; the library's connections, each with a pool of its
// own, by malloc: library_bytes(). Beyond connections_max nobody is let in; when all bodies are in use, 503. Cost: none while
// nobody asks; an idle connection ends after ten seconds. Threads: its own, between start() and stop(). Errors: start()
// says why it cannot listen; a request that is larger than its room gets 413, 414 or 431.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <thread>

#include "agent/base/arena.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "agent/page/events.h"
#include "agent/page/listen.h"
#include "agent/page/routes.h"

struct MHD_Daemon;

namespace weir {

class PageServer {
public:
    static constexpr std::size_t connections_max = 16;
    static constexpr std::size_t watchers_max = 6;  // of events, among them
    static constexpr std::size_t bodies = 3;
    static constexpr Bytes request_body_max = 1024;
    static constexpr Duration beat = Duration::seconds(15);

    struct Params {
        Bytes body_bytes = Bytes{64} << 10;   // no answer is longer
        Bytes event_bytes = Bytes{64} << 10;  // of the ring
    };
    struct Counters {
        std::uint64_t requests = 0;
        std::uint64_t refused = 0;  // 401, 403, 421
        std::uint64_t busy = 0;     // 503 for want of a body
        std::uint64_t watchers = 0;
    };

    static Bytes need(const Params& params);
    static Bytes library_bytes();
    // Called once a second while somebody watches; says what is new to the feed, with room to write in.
    using Tell = std::function<void(EventFeed& feed, std::span<char> room)>;
    // routes must outlive it.
    PageServer(Arena& arena, const Params& params, const PageRoutes& routes, Tell tell);
    ~PageServer();
    PageServer(const PageServer&) = delete;
    PageServer& operator=(const PageServer&) = delete;

    // Listens. Error: reason says why not.
    Status start(const PageListen& listen, std::string& reason);
    void stop();
    std::uint16_t port() const { return port_; }
    Counters counters() const;

    // Without a socket that listens, and without a thread: for tests and the fuzz target. serve() takes a connected socket and
    // its address, and answers what is there.
    Status start_detached();
    bool serve(int socket);
    void step();

    struct Exchange;  // a request under way

private:
    friend struct PageCallbacks;
    bool make_daemon(int listener);
    void run();
    void tell_if_due();
    void resume_watchers();
    Exchange* take_exchange();
    char* take_body();

    const Params params_;
    const PageRoutes& routes_;
    const Tell tell_;
    std::span<Exchange> exchanges_;
    std::span<char> bodies_;
    std::span<char> tell_room_;
    std::array<bool, bodies> body_used_{};
    EventFeed feed_;
    MHD_Daemon* daemon_ = nullptr;
    int stop_event_ = -1;
    std::uint16_t port_ = 0;
    std::int64_t next_tell_us_ = 0;
    std::int64_t next_beat_us_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> requests_{0};
    std::atomic<std::uint64_t> refused_{0};
    std::atomic<std::uint64_t> busy_{0};
    std::atomic<std::uint64_t> watchers_{0};
    std::thread thread_;
};

}  // namespace weir

// The page of `weir run`: the HTTP server, and what it says. /healthz, /readyz, /metrics, and under /api/v1 the state of each
// part as JSON, the latest results, and events.
// Memory: need(), from the arena, and PageServer::library_bytes(). Cost: none while nobody asks, but what the engine's thread
// writes for it. Threads: the server's reads what the others leave: the board's snapshot, counters. The engine waits for nothing of it.
// Errors: an address that cannot be listened on is logged, and the agent runs without the page.
#pragma once

#include <functional>
#include <memory>

#include "agent/base/arena.h"
#include "agent/page/routes.h"
#include "agent/page/server.h"
#include "agent/page_api.h"
#include "agent/status.h"

namespace weir {

class StatusPage {
public:
    struct Parts {
        const StatusBoard* board = nullptr;
        std::function<StatusParts()> status;       // called by the server's thread
        std::function<Duration()> since_progress;  // of the engine's thread
        std::function<std::string_view(std::string_view request, std::span<char> room)> answer;  // as the control socket's
    };
    static constexpr Duration progress_limit = Duration::seconds(10);

    // Of an assembly with [page].
    static Bytes need(const Assembly& assembly);
    StatusPage(Arena& arena, const Assembly& assembly, Parts parts);

    // Before start(): other parts add theirs.
    PageRoutes& routes() { return routes_; }
    void start();
    void stop() { server_.stop(); }
    // What the pipeline leaves its results with.
    RecentResults& recent() { return recent_; }

private:
    using Write = void (*)(JsonWriter&, const ApiView&);
    static PageServer::Params params_of(const Assembly& assembly);
    void add_routes();
    template <typename With>
    void view(With with) const;
    std::string_view render(std::span<char> room, Write write) const;
    PageAnswer status(std::span<char> room);
    PageAnswer windows(std::span<char> room);
    PageAnswer window(const PageRequest& request, std::span<char> room);
    PageAnswer alerts(std::span<char> room);
    PageAnswer acknowledge(const PageRequest& request, std::span<char> room);
    std::vector<std::string_view>& read_recent(std::size_t stream, std::uint64_t& place);
    void tell(EventFeed& feed, std::span<char> room);
    PageAnswer health(std::span<char> room) const;
    PageAnswer ready(std::span<char> room) const;
    PageAnswer metrics(std::span<char> room) const;

    const PageConfig& config_;
    const Assembly& assembly_;
    Parts parts_;
    RecentResults recent_;
    std::span<char> scratch_;                 // of a ring
    std::vector<std::string_view> results_;   // views into it
    std::vector<std::uint64_t> told_;         // places in the rings: those who watch know what lies before
    const std::string sys_root_;
    PageRoutes routes_;
    PageServer server_;
};

}  // namespace weir

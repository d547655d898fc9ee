// The page of `weir run`: the HTTP server, and what it says. /healthz, /readyz and /metrics.
// Memory: need(), from the arena, and PageServer::library_bytes(). Cost: none while nobody asks, but what the engine's thread
// writes for it. Threads: the server's reads what the others leave: the board's snapshot, counters. The engine waits for nothing of it.
// Errors: an address that cannot be listened on is logged, and the agent runs without the page.
#pragma once

#include <functional>
#include <memory>

#include "agent/base/arena.h"
#include "agent/page/routes.h"
#include "agent/page/server.h"
#include "agent/status.h"

namespace weir {

class StatusPage {
public:
    struct Parts {
        const StatusBoard* board = nullptr;
        std::function<StatusParts()> status;       // called by the server's thread
        std::function<Duration()> since_progress;  // of the engine's thread
    };
    static constexpr Duration progress_limit = Duration::seconds(10);

    // Of an assembly with [page].
    static Bytes need(const Assembly& assembly);
    StatusPage(Arena& arena, const Assembly& assembly, Parts parts);

    // Before start(): other parts add theirs.
    PageRoutes& routes() { return routes_; }
    void start();
    void stop() { server_.stop(); }

private:
    static PageServer::Params params_of(const Assembly& assembly);
    void add_routes();
    PageAnswer health(std::span<char> room) const;
    PageAnswer ready(std::span<char> room) const;
    PageAnswer metrics(std::span<char> room) const;

    const PageConfig& config_;
    Parts parts_;
    PageRoutes routes_;
    PageServer server_;
};

}  // namespace weir

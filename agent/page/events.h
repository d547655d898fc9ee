// Server-sent events: what has been said lately, in one ring for all clients; each has a place in it and nothing else.
// A client that is slower than the ring is long is ended; it connects again and asks for what stands.
// Memory: the ring, given. Cost: O(bytes). Threads: the server's alone. Errors: an event longer than the ring is left out.
// Source: the HTML standard's event stream format.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace weir {

class EventFeed {
public:
    explicit EventFeed(std::span<char> ring) : ring_(ring) {}

    // data must not contain a line end.
    void say(std::string_view event, std::string_view data);
    // Keeps a connection alive, and finds those that are dead.
    void beat();

    std::uint64_t newest() const { return end_; }
    // Copies what follows place, as far as there is room, and moves it. None: it is gone.
    std::optional<std::size_t> read(std::uint64_t& place, std::span<char> room) const;

private:
    bool make_room(std::size_t bytes);
    void put(std::string_view text);

    std::span<char> ring_;
    std::uint64_t begin_ = 0;  // of the oldest whole event
    std::uint64_t end_ = 0;
};

}  // namespace weir

#include "agent/page/events.h"

#include <algorithm>

namespace weir {

bool EventFeed::make_room(std::size_t bytes) {
    if (bytes > ring_.size()) return false;
    while (end_ + bytes - begin_ > ring_.size()) {
        // To the end of the oldest: an empty line.
        bool line_end = false;
        for (;;) {
            const bool is_end = ring_[begin_++ % ring_.size()] == '\n';
            if (is_end && line_end) break;
            line_end = is_end;
        }
    }
    return true;
}

void EventFeed::put(std::string_view text) {
    for (const char c : text) ring_[end_++ % ring_.size()] = c;
}

void EventFeed::say(std::string_view event, std::string_view data) {
    constexpr std::string_view event_is = "event: ", data_is = "\ndata: ", ends = "\n\n";
    if (!make_room(event_is.size() + event.size() + data_is.size() + data.size() + ends.size())) return;
    for (const std::string_view part : {event_is, event, data_is, data, ends}) put(part);
}

void EventFeed::beat() {
    constexpr std::string_view comment = ":\n\n";
    if (make_room(comment.size())) put(comment);
}

std::optional<std::size_t> EventFeed::read(std::uint64_t& place, std::span<char> room) const {
    if (place < begin_ || place > end_) return std::nullopt;
    const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(end_ - place, room.size()));
    for (std::size_t i = 0; i < size; ++i) room[i] = ring_[place++ % ring_.size()];
    return size;
}

}  // namespace weir

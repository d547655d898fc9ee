// What alerts have to do and have not done yet: bounded queues, one a kind of action, in one file on tmpfs that outlives the
// process. An action is in it from the moment its alert is decided until it is known to be done; so a kill loses none, and
// repeats one only if it fell between the deed and its mark here, with the same bytes.
// A replay of the journal decides the same alerts again, under the same numbers (epoch, sequence): what a queue has
// been given before is known, and is not taken twice.
// When a queue is full the oldest actions make room, and are counted.
// Memory: file_bytes(), mapped: the same for every configuration, so that an edit loses nothing. Cost: add() a copy under a
// short lock; next() O(actions passed over). Threads: any. Errors: add() of what is longer than action_bytes_max is refused and
// counted. open(): io, no_space; a damaged file is emptied from the damage on, and report says so. Outside bytes are checked.
// Format: Header, Section and RecordHead in action_queue.cc; of two commits of a section the newer whole one holds.
#pragma once

#include <array>
#include <atomic>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "agent/action_kind.h"
#include "agent/base/bytes.h"
#include "agent/base/files.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

inline constexpr std::size_t action_texts_max = 32;
inline constexpr Bytes action_bytes_max = 8192;

// Which action of which transition: the same in every replay. epoch 0: of no transition, a test.
struct ActionId {
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    std::uint32_t ordinal = 0;  // among the alert's
    friend constexpr auto operator<=>(const ActionId&, const ActionId&) = default;
};

// An action with everything expanded. Views belong to whoever fills it in.
struct Action {
    ActionKind kind = ActionKind::mqtt;
    ActionId id;
    std::uint8_t qos = 0;       // mqtt
    bool retain = false;        // mqtt
    std::uint8_t retries = 0;   // exec, webhook
    Duration timeout;           // exec, webhook
    std::uint64_t number = 0;   // exec: private bytes; webhook: which, by definition; gpio: pulse in us
    std::size_t count = 0;
    std::array<std::string_view, action_texts_max> texts{};  // mqtt: connection, topic; exec: arguments; webhook: URL; gpio: ...
    std::string_view payload;
};

struct ActionCounters {
    std::uint64_t added = 0;
    std::uint64_t known = 0;    // decided again by a replay
    std::uint64_t dropped = 0;  // to make room for newer ones
    std::uint64_t refused = 0;  // too long
    std::uint64_t done = 0;
    std::uint64_t given_up = 0;  // after all its tries
    std::uint64_t waiting = 0;  // now
};

class ActionQueue {
public:
    // An action's place while it waits.
    using Position = std::uint32_t;
    struct Report {
        std::uint64_t found = 0;       // actions that an earlier process left
        std::string_view damage;       // what was wrong; empty: nothing
    };

    static Bytes file_bytes();
    static Result<std::unique_ptr<ActionQueue>> open(Files& files, const std::string& path, Report& report);

    // Whose numbers those of actions are: those of another incarnation mean nothing to this one. Before the first add().
    void begin(std::uint64_t incarnation);
    // Called, by whoever adds, when there is something new.
    void on_added(std::function<void()> wake) { wake_ = std::move(wake); }

    enum class Added : std::uint8_t { yes, known, too_long };
    Added add(const Action& action);

    // The first action of a kind that waits, or the first behind another.
    struct Waiting {
        Position position = 0;
        std::uint32_t destination = 0;  // a hash of where it goes: actions of one destination keep their order
    };
    std::optional<Waiting> next(ActionKind kind, std::optional<Position> behind) const;
    // Copies it, and points action into buffer. False: it has made room.
    bool read(ActionKind kind, Position position, MutableByteSpan buffer, Action& action) const;
    bool holds(ActionKind kind, Position position) const;
    enum class End : std::uint8_t { done, given_up };
    void finish(ActionKind kind, Position position, End end);

    ActionCounters counters(ActionKind kind) const;
    std::uint64_t waiting() const;  // of all kinds

private:
    struct Header;
    struct Section;
    struct Commit;
    struct RecordHead;
    struct Queue {
        Section* section = nullptr;
        MutableByteSpan ring;
        Position head = 0;
        Position tail = 0;
        std::uint32_t generation = 0;
        ActionId high;
        ActionCounters counters;
    };
    explicit ActionQueue(std::unique_ptr<MappedFile> file);
    Header& header() const;
    void make_new();
    void recover(Queue& queue, Report& report);
    static const Commit* newest(const Section& section);
    static RecordHead head_at(const Queue& queue, Position position);
    static void put(Queue& queue, Position position, const RecordHead& head);
    static bool whole(const Queue& queue, Position position, const RecordHead& head);
    static void set_head(Queue& queue, Position head);
    static void commit(Queue& queue);
    static void pass(Queue& queue, bool drop);
    static bool make_room(Queue& queue, Bytes bytes);

    const std::unique_ptr<MappedFile> file_;
    std::function<void()> wake_;
    mutable std::mutex mutex_;
    std::array<Queue, action_kinds> queues_;
};

}  // namespace weir

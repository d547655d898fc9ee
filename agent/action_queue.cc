#include "agent/action_queue.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "agent/base/assert.h"
#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr std::uint64_t file_magic = 0x3154434152494557;  // "WEIRACT1": the format's version is its last digit
constexpr Bytes page_bytes = 4096;
// By kind. Powers of two, so that positions may count past their end. Some three hundred messages with ten values each.
constexpr std::array<Bytes, action_kinds> ring_bytes = {Bytes{128} << 10, Bytes{32} << 10, Bytes{32} << 10, Bytes{16} << 10};
constexpr Bytes record_alignment = 16;  // so that of what is unused state can be told, too

Bytes place(Bytes ring, std::uint32_t position) { return position & (ring - 1); }

}  // namespace

std::string_view name(ActionKind kind) {
    constexpr std::string_view names[] = {"mqtt", "exec", "webhook", "gpio"};
    return names[static_cast<std::size_t>(kind)];
}

// Made valid by its checksum: a torn one leaves the other.
struct ActionQueue::Commit {
    std::uint32_t generation;
    std::uint32_t tail;
    std::uint64_t epoch;
    std::uint64_t sequence;
    std::uint32_t ordinal;
    std::uint32_t crc;

    std::uint32_t checksum() const { return crc32c(std::as_bytes(std::span(this, 1)).first(offsetof(Commit, crc)), 1); }
    bool whole() const { return crc == checksum(); }
};

struct ActionQueue::Section {
    std::uint32_t head;
    std::uint32_t unused;
    std::uint64_t unused_too;
    Commit commits[2];
};

struct ActionQueue::Header {
    std::uint64_t magic;
    std::uint64_t incarnation;
    Section sections[action_kinds];
};

// Of a record, or of what is left unused at the ring's end.
struct ActionQueue::RecordHead {
    std::uint32_t bytes;  // with all that belongs to it
    std::uint32_t crc;    // of all behind state
    std::uint8_t state;
    std::uint8_t unused[3];
    std::uint8_t kind;
    std::uint8_t qos;
    std::uint8_t retain;
    std::uint8_t retries;
    std::uint32_t ordinal;
    std::uint32_t destination;
    std::uint64_t epoch;
    std::uint64_t sequence;
    std::int64_t timeout_us;
    std::uint64_t number;
    std::uint32_t count;
    std::uint32_t payload_bytes;

    static constexpr std::uint8_t waits = 1;
    static constexpr std::uint8_t is_done = 2;
    static constexpr std::uint8_t is_unused = 3;
    static constexpr Bytes checked_from = 12;  // kind
};

Bytes ActionQueue::file_bytes() {
    Bytes total = page_bytes;
    for (const Bytes ring : ring_bytes) total += ring;
    return total;
}

Result<std::unique_ptr<ActionQueue>> ActionQueue::open(Files& files, const std::string& path, Report& report) {
    report = {};
    const Result<Bytes> size = files.size(path);
    if (size && *size != 0 && *size != file_bytes()) {
        report.damage = "the file was made by another version";
        if (const Status removed = files.remove(path); !removed) return removed.error();
    }
    Result<std::unique_ptr<MappedFile>> file = files.map(path, file_bytes());
    if (!file) return file.error();
    std::unique_ptr<ActionQueue> queue(new ActionQueue(std::move(*file)));
    if (queue->header().magic != file_magic) {
        queue->make_new();
    } else {
        for (Queue& each : queue->queues_) queue->recover(each, report);
    }
    return queue;
}

ActionQueue::ActionQueue(std::unique_ptr<MappedFile> file) : file_(std::move(file)) {
    static_assert(sizeof(Header) <= page_bytes && sizeof(RecordHead) % record_alignment == 0);
    static_assert(offsetof(RecordHead, kind) == RecordHead::checked_from);
    MutableByteSpan rest = file_->memory().subspan(page_bytes);
    for (std::size_t kind = 0; kind < action_kinds; ++kind) {
        queues_[kind].section = &header().sections[kind];
        queues_[kind].ring = rest.first(ring_bytes[kind]);
        rest = rest.subspan(ring_bytes[kind]);
    }
}

ActionQueue::Header& ActionQueue::header() const { return *reinterpret_cast<Header*>(file_->memory().data()); }

void ActionQueue::make_new() {
    header() = {};
    for (Queue& queue : queues_) commit(queue);
    std::atomic_signal_fence(std::memory_order_seq_cst);
    header().magic = file_magic;
}

const ActionQueue::Commit* ActionQueue::newest(const Section& section) {
    const Commit& a = section.commits[0];
    const Commit& b = section.commits[1];
    if (!a.whole() || !b.whole()) return a.whole() ? &a : b.whole() ? &b : nullptr;
    return static_cast<std::int32_t>(a.generation - b.generation) > 0 ? &a : &b;
}

// What an earlier process had under way waits again.
void ActionQueue::recover(Queue& queue, Report& report) {
    const Commit* const last = newest(*queue.section);
    if (last == nullptr) {
        report.damage = "no commit of a queue is whole";
        queue.head = queue.tail = 0;
        *queue.section = {};
        return commit(queue);
    }
    queue.generation = last->generation;
    queue.tail = last->tail;
    queue.high = {last->epoch, last->sequence, last->ordinal};
    queue.head = queue.section->head;
    const Position tail = queue.tail;
    Position at = queue.head;
    bool good = tail - at <= queue.ring.size() && at % record_alignment == 0 && tail % record_alignment == 0;
    while (good && at != tail) {
        const RecordHead head = head_at(queue, at);
        good = whole(queue, at, head) && head.bytes <= tail - at;
        if (!good) break;
        if (head.state == RecordHead::waits) {
            ++queue.counters.waiting;
            ++report.found;
        }
        at += head.bytes;
    }
    if (!good) {
        report.damage = "bytes of a queue are damaged: what was behind them is given up";
        if (tail - at > queue.ring.size() || at % record_alignment != 0) at = queue.head = 0;
        queue.tail = at;
        set_head(queue, queue.head);
        commit(queue);
    }
    pass(queue, false);
}

void ActionQueue::begin(std::uint64_t incarnation) {
    const std::lock_guard lock(mutex_);
    if (header().incarnation == incarnation) return;
    for (Queue& queue : queues_) {
        queue.high = {};
        commit(queue);
    }
    header().incarnation = incarnation;
}

ActionQueue::RecordHead ActionQueue::head_at(const Queue& queue, Position position) {
    RecordHead head{};
    const Bytes at = place(queue.ring.size(), position);
    std::memcpy(&head, queue.ring.data() + at, std::min(sizeof head, queue.ring.size() - at));
    return head;
}

void ActionQueue::put(Queue& queue, Position position, const RecordHead& head) {
    const Bytes at = place(queue.ring.size(), position);
    std::memcpy(queue.ring.data() + at, &head, std::min(sizeof head, queue.ring.size() - at));
}

bool ActionQueue::whole(const Queue& queue, Position position, const RecordHead& head) {
    const Bytes at = place(queue.ring.size(), position);
    const Bytes rest = queue.ring.size() - at;
    if (head.state == RecordHead::is_unused) return head.bytes == rest;
    if (head.state != RecordHead::waits && head.state != RecordHead::is_done) return false;
    if (head.bytes < sizeof head || head.bytes > rest || head.bytes % record_alignment != 0 || head.count > action_texts_max) return false;
    return crc32c(ByteSpan(queue.ring).subspan(at + RecordHead::checked_from, head.bytes - RecordHead::checked_from)) == head.crc;
}

void ActionQueue::set_head(Queue& queue, Position head) {
    queue.head = head;
    std::atomic_ref(queue.section->head).store(head, std::memory_order_release);
}

void ActionQueue::commit(Queue& queue) {
    Commit next{++queue.generation, queue.tail, queue.high.epoch, queue.high.sequence, queue.high.ordinal, 0};
    next.crc = next.checksum();
    Commit& place = queue.section->commits[next.generation % 2];
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the record before its commit
    std::atomic_thread_fence(std::memory_order_release);
    place.crc = ~next.crc;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    place = next;
    std::atomic_signal_fence(std::memory_order_seq_cst);
}

// Moves the head behind what is done or unused; with drop, behind one that waits, too.
void ActionQueue::pass(Queue& queue, bool drop) {
    Position head = queue.head;
    while (head != queue.tail) {
        const RecordHead record = head_at(queue, head);
        const bool waits = record.state == RecordHead::waits;
        if (waits && !drop) break;
        if (waits) {
            drop = false;
            ++queue.counters.dropped;
            --queue.counters.waiting;
        }
        head += record.bytes;
    }
    if (head != queue.head) set_head(queue, head);
}

bool ActionQueue::make_room(Queue& queue, Bytes bytes) {
    while (queue.ring.size() - (queue.tail - queue.head) < bytes && queue.head != queue.tail) pass(queue, true);
    return queue.ring.size() - (queue.tail - queue.head) >= bytes;
}

ActionQueue::Added ActionQueue::add(const Action& action) {
    Queue& queue = queues_[static_cast<std::size_t>(action.kind)];
    RecordHead head{};
    Bytes bytes = sizeof head + action.payload.size();
    for (std::size_t i = 0; i < action.count; ++i) bytes += sizeof(std::uint32_t) + action.texts[i].size();
    bytes = align_up(bytes, record_alignment);
    {
        const std::lock_guard lock(mutex_);
        if (action.id.epoch != 0 && action.id <= queue.high) {
            ++queue.counters.known;
            return Added::known;
        }
        if (bytes > action_bytes_max || action.count == 0 || action.count > action_texts_max) {
            ++queue.counters.refused;
            return Added::too_long;
        }
        const Bytes rest = queue.ring.size() - place(queue.ring.size(), queue.tail);
        const Bytes unused = rest < bytes ? rest : 0;
        WEIR_ASSERT(make_room(queue, unused + bytes));
        if (unused > 0) {
            head.bytes = static_cast<std::uint32_t>(unused);
            head.state = RecordHead::is_unused;
            put(queue, queue.tail, head);
        }
        const Position at = queue.tail + static_cast<Position>(unused);
        head = {};
        head.bytes = static_cast<std::uint32_t>(bytes);
        head.state = RecordHead::waits;
        head.kind = static_cast<std::uint8_t>(action.kind);
        head.qos = action.qos;
        head.retain = action.retain ? 1 : 0;
        head.retries = action.retries;
        head.ordinal = action.id.ordinal;
        // A topic's connection, a program, a URL, a chip.
        head.destination = static_cast<std::uint32_t>(hash64(as_byte_span(action.texts[0])));
        head.epoch = action.id.epoch;
        head.sequence = action.id.sequence;
        head.timeout_us = action.timeout.us();
        head.number = action.number;
        head.count = static_cast<std::uint32_t>(action.count);
        head.payload_bytes = static_cast<std::uint32_t>(action.payload.size());
        const MutableByteSpan record = queue.ring.subspan(place(queue.ring.size(), at), bytes);
        std::memset(record.data() + (bytes - record_alignment), 0, record_alignment);
        put(queue, at, head);
        ByteWriter out(record.subspan(sizeof head));
        for (std::size_t i = 0; i < action.count; ++i) out.text(action.texts[i]);
        out.bytes(as_byte_span(action.payload));
        head.crc = crc32c(ByteSpan(record).subspan(RecordHead::checked_from));
        put(queue, at, head);
        queue.tail = at + static_cast<Position>(bytes);
        if (action.id.epoch != 0) queue.high = action.id;
        commit(queue);
        ++queue.counters.added;
        ++queue.counters.waiting;
    }
    if (wake_) wake_();
    return Added::yes;
}

std::optional<ActionQueue::Waiting> ActionQueue::next(ActionKind kind, std::optional<Position> behind) const {
    const std::lock_guard lock(mutex_);
    const Queue& queue = queues_[static_cast<std::size_t>(kind)];
    Position at = queue.head;
    // What lay there may have made room meanwhile.
    if (behind && *behind - queue.head < queue.tail - queue.head) at = *behind + head_at(queue, *behind).bytes;
    while (at != queue.tail) {
        const RecordHead head = head_at(queue, at);
        if (head.state == RecordHead::waits) return Waiting{at, head.destination};
        at += head.bytes;
    }
    return std::nullopt;
}

bool ActionQueue::read(ActionKind kind, Position position, MutableByteSpan buffer, Action& action) const {
    RecordHead head;
    {
        const std::lock_guard lock(mutex_);
        const Queue& queue = queues_[static_cast<std::size_t>(kind)];
        if (position - queue.head >= queue.tail - queue.head) return false;
        head = head_at(queue, position);
        if (head.bytes > buffer.size()) return false;
        std::memcpy(buffer.data(), queue.ring.data() + place(queue.ring.size(), position), head.bytes);
    }
    ByteReader in(ByteSpan(buffer).subspan(sizeof head, head.bytes - sizeof head));
    action = {};
    action.kind = kind;
    action.id = {head.epoch, head.sequence, head.ordinal};
    action.qos = head.qos;
    action.retain = head.retain != 0;
    action.retries = head.retries;
    action.timeout = Duration::micros(head.timeout_us);
    action.number = head.number;
    action.count = std::min<std::size_t>(head.count, action_texts_max);
    for (std::size_t i = 0; i < action.count; ++i) action.texts[i] = in.text();
    action.payload = as_text(in.bytes(head.payload_bytes));
    return in.ok();
}

bool ActionQueue::holds(ActionKind kind, Position position) const {
    const std::lock_guard lock(mutex_);
    const Queue& queue = queues_[static_cast<std::size_t>(kind)];
    return position - queue.head < queue.tail - queue.head && head_at(queue, position).state == RecordHead::waits;
}

// One that has made room in between has come to its end all the same.
void ActionQueue::finish(ActionKind kind, Position position, End end) {
    const std::lock_guard lock(mutex_);
    Queue& queue = queues_[static_cast<std::size_t>(kind)];
    ++(end == End::done ? queue.counters.done : queue.counters.given_up);
    if (position - queue.head >= queue.tail - queue.head) {
        --queue.counters.dropped;
        return;
    }
    std::byte* const state = queue.ring.data() + place(queue.ring.size(), position) + offsetof(RecordHead, state);
    if (*state != std::byte{RecordHead::waits}) return;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    *state = std::byte{RecordHead::is_done};
    --queue.counters.waiting;
    pass(queue, false);
}

ActionCounters ActionQueue::counters(ActionKind kind) const {
    const std::lock_guard lock(mutex_);
    return queues_[static_cast<std::size_t>(kind)].counters;
}

std::uint64_t ActionQueue::waiting() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t sum = 0;
    for (const Queue& queue : queues_) sum += queue.counters.waiting;
    return sum;
}

}  // namespace weir

#include "agent/accounting.h"

#include <numeric>

namespace weir {
namespace {

template <std::size_t count>
std::uint64_t sum_of(const std::array<std::uint64_t, count>& values) {
    return std::accumulate(values.begin(), values.end(), std::uint64_t{0});
}

}  // namespace

std::string_view name(IntakeDrop drop) {
    constexpr std::string_view names[intake_drops] = {"retained", "oversized", "duplicates", "shed"};
    return names[static_cast<std::size_t>(drop)];
}

std::string_view name(MessageEnd end) {
    constexpr std::string_view names[message_ends] = {"with_events", "malformed", "topic_mismatch", "without_time", "oversized", "empty"};
    return names[static_cast<std::size_t>(end)];
}

bool LinkAccounting::sum_ok() const { return received == journaled + sum_of(dropped); }

void Intake::journaled(std::size_t link) {
    if (link >= links_.size()) return;
    ++links_[link].received;
    ++links_[link].journaled;
}

void Intake::dropped(std::size_t link, ByteSpan payload) {
    if (link >= links_.size() || payload.size() != drop_bytes) return;
    const auto drop = static_cast<std::size_t>(payload[0]);
    if (drop >= intake_drops) return;
    ++links_[link].received;
    ++links_[link].dropped[drop];
}

void Intake::reset() {
    for (LinkAccounting& link : links_) link = {};
}

void Intake::save(ByteWriter& out) const {
    out.write(static_cast<std::uint32_t>(links_.size()));
    for (const LinkAccounting& link : links_) {
        out.write(link.received);
        out.write(link.journaled);
        for (const std::uint64_t count : link.dropped) out.write(count);
    }
}

bool Intake::load(ByteReader& in) {
    if (in.read<std::uint32_t>() != links_.size()) return false;
    for (LinkAccounting& link : links_) {
        link.received = in.read<std::uint64_t>();
        link.journaled = in.read<std::uint64_t>();
        for (std::uint64_t& count : link.dropped) count = in.read<std::uint64_t>();
    }
    return in.ok();
}

void MessageEnds::add(const Before& before, const DecodeCounters& after) {
    MessageEnd end = MessageEnd::empty;
    if (after.events != before.events) [[likely]]
        end = MessageEnd::with_events;
    else if (after[DecodeReason::topic_mismatch] != before.topic_mismatch)
        end = MessageEnd::topic_mismatch;
    else if (after[DecodeReason::malformed] != before.malformed)
        end = MessageEnd::malformed;
    else if (after.dropped_events != before.dropped_events)
        end = MessageEnd::without_time;
    else if (after[DecodeReason::oversized] != before.oversized)
        end = MessageEnd::oversized;
    ++counts_[static_cast<std::size_t>(end)];
}

SourceAccounting accounting_of(const DecodeCounters& decode, const MessageEnds& ends, const SourceStatus& source) {
    const auto counter = [&](SourceCounter which) { return source.counters[static_cast<std::size_t>(which)]; };
    SourceAccounting out;
    out.messages = decode.messages;
    out.ends = ends;
    out.missing_time = decode[DecodeReason::missing_time];
    out.bad_time = decode[DecodeReason::bad_time];
    out.events = decode.events + decode.dropped_events;
    out.rows = counter(SourceCounter::rows);
    out.future = counter(SourceCounter::future);
    out.absurd_time = counter(SourceCounter::absurd_time);
    out.to_windows = out.rows - out.future - out.absurd_time;
    out.sum_ok = out.messages == sum_of(ends.counts()) && out.events == out.rows + out.missing_time + out.bad_time &&
                 out.rows >= out.future + out.absurd_time;
    return out;
}

bool sum_ok(const WindowStatus& window) {
    const auto counter = [&](WindowCounter which) { return window.counters[static_cast<std::size_t>(which)]; };
    std::uint64_t sum = 0;
    for (const WindowCounter part :
         {WindowCounter::counted, WindowCounter::filtered, WindowCounter::where_null, WindowCounter::late,
          WindowCounter::late_after_power_cut, WindowCounter::late_after_eviction, WindowCounter::quarantined, WindowCounter::gap_invalid})
        sum += counter(part);
    return counter(WindowCounter::rows) == sum;
}

bool sum_ok(const PatternStatus& pattern) {
    const auto counter = [&](PatternCounter which) { return pattern.counters[static_cast<std::size_t>(which)]; };
    std::uint64_t sum = 0;
    for (const PatternCounter part : {PatternCounter::counted, PatternCounter::filtered, PatternCounter::where_null, PatternCounter::late,
                                      PatternCounter::quarantined, PatternCounter::groups_full, PatternCounter::pending_full})
        sum += counter(part);
    return counter(PatternCounter::rows) == sum;
}

}  // namespace weir

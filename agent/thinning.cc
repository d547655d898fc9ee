#include "agent/thinning.h"

#include <array>

#include "agent/base/log.h"
#include "agent/base/record.h"
#include "agent/journal_control.h"

namespace weir {
namespace {

std::uint64_t split_mix(std::uint64_t x) {
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return x ^ (x >> 31);
}

// What may be unread while one message in 2^level is kept: 1/2, 3/4, 7/8 ...
double most(unsigned level) { return 1 - 0.5 / static_cast<double>(1U << level); }

}  // namespace

unsigned Thinning::next_level(unsigned level, double unread) {
    while (level < sampled_level_max && unread > most(level)) ++level;
    while (level > 0 && unread < most(level - 1) / 2) --level;
    return level;
}

bool Thinning::keep(Timestamp arrival, bool clock_trusted) {
    const unsigned wanted = enabled_ ? next_level(level_, journal_.unread_share()) : 0;
    if (wanted != level_) {
        std::array<std::byte, sampling_bytes> bytes;
        ByteWriter out(bytes);
        write_sampling(out, {link_, static_cast<std::uint8_t>(wanted)});
        JournalEntry entry;
        entry.kind = EntryKind::control;
        entry.link = link_;
        entry.arrival = arrival;
        entry.clock_trusted = clock_trusted;
        entry.payload = out.written();
        if (journal_.append(entry).ok()) {
            if (level_ == 0) WEIR_LOG_WARNING("mqtt", "messages come faster than they can be worked off: of some only a share is kept, and results say so");
            if (wanted == 0) WEIR_LOG_INFO("mqtt", "every message is kept again");
            level_ = wanted;
        }
    }
    return level_ == 0 || (split_mix(draws_++) & ((1U << level_) - 1)) == 0;
}

}  // namespace weir

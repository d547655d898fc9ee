#include "agent/journal_tail.h"

#include <limits>

#include "agent/base/hash.h"
#include "agent/journal_format.h"

namespace weir {

using namespace journal_format;

namespace {

bool is_skip(const EntryHeader& header) { return (header.kind_flags & kind_mask) == kind_skip; }

std::uint64_t content_bytes(const EntryHeader& header) { return std::uint64_t{header.topic_length} + header.payload_length; }

// What can be said of a header without the entry before it.
bool well_formed(const EntryHeader& header, Bytes to_ring_end, std::uint16_t links) {
    if (header.length < sizeof header || header.length > to_ring_end || header.link >= links) return false;
    if ((header.kind_flags & kind_mask) > kind_greatest) return false;
    return is_skip(header) ? content_bytes(header) == 0 && header.length == to_ring_end
                           : align_up64(sizeof header + content_bytes(header), entry_alignment) == header.length;
}

}  // namespace

Result<JournalTail> JournalTail::read(std::string file) {
    JournalTail tail;
    tail.file_ = std::move(file);
    if (tail.file_.size() < page_bytes) return Error::corrupt;
    const auto* const bytes = reinterpret_cast<const std::byte*>(tail.file_.data());
    const auto header = load_le<FileHeader>(bytes);
    if (header.magic != file_magic || header.crc != checksum(header)) return Error::corrupt;
    if (header.version != file_version) return Error::unsupported;
    if (header.links == 0 || header.links > links_max || header.ring_bytes > std::numeric_limits<std::uint32_t>::max()) return Error::corrupt;
    JournalParams params;
    params.links = header.links;
    params.horizon_rows = header.horizon_rows;
    params.ring_bytes = static_cast<Bytes>(header.ring_bytes);
    tail.ring_offset_ = ring_offset(params);
    tail.ring_bytes_ = params.ring_bytes;
    tail.links_ = header.links;
    if (params.ring_bytes % ring_alignment != 0 || params.ring_bytes == 0 || tail.file_.size() < tail.ring_offset_ ||
        tail.file_.size() - tail.ring_offset_ < params.ring_bytes + Journal::readable_behind)
        return Error::corrupt;

    std::uint64_t generation = 0;
    State mark;
    for (const Bytes place : release_slot_offset) {
        const auto slot = load_le<ReleaseSlot>(bytes + place);
        if (slot.generation <= generation || slot.crc != checksum(slot, header.salt) || slot.offset % entry_alignment != 0) continue;
        generation = slot.generation;
        mark = {static_cast<Bytes>(slot.offset % params.ring_bytes), slot.sequence + 1, slot.chain};
    }
    if (generation == 0) return Error::corrupt;
    mark.place = tail.placed(mark.place);

    State newest = mark;
    std::vector<std::uint32_t> ahead;
    for (State state = mark; ahead.size() <= params.ring_bytes / sizeof(EntryHeader); newest = state) {
        const Bytes place = state.place;
        if (!tail.step(state)) break;
        if (!is_skip(load_le<EntryHeader>(tail.ring() + place))) ahead.push_back(static_cast<std::uint32_t>(place));
    }
    tail.look_back(mark, newest, static_cast<std::uint32_t>(header.salt));
    tail.places_.insert(tail.places_.end(), ahead.begin(), ahead.end());
    return tail;
}

// A rest of the ring too short for a header is passed over.
Bytes JournalTail::placed(Bytes place) const { return ring_bytes_ - place < sizeof(EntryHeader) ? 0 : place; }

JournalTail::State JournalTail::behind(Bytes place) const {
    const auto header = load_le<EntryHeader>(ring() + place);
    return {placed((place + header.length) % ring_bytes_), header.sequence + (is_skip(header) ? 0 : 1), header.crc};
}

// Over the entry at a state, if it is whole and its successor.
bool JournalTail::step(State& state) const {
    const auto header = load_le<EntryHeader>(ring() + state.place);
    if (header.sequence != state.sequence || !well_formed(header, ring_bytes_ - state.place, links_)) return false;
    const Bytes bytes = sizeof header + static_cast<Bytes>(content_bytes(header));
    if (header.crc != checksum(ring() + state.place, bytes, state.chain)) return false;
    state = behind(state.place);
    return true;
}

bool JournalTail::plausible(Bytes place, const State& mark) const {
    const auto header = load_le<EntryHeader>(ring() + place);
    return header.sequence != 0 && header.sequence <= mark.sequence && header.sequence + ring_bytes_ / sizeof(EntryHeader) >= mark.sequence &&
           well_formed(header, ring_bytes_ - place, links_);
}

// The longest chain that arrives at the mark. Where a chain goes on depends on its place alone, so each place is
// walked over once, however many false beginnings there are.
void JournalTail::look_back(const State& mark, const State& newest, std::uint32_t seed) {
    std::vector<bool> dead(ring_bytes_ / entry_alignment);
    const Bytes steps = ring_bytes_ / entry_alignment;
    for (Bytes i = 0; i < steps; ++i) {
        const Bytes place = (newest.place + i * entry_alignment) % ring_bytes_;
        if (ring_bytes_ - place < sizeof(EntryHeader) || dead[place / entry_alignment] || !plausible(place, mark)) continue;
        std::vector<std::uint32_t> walked{static_cast<std::uint32_t>(place)};
        State state = behind(place);
        while (state != mark && state.sequence <= mark.sequence && !dead[state.place / entry_alignment]) {
            const Bytes at = state.place;
            if (walked.size() > steps || !step(state)) break;
            walked.push_back(static_cast<std::uint32_t>(at));
        }
        if (state != mark) {
            for (const std::uint32_t at : walked) dead[at / entry_alignment] = true;
            continue;
        }
        // The very first entry is seeded with the salt.
        State first{place, load_le<EntryHeader>(ring() + place).sequence, seed};
        from_its_beginning_ = place == 0 && step(first);
        for (const std::uint32_t at : walked)
            if ((at != walked.front() || from_its_beginning_) && !is_skip(load_le<EntryHeader>(ring() + at))) places_.push_back(at);
        return;
    }
    // Nothing is released yet: the mark is where the ring began.
    from_its_beginning_ = mark.place == 0 && mark.chain == seed;
}

JournalEntry JournalTail::entry(std::size_t index) const {
    const std::byte* const at = ring() + places_[index];
    return unpack(at, load_le<EntryHeader>(at));
}

}  // namespace weir

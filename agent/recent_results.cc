#include "agent/recent_results.h"

#include <algorithm>
#include <cstring>

#include "agent/base/json_writer.h"

namespace weir {
namespace {

constexpr Bytes all_rings_bytes = Bytes{256} << 10;
constexpr Bytes ring_bytes_least = Bytes{8} << 10;
constexpr Bytes ring_bytes_most = Bytes{48} << 10;
constexpr std::size_t word_bytes = sizeof(std::uint32_t);

std::size_t streams_of(const Assembly& assembly) { return assembly.engine().windows() + assembly.engine().patterns() + 1; }
std::size_t words_of(std::size_t bytes) { return 1 + (bytes + word_bytes - 1) / word_bytes; }

}  // namespace

Bytes RecentResults::ring_bytes(const Assembly& assembly) {
    return std::clamp<Bytes>(all_rings_bytes / streams_of(assembly) / 1024 * 1024, ring_bytes_least, ring_bytes_most);
}

Bytes RecentResults::need(const Assembly& assembly) {
    return streams_of(assembly) * Arena::need<Word>(ring_bytes(assembly) / word_bytes) + Arena::need<char>(entry_bytes_max);
}

RecentResults::RecentResults(Arena& arena, const Assembly& assembly) {
    const std::size_t words = ring_bytes(assembly) / word_bytes;
    rings_.reserve(streams_of(assembly));
    for (std::size_t w = 0; w < assembly.engine().windows(); ++w) rings_.emplace_back(assembly.engine().window(w).name, arena.take<Word>(words));
    for (std::size_t p = 0; p < assembly.engine().patterns(); ++p) rings_.emplace_back(assembly.engine().pattern(p).name, arena.take<Word>(words));
    rings_.emplace_back("", arena.take<Word>(words));
    text_ = arena.take<char>(entry_bytes_max);
}

void RecentResults::add(const Record& record) {
    Ring* ring = &rings_.back();
    if (record.kind != RecordKind::alert) {
        const auto found = std::find_if(rings_.begin(), rings_.end(), [&](const Ring& of) { return of.name == record.window; });
        if (found == rings_.end()) return;
        ring = &*found;
    }
    JsonWriter json(text_);
    write_record(json, record, {});
    if (json.ok())
        push(*ring, json.text());
    else
        left_out_.fetch_add(1, std::memory_order_relaxed);
}

void RecentResults::push(Ring& ring, std::string_view text) {
    const std::size_t room = ring.words.size();
    const std::size_t size = words_of(text.size());
    const std::uint64_t head = ring.head.load(std::memory_order_relaxed);
    std::uint64_t tail = ring.tail.load(std::memory_order_relaxed);
    while (head + size - tail > room) tail += words_of(ring.words[tail % room].load(std::memory_order_relaxed));
    ring.tail.store(tail, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    ring.words[head % room].store(static_cast<std::uint32_t>(text.size()), std::memory_order_relaxed);
    for (std::size_t i = 1; i < size; ++i) {
        std::uint32_t word = 0;
        const std::string_view part = text.substr((i - 1) * word_bytes, word_bytes);
        std::memcpy(&word, part.data(), part.size());
        ring.words[(head + i) % room].store(word, std::memory_order_relaxed);
    }
    ring.head.store(head + size, std::memory_order_release);
}

void RecentResults::read(std::size_t stream, std::uint64_t& place, std::span<char> scratch, std::vector<std::string_view>& out) const {
    const Ring& ring = rings_[stream];
    const std::size_t room = ring.words.size();
    const std::uint64_t head = ring.head.load(std::memory_order_acquire);
    const std::uint64_t begin = std::max(place, ring.tail.load(std::memory_order_relaxed));
    place = std::max(place, head);
    if (begin >= head || (head - begin) * word_bytes > scratch.size()) return;
    for (std::uint64_t at = begin; at < head; ++at) {
        const std::uint32_t word = ring.words[at % room].load(std::memory_order_relaxed);
        std::memcpy(scratch.data() + (at - begin) * word_bytes, &word, word_bytes);
    }
    std::atomic_thread_fence(std::memory_order_acquire);
    std::uint64_t at = std::max(begin, ring.tail.load(std::memory_order_relaxed));  // what lies before may have been written over
    while (at < head) {
        std::uint32_t size = 0;
        std::memcpy(&size, scratch.data() + (at - begin) * word_bytes, word_bytes);
        out.push_back({scratch.data() + (at - begin + 1) * word_bytes, size});
        at += words_of(size);
    }
}

}  // namespace weir

#include "agent/journal.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

#include "agent/base/assert.h"
#include "agent/base/hash.h"
#include "agent/journal_format.h"

namespace weir {

using namespace journal_format;

namespace {

// What topic and payload of this length take in the ring.
Bytes entry_bytes(Bytes content) { return align_up(sizeof(EntryHeader) + content, entry_alignment); }

// Room kept free below the high mark: what was read from sockets in the smallest PUBLISH packets there
// are, one message of the greatest length behind it, and what a wrap of that one leaves unused.
Bytes reserved_room(const JournalParams& params) {
    constexpr Bytes smallest_publish = 7;  // fixed header 2, topic length 2, topic 1, packet id 2
    const Bytes read_ahead = (params.read_ahead_bytes / smallest_publish + 1) * entry_bytes(1);
    return params.control_bytes + read_ahead + 2 * entry_bytes(params.message_bytes_max);
}

JournalParams rounded(JournalParams params) {
    params.ring_bytes = align_up(params.ring_bytes, ring_alignment);
    return params;
}

std::uint8_t pack_flags(const JournalEntry& entry) {
    return static_cast<std::uint8_t>(static_cast<unsigned>(entry.kind) | (entry.dup ? flag_dup : 0u) |
                                     (entry.retained ? flag_retained : 0u) |
                                     (entry.clock_trusted ? flag_clock_trusted : 0u) |
                                     ((entry.qos & 3u) << qos_shift));
}

// Makes the entry valid by its last store. Until then its length is zero, which no entry has.
void store_header(std::byte* at, const EntryHeader& header) {
    constexpr Bytes behind_length = sizeof header.length;
    std::memcpy(at + behind_length, reinterpret_cast<const std::byte*>(&header) + behind_length,
                sizeof header - behind_length);
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(at)).store(header.length, std::memory_order_release);
}

void invalidate(std::byte* at) {
    std::atomic_ref(*reinterpret_cast<std::uint32_t*>(at)).store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
}

}  // namespace

JournalEntry journal_format::unpack(const std::byte* at, const EntryHeader& header) {
    JournalEntry entry;
    entry.sequence = header.sequence;
    entry.arrival = Timestamp::micros(header.arrival_us);
    entry.clock_trusted = header.kind_flags & flag_clock_trusted;
    entry.kind = static_cast<EntryKind>(header.kind_flags & kind_mask);
    entry.source = header.source;
    entry.link = header.link;
    entry.connection = header.connection;
    entry.packet_id = header.packet_id;
    entry.qos = static_cast<std::uint8_t>((header.kind_flags >> qos_shift) & 3u);
    entry.dup = header.kind_flags & flag_dup;
    entry.retained = header.kind_flags & flag_retained;
    const ByteSpan content{at + sizeof header, Bytes{header.topic_length} + header.payload_length};
    entry.topic = as_text(content.first(header.topic_length));
    entry.payload = content.subspan(header.topic_length);
    return entry;
}

Bytes Journal::need(const JournalParams& params) {
    return ring_offset(params) + align_up(rounded(params).ring_bytes + readable_behind, page_bytes);
}

Bytes Journal::ring_bytes_min(const JournalParams& params) {
    return align_up(reserved_room(params) + entry_bytes(params.message_bytes_max), ring_alignment);
}

Result<JournalParams> Journal::inspect(Files& files, const std::string& path) {
    const Result<Bytes> size = files.size(path);
    if (!size) return size.error();
    if (*size < page_bytes) return Error::corrupt;
    Result<std::unique_ptr<MappedFile>> file = files.map(path, *size);
    if (!file) return file.error();
    const auto header = load_le<FileHeader>((*file)->memory().data());
    if (header.magic != file_magic || header.crc != checksum(header)) return Error::corrupt;
    if (header.version != file_version) return Error::unsupported;
    JournalParams params;
    params.message_bytes_max = params.read_ahead_bytes = params.control_bytes = 0;
    params.ring_bytes = static_cast<Bytes>(header.ring_bytes);
    params.links = header.links;
    params.horizon_rows = header.horizon_rows;
    if (need(params) != *size) return Error::corrupt;
    return params;
}

Result<std::unique_ptr<Journal>> Journal::open(Files& files, Entropy& entropy, const std::string& path,
                                               const JournalParams& params, JournalOpenReport& report) {
    report = {};
    if (params.links == 0 || params.links > links_max || params.horizon_rows == 0) return Error::out_of_range;
    if (rounded(params).ring_bytes < ring_bytes_min(params)) return Error::out_of_range;

    const Bytes bytes = need(params);
    const Result<Bytes> size = files.size(path);
    if (!size && size.error() != Error::missing) return size.error();
    // An empty file is one that was being made.
    if (size && *size != 0 && *size != bytes) report.reason = "it is truncated, or was made with another size";

    for (;;) {
        if (!report.reason.empty() && report.kind != JournalOpenReport::Kind::set_aside) {
            report.kind = JournalOpenReport::Kind::set_aside;
            report.aside_path = path + ".aside";
            if (Status moved = files.rename(path, report.aside_path); !moved) return moved.error();
        }
        Result<std::unique_ptr<MappedFile>> file = files.map(path, bytes);
        if (!file) return file.error();
        const bool made = is_zero((*file)->memory().first(page_bytes));
        std::unique_ptr<Journal> journal(new Journal(std::move(*file), params));
        if (made) {
            journal->format(entropy.word());
        } else {
            report.reason = journal->recover();
            if (!report.reason.empty()) continue;
            report.kind = JournalOpenReport::Kind::recovered;
        }
        // The room before the release mark is used again at once, so the mark has to be on the medium.
        if (params.durable)
            if (Status synced = journal->sync(); !synced) return synced.error();
        report.oldest = journal->oldest_sequence();
        report.newest = journal->newest_sequence();
        report.entries = report.newest + 1 - report.oldest;
        return journal;
    }
}

Journal::Journal(std::unique_ptr<MappedFile> file, const JournalParams& params)
    : file_(std::move(file)),
      params_(rounded(params)),
      ring_(file_->memory().data() + ring_offset(params)),
      high_mark_(params_.ring_bytes - reserved_room(params)),
      duplicates_(file_->memory().subspan(page_bytes, ring_offset(params) - page_bytes), params.links,
                  params.horizon_rows) {}

Journal::~Journal() = default;

void Journal::format(std::uint64_t salt) {
    salt_ = salt;
    chain_ = covered_chain_ = static_cast<std::uint32_t>(salt);
    const std::uint64_t before = params_.first_sequence == 0 ? 0 : params_.first_sequence - 1;
    newest_.store(before);
    released_.store(before);
    store_release_slot();
    FileHeader header{};
    header.magic = file_magic;
    header.version = file_version;
    header.ring_bytes = params_.ring_bytes;
    header.salt = salt;
    header.links = params_.links;
    header.horizon_rows = params_.horizon_rows;
    header.crc = checksum(header);
    std::atomic_thread_fence(std::memory_order_release);
    store_le(file_->memory().data(), header);
}

std::string_view Journal::recover() {
    const auto header = load_le<FileHeader>(file_->memory().data());
    if (header.magic != file_magic) return "it is not a journal";
    if (header.version != file_version) return "it is of another version";
    if (header.crc != checksum(header)) return "its header is damaged";
    if (header.ring_bytes != params_.ring_bytes || header.links != params_.links ||
        header.horizon_rows != params_.horizon_rows)
        return "it was made with other sizes";
    salt_ = header.salt;
    if (!recover_release()) return "its release marks are damaged";
    recover_entries();
    if (params_.first_sequence == 0) return {};
    if (newest_sequence() + 1 < params_.first_sequence) return "it ends before the checkpoint";
    if (oldest_sequence() > params_.first_sequence) return "it begins after the checkpoint";
    return {};
}

// The greater generation of the two slots that is whole; one may have been torn by the crash.
bool Journal::recover_release() {
    for (const Bytes place : release_slot_offset) {
        const auto slot = load_le<ReleaseSlot>(file_->memory().data() + place);
        if (slot.generation <= release_generation_ || slot.crc != checksum(slot, salt_)) continue;
        release_generation_ = slot.generation;
        covered_chain_ = slot.chain;
        covered_.store(slot.offset);
        released_.store(slot.sequence);
    }
    return release_generation_ > 0 && covered_.load() % entry_alignment == 0;
}

// From the release mark on, as far as entries follow each other.
void Journal::recover_entries() {
    end_ = freed_ = covered_.load();
    chain_ = covered_chain_;
    std::uint64_t newest = released_.load();
    while (valid_at(place(end_), newest + 1)) {
        end_ = place(end_);
        const auto header = load_le<EntryHeader>(at(end_));
        end_ += header.length;
        chain_ = header.crc;
        if ((header.kind_flags & kind_mask) != kind_skip) ++newest;
    }
    newest_.store(newest);

    written_ = end_;
    read_ = freed_;
    duplicates_.recover(newest);
    JournalCursor cursor = seek(0);
    for (JournalEntry entry; next(cursor, entry);)
        if (entry.kind == EntryKind::message && entry.qos == 1)
            duplicates_.remember(entry.link, entry.packet_id, DuplicateHorizon::hash(entry.topic, entry.payload),
                                 entry.sequence);
    const std::lock_guard lock(append_mutex_);
    update_marks();
}

// Whether the entry of this sequence is at offset, whole, and the successor of the one before. Trusts
// nothing that it reads: these may be an old lap's bytes, or anybody's.
bool Journal::valid_at(std::uint64_t offset, std::uint64_t sequence) const {
    const Bytes to_ring_end = params_.ring_bytes - static_cast<Bytes>(offset % params_.ring_bytes);
    const auto header = load_le<EntryHeader>(at(offset));
    if (header.length < sizeof header || header.length > to_ring_end) return false;
    if (offset + header.length - freed_ > params_.ring_bytes) return false;
    if (header.sequence != sequence || header.link >= params_.links) return false;
    const unsigned kind = header.kind_flags & kind_mask;
    if (kind > kind_greatest) return false;
    // In 64 bits: the lengths are a stranger's, and Bytes has 32 on some machines.
    const std::uint64_t content = std::uint64_t{header.topic_length} + header.payload_length;
    const bool length_fits =
        kind == kind_skip ? content == 0 && header.length == to_ring_end
                          : align_up64(sizeof header + content, entry_alignment) == header.length;
    return length_fits && header.crc == checksum(at(offset), sizeof header + static_cast<Bytes>(content), chain_);
}

// Where the entry behind offset begins: a rest of the ring too short for a header is passed over.
std::uint64_t Journal::place(std::uint64_t offset) const {
    const Bytes to_ring_end = params_.ring_bytes - static_cast<Bytes>(offset % params_.ring_bytes);
    return to_ring_end < sizeof(EntryHeader) ? offset + to_ring_end : offset;
}

Result<Journal::Appended> Journal::append(const JournalEntry& entry) {
    if (entry.topic.size() > topic_bytes_max || entry.topic.size() + entry.payload.size() > params_.message_bytes_max)
        return Error::out_of_range;
    WEIR_ASSERT(entry.link < params_.links);
    const bool is_shed = entry.kind == EntryKind::shed;
    const Bytes content = is_shed ? 0 : entry.topic.size() + entry.payload.size();
    const bool is_message = entry.kind == EntryKind::message || is_shed;
    const bool redeliverable = is_message && entry.qos == 1;
    const std::uint64_t hash = redeliverable ? DuplicateHorizon::hash(entry.topic, entry.payload) : 0;

    std::unique_lock lock(append_mutex_);
    if (redeliverable && entry.dup && duplicates_.is_duplicate(entry.link, entry.packet_id, hash)) {
        ++counted_.duplicates;
        return Appended{0, true};
    }
    const Bytes bytes = entry_bytes(content);
    const std::uint64_t start = place(end_);
    const Bytes to_ring_end = params_.ring_bytes - static_cast<Bytes>(start % params_.ring_bytes);
    const bool wraps = bytes > to_ring_end;
    const std::uint64_t end = start + (wraps ? to_ring_end : 0) + bytes;
    const bool from_outside = is_message || entry.kind == EntryKind::connection;
    const Bytes kept = from_outside ? params_.control_bytes : entry.kind == EntryKind::tick ? 0 : params_.tick_bytes;
    const Bytes usable = params_.ring_bytes - kept;
    if (end - freed_ > usable) {
        ++counted_.full;
        return Error::full;
    }
    const std::uint64_t sequence = newest_.load(std::memory_order_relaxed) + 1;
    end_ = start;
    if (wraps) store_skip(sequence);
    if (redeliverable) duplicates_.remember(entry.link, entry.packet_id, hash, sequence);
    if (is_shed) {
        JournalEntry head = entry;
        head.topic = {};
        head.payload = {};
        store(head, sequence);
    } else {
        store(entry, sequence);
    }
    written_.store(end_, std::memory_order_relaxed);
    newest_.store(sequence, std::memory_order_seq_cst);
    ++counted_.appended;
    counted_.appended_bytes += bytes;
    update_marks();
    lock.unlock();
    notify_reader();
    return Appended{sequence, false};
}

bool Journal::is_repeated(const JournalEntry& entry) {
    if (!entry.dup || entry.qos != 1) return false;
    const std::lock_guard lock(append_mutex_);
    return duplicates_.is_duplicate(entry.link, entry.packet_id, DuplicateHorizon::hash(entry.topic, entry.payload));
}

bool Journal::has_room_for_tick() {
    const Bytes bytes = entry_bytes(sizeof(std::uint64_t));
    const std::lock_guard lock(append_mutex_);
    return end_ + 2 * bytes - freed_ <= params_.ring_bytes;  // and as much at most is passed over where the ring ends
}

void Journal::store(const JournalEntry& entry, std::uint64_t sequence) {
    std::byte* place = at(end_);
    invalidate(place);
    EntryHeader header{};
    header.sequence = sequence;
    header.arrival_us = entry.arrival.us();
    header.topic_length = static_cast<std::uint16_t>(entry.topic.size());
    header.payload_length = static_cast<std::uint32_t>(entry.payload.size());
    header.connection = entry.connection;
    header.source = entry.source;
    header.packet_id = entry.packet_id;
    header.link = static_cast<std::uint8_t>(entry.link);
    header.kind_flags = pack_flags(entry);
    header.length = static_cast<std::uint32_t>(entry_bytes(entry.topic.size() + entry.payload.size()));
    if (!entry.topic.empty()) std::memcpy(place + sizeof header, entry.topic.data(), entry.topic.size());
    if (!entry.payload.empty())
        std::memcpy(place + sizeof header + entry.topic.size(), entry.payload.data(), entry.payload.size());
    header.crc = checksum(header, {place + sizeof header, entry.topic.size() + entry.payload.size()}, chain_);
    store_header(place, header);
    chain_ = header.crc;
    end_ += header.length;
}

// Fills the rest of the ring: an entry never wraps round, so that it can be read in one piece.
void Journal::store_skip(std::uint64_t sequence) {
    std::byte* place = at(end_);
    invalidate(place);
    EntryHeader header{};
    header.sequence = sequence;
    header.length = static_cast<std::uint32_t>(params_.ring_bytes - static_cast<Bytes>(end_ % params_.ring_bytes));
    header.crc = checksum(header, {}, chain_);
    store_header(place, header);
    chain_ = header.crc;
    end_ += header.length;
}

// An entry is known as whole by its checksum and the one before it, which seeds it: so they are looked for in pairs.
std::uint64_t Journal::stranded() const {
    const std::uint64_t newest = newest_.load(std::memory_order_acquire);
    const std::uint64_t farthest = newest + params_.ring_bytes / sizeof(EntryHeader);
    std::uint64_t found = 0;
    for (Bytes offset = 0; offset + sizeof(EntryHeader) <= params_.ring_bytes; offset += entry_alignment) {
        const auto first = load_le<EntryHeader>(ring_ + offset);
        if (first.sequence <= newest || first.sequence > farthest || first.length % entry_alignment != 0 ||
            first.length > params_.ring_bytes - offset)
            continue;
        const Bytes behind = offset + first.length;
        if (behind + sizeof(EntryHeader) > params_.ring_bytes) continue;
        const auto second = load_le<EntryHeader>(ring_ + behind);
        const std::uint64_t bytes = sizeof second + std::uint64_t{second.topic_length} + second.payload_length;
        if (second.sequence != first.sequence + 1 || bytes > params_.ring_bytes - behind) continue;
        found += second.crc == checksum(ring_ + behind, static_cast<Bytes>(bytes), first.crc);
    }
    return found;
}

void Journal::forget_session(std::uint16_t link) {
    const std::lock_guard lock(append_mutex_);
    duplicates_.forget(link, newest_.load(std::memory_order_relaxed));
}

Bytes Journal::horizon_bytes(const JournalParams& params) {
    return DuplicateHorizon::save_bytes(params.links, params.horizon_rows);
}

void Journal::save_horizon(std::uint64_t sequence, ByteWriter& out) {
    const std::lock_guard lock(append_mutex_);
    duplicates_.save(sequence, out);
}

Status Journal::load_horizon(ByteSpan saved, std::span<const std::uint16_t> link_of) {
    const std::lock_guard lock(append_mutex_);
    return duplicates_.load(saved, link_of, newest_.load(std::memory_order_relaxed));
}

JournalCursor Journal::seek(std::uint64_t sequence) const {
    JournalCursor cursor;
    {
        const std::lock_guard lock(release_mutex_);
        cursor = {released_.load() + 1, covered_.load()};
    }
    JournalCursor found = cursor;
    for (JournalEntry entry; found.sequence < sequence && next(cursor, entry);) found = cursor;
    return found;
}

bool Journal::next(JournalCursor& cursor, JournalEntry& entry) const {
    if (cursor.sequence > newest_.load(std::memory_order_acquire)) return false;
    cursor.offset = place(cursor.offset);
    auto header = load_le<EntryHeader>(at(cursor.offset));
    if ((header.kind_flags & kind_mask) == kind_skip) {
        cursor.offset += header.length;
        header = load_le<EntryHeader>(at(cursor.offset));
    }
    WEIR_ASSERT(header.sequence == cursor.sequence);
    entry = unpack(at(cursor.offset), header);
    cursor.offset += header.length;
    ++cursor.sequence;
    return true;
}

bool Journal::wait_for_more(const JournalCursor& cursor, Duration at_most) {
    const auto there = [&] { return newest_.load(std::memory_order_seq_cst) >= cursor.sequence; };
    if (there()) return true;
    constexpr Duration longest = Duration::minutes(60);
    const auto deadline = std::chrono::steady_clock::now() +
                          std::chrono::microseconds(std::min(at_most, longest).us());
    std::unique_lock lock(wait_mutex_);
    for (;;) {
        // Announced before looking, as append() publishes before it looks whether somebody sleeps.
        reader_sleeps_.store(true, std::memory_order_seq_cst);
        if (there() || woken_) break;
        if (wait_changed_.wait_until(lock, deadline) == std::cv_status::timeout) break;
    }
    reader_sleeps_.store(false, std::memory_order_relaxed);
    woken_ = false;
    return there();
}

void Journal::wake() {
    {
        const std::lock_guard lock(wait_mutex_);
        woken_ = true;
    }
    wait_changed_.notify_one();
}

void Journal::notify_reader() {
    if (!reader_sleeps_.load(std::memory_order_seq_cst) || !reader_sleeps_.exchange(false)) return;
    wakes_.fetch_add(1, std::memory_order_relaxed);
    // Passing through the lock: the reader is before its look at newest_, or asleep.
    { const std::lock_guard lock(wait_mutex_); }
    wait_changed_.notify_one();
}

void Journal::release_to(std::uint64_t sequence) {
    std::uint64_t covered = 0;
    {
        const std::lock_guard lock(release_mutex_);
        const std::uint64_t last = std::min(sequence, newest_.load(std::memory_order_acquire));
        JournalCursor cursor{released_.load() + 1, covered_.load()};
        if (last < cursor.sequence) return;
        JournalEntry entry;
        while (cursor.sequence <= last && next(cursor, entry)) {
        }
        // The topic, even an empty one, lies right behind the header.
        covered_chain_ = load_le<EntryHeader>(entry.topic.data() - sizeof(EntryHeader)).crc;
        covered = cursor.offset;
        covered_.store(covered);
        released_.store(last);
        store_release_slot();
    }
    if (!params_.durable) free_to(covered);
}

void Journal::store_release_slot() {
    ++release_generation_;
    std::byte* place = file_->memory().data() + release_slot_offset[release_generation_ % 2];
    ReleaseSlot slot{};
    slot.generation = release_generation_;
    slot.sequence = released_.load();
    slot.offset = covered_.load();
    slot.chain = covered_chain_;
    slot.crc = checksum(slot, salt_);
    store_le(place, slot);
    std::atomic_thread_fence(std::memory_order_release);
}

Status Journal::sync() {
    const std::uint64_t covered = covered_.load();
    if (Status synced = file_->sync(); !synced) return synced;
    free_to(covered);
    return {};
}

void Journal::free_to(std::uint64_t offset) {
    const std::lock_guard lock(append_mutex_);
    freed_ = std::max(freed_, offset);
    update_marks();
}

// REQUIRES: append_mutex_ is held, so that the state always follows the newest numbers.
void Journal::update_marks() {
    const auto used = static_cast<Bytes>(end_ - freed_);
    counted_.used = used;
    counted_.used_max = std::max(counted_.used_max, used);
    if (used > high_mark_)
        above_high_mark_.store(true, std::memory_order_relaxed);
    else if (used <= high_mark_ / 2)
        above_high_mark_.store(false, std::memory_order_relaxed);
}

JournalStats Journal::stats() {
    const std::lock_guard lock(append_mutex_);
    JournalStats stats = counted_;
    stats.wakes = wakes_.load(std::memory_order_relaxed);
    return stats;
}

}  // namespace weir

// The journal: a ring of entries in a mapped file, the queue between the threads that receive and the
// engine, and the log that makes a crash harmless. Everything that reaches the engine is an entry here
// first. The page cache outlives the process, so what append() returned for survives SIGKILL.
// Memory: need(params) bytes of file, all mapped; allocates nothing after open().
// Cost: append() one copy and one checksum of the entry, no system call unless the reader sleeps or two
// threads append at once; next() O(1); release_to() O(entries released); open() reads the ring once.
// Threads: append() and every query from any thread; one reader (cursors, wait_for_more()); release_to()
// and sync() from any thread, one at a time each.
// Errors: append(): full, out_of_range (longer than declared). open(): io, no_space, busy, out_of_range
// (a ring too small for its parameters); a file that is damaged or not ours is set aside, not an error.
// Format: journal_format.h. Outside bytes (a damaged file) are checked, never trusted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "agent/duplicates.h"

namespace weir {

enum class EntryKind : std::uint8_t {
    message = 1,     // one MQTT message: topic and payload as they came
    tick = 2,        // time passes; nothing but the arrival time
    control = 3,     // a decision or a command the engine must replay; payload is its owner's business
    connection = 4,  // what a connection did not put into the journal as a message: accounting.h
    shed = 5,        // a message that was not kept (thinning.h): its head alone, to be counted, and known when it comes again
};

// What append() takes and next() gives. Views: into the caller's memory, or into the ring.
struct JournalEntry {
    std::uint64_t sequence = 0;  // given by append(): 1, 2, 3 ... without a hole; ignored on the way in
    Timestamp arrival;
    bool clock_trusted = false;
    EntryKind kind = EntryKind::message;
    std::uint16_t source = 0;      // index of the [[source]]; its owner's business
    std::uint16_t link = 0;        // index of the MQTT connection ([mqtt] or [mqtt.NAME]); packet ids are its own
    std::uint32_t connection = 0;  // how often that link has connected; for diagnosis
    std::uint16_t packet_id = 0;   // QoS 1 only
    std::uint8_t qos = 0;
    bool dup = false;
    bool retained = false;
    std::string_view topic;  // at most 65,535 bytes
    ByteSpan payload;        // from next(): at least 64 more bytes are readable behind it
};

struct JournalParams {
    Bytes ring_bytes = Bytes{4} << 20;
    Bytes message_bytes_max = Bytes{256} << 10;    // topic and payload together
    Bytes read_ahead_bytes = Bytes{64} << 10;      // all links together: read from sockets, not yet appended
    Bytes control_bytes = Bytes{16} << 10;         // room that messages and notes of connections cannot take
    Bytes tick_bytes = 0;                          // of it: room that only ticks can take
    std::uint16_t links = 1;                       // MQTT connections, 255 at most
    std::uint16_t horizon_rows = 256;              // a link: at least the broker's max_inflight
    bool durable = false;                          // on disk: released room is used again after a sync()
    // The entry that the engine needs first, which is the checkpoint's and one: a journal that cannot go
    // on from there is set aside, and a new one begins with it. 0: no checkpoint, any will do.
    std::uint64_t first_sequence = 0;
};

struct JournalOpenReport {
    enum class Kind { created, recovered, set_aside };
    Kind kind = Kind::created;
    std::uint64_t entries = 0;     // recovered, not released
    std::uint64_t oldest = 0;      // sequences; newest < oldest: none
    std::uint64_t newest = 0;
    std::string_view reason;       // set_aside: why, a sentence without a full stop
    std::string aside_path;        // set_aside: where the old file is now
};

struct JournalStats {
    std::uint64_t appended = 0;    // since open()
    std::uint64_t appended_bytes = 0;
    std::uint64_t duplicates = 0;  // skipped by the DUP rule
    std::uint64_t full = 0;        // refused with Error::full
    std::uint64_t wakes = 0;       // of a sleeping reader
    Bytes used = 0;                // not yet released, now
    Bytes used_max = 0;
};

// Where the reader stands: the next entry it will be given.
struct JournalCursor {
    std::uint64_t sequence = 0;
    std::uint64_t offset = 0;  // bytes since the ring was made, modulo the ring the place in it
};

class Journal {
public:
    static constexpr Bytes readable_behind = 64;

    // The file's size, which is the memory it costs.
    static Bytes need(const JournalParams& params);
    // The least ring_bytes these parameters can work with.
    static Bytes ring_bytes_min(const JournalParams& params);
    // What the file at path was made with, so that recovery can open it as it is, to read it: ring_bytes,
    // links and horizon_rows; no room is asked for. Error::missing, Error::corrupt, Error::unsupported.
    static Result<JournalParams> inspect(Files& files, const std::string& path);

    static Result<std::unique_ptr<Journal>> open(Files& files, Entropy& entropy, const std::string& path,
                                                 const JournalParams& params, JournalOpenReport& report);
    ~Journal();
    Journal(const Journal&) = delete;
    Journal& operator=(const Journal&) = delete;

    struct Appended {
        std::uint64_t sequence = 0;  // 0: skipped as a duplicate; acknowledge it like the others
        bool duplicate = false;
    };
    Result<Appended> append(const JournalEntry& entry);
    // append() of a tick with a number will not say full, whatever else is appended before. REQUIRES: tick_bytes.
    bool has_room_for_tick();
    // append() would skip it as a duplicate.
    bool is_repeated(const JournalEntry& entry);
    // The broker has no session for this link (CONNACK): what it sends from now on is new.
    void forget_session(std::uint16_t link);

    // What redelivered entries up to sequence are known by, for a checkpoint that outlives this file; always so many
    // bytes. Any thread.
    static Bytes horizon_bytes(const JournalParams& params);
    void save_horizon(std::uint64_t sequence, ByteWriter& out);
    // Begins with what an earlier journal saved, at start-up: DuplicateHorizon::load(). REQUIRES: sequences go on.
    Status load_horizon(ByteSpan saved, std::span<const std::uint16_t> link_of);

    // Entries that are whole but lie behind one that is not, so that recovery did not reach them; at least so many. Reads
    // the ring once; for those who look at a file.
    std::uint64_t stranded() const;

    // At the first entry not below sequence. REQUIRES: reader.
    JournalCursor seek(std::uint64_t sequence) const;
    // False if there is none yet. Views stay valid until the entry is released. REQUIRES: reader.
    bool next(JournalCursor& cursor, JournalEntry& entry) const;
    // True as soon as there is an entry at the cursor; false after at_most, or after wake(). REQUIRES: reader.
    bool wait_for_more(const JournalCursor& cursor, Duration at_most);
    void wake();  // ends a wait early; the next wait too, if there is none now

    // The reader has taken everything before the cursor. REQUIRES: reader.
    void mark_read(const JournalCursor& cursor) { read_.store(cursor.offset, std::memory_order_relaxed); }
    // How much lies before the reader, as a share of what may be in use below the high mark. Lock-free.
    double unread_share() const {
        return static_cast<double>(written_.load(std::memory_order_relaxed) - read_.load(std::memory_order_relaxed)) /
               static_cast<double>(high_mark_);
    }

    // Entries up to and with sequence are covered by a checkpoint: their room is free.
    void release_to(std::uint64_t sequence);
    // Everything appended or released so far is on the medium.
    Status sync();

    // Above the high mark sockets are not read; the state ends below the low mark. Lock-free.
    bool above_high_mark() const { return above_high_mark_.load(std::memory_order_relaxed); }
    // Half of what may be in use below the high mark was read and is not covered by a checkpoint. Lock-free.
    bool wants_checkpoint(const JournalCursor& reader) const {
        return reader.offset - covered_.load(std::memory_order_relaxed) > high_mark_ / 2;
    }
    std::uint64_t oldest_sequence() const { return released_.load(std::memory_order_acquire) + 1; }
    std::uint64_t newest_sequence() const { return newest_.load(std::memory_order_acquire); }  // oldest - 1: none
    JournalStats stats();
    const JournalParams& params() const { return params_; }

private:
    Journal(std::unique_ptr<MappedFile> file, const JournalParams& params);
    void format(std::uint64_t salt);
    std::string_view recover();  // empty, or why this is not a journal to go on with
    bool recover_release();
    void recover_entries();
    bool valid_at(std::uint64_t offset, std::uint64_t sequence) const;
    std::uint64_t place(std::uint64_t offset) const;
    void store(const JournalEntry& entry, std::uint64_t sequence);
    void store_skip(std::uint64_t sequence);
    void store_release_slot();
    void free_to(std::uint64_t offset);
    void update_marks();
    void notify_reader();
    std::byte* at(std::uint64_t offset) const { return ring_ + offset % params_.ring_bytes; }

    const std::unique_ptr<MappedFile> file_;
    const JournalParams params_;
    std::byte* const ring_;
    const Bytes high_mark_;  // bytes in use
    std::uint64_t salt_ = 0;

    std::mutex append_mutex_;  // guards writing to the ring, and these:
    DuplicateHorizon duplicates_;
    std::uint64_t end_ = 0;    // offset behind the newest entry
    std::uint64_t freed_ = 0;  // offset: what is before may be overwritten
    std::uint32_t chain_ = 0;  // checksum of the newest entry, the seed of the next
    JournalStats counted_;

    alignas(64) std::atomic<std::uint64_t> newest_{0};  // entries up to here can be read
    std::atomic<bool> above_high_mark_{false};
    std::atomic<std::uint64_t> written_{0};              // end_, for who does not hold the lock
    std::atomic<std::uint64_t> read_{0};                 // offset: what is before has been read

    alignas(64) mutable std::mutex release_mutex_;  // guards the release slots, and these:
    std::uint32_t covered_chain_ = 0;               // checksum of the newest released entry
    std::uint64_t release_generation_ = 0;
    std::atomic<std::uint64_t> released_{0};        // sequence of the newest released entry
    std::atomic<std::uint64_t> covered_{0};         // offset behind it

    std::mutex wait_mutex_;
    std::condition_variable wait_changed_;
    std::atomic<bool> reader_sleeps_{false};
    std::atomic<std::uint64_t> wakes_{0};
    bool woken_ = false;
};

}  // namespace weir

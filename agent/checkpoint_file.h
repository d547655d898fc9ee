// The crash checkpoint: the engine's state and what belongs to it, in a mapped file on tmpfs that
// outlives the process but not the power. Two slots; the older is written, then made valid by its last
// store, so a crash at any instruction leaves the newest whole one.
// Memory: need(params) bytes of file, all mapped: twice the greatest content, and a page. Allocates
// nothing after open(). Cost: commit() one checksum of the content; the owner writes into the slot itself.
// Threads: one owner. Errors: commit(): out_of_range. open(): io, no_space, out_of_range. A damaged or
// strange file is not an error: it has no checkpoint, and says why.
// Format: SlotHeader in checkpoint_file.cc. Outside bytes are checked, never trusted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/files.h"
#include "agent/base/result.h"

namespace weir {

// What a checkpoint says of itself.
struct CheckpointLabel {
    std::uint64_t plan_hash = 0;         // of the configuration and the program that wrote it
    std::uint64_t epoch = 0;             // of the results
    std::uint64_t journal_sequence = 0;  // of the newest entry that the state contains
};

// Views into the slot, valid until the second begin() after them.
struct CheckpointView {
    CheckpointLabel label;
    ByteSpan configuration;   // the configuration's text, under which the journal is replayed
    ByteSpan engine;          // the engine's state
    ByteSpan staged_results;  // results not yet committed to the outbox
};

class CheckpointFile {
public:
    struct Sizes {
        Bytes configuration = 0;
        Bytes engine = 0;
        Bytes staged_results = 0;
        Bytes total() const { return configuration + engine + staged_results; }
    };
    struct OpenReport {
        std::string_view reason;  // why an existing file was set aside; empty: it was not
        unsigned damaged = 0;     // slots marked whole that are not
    };

    static Bytes need(Bytes content_bytes_max);
    // The content_bytes_max that opens the file at path as it is; whole pages, so not less than was asked for.
    static Result<Bytes> inspect(Files& files, const std::string& path);
    static Result<std::unique_ptr<CheckpointFile>> open(Files& files, const std::string& path,
                                                        Bytes content_bytes_max, OpenReport& report);

    // The newest whole one.
    std::optional<CheckpointView> newest() const;
    // The older slot, which holds nothing from now on; content_bytes_max bytes to write configuration,
    // engine and staged results into, one right behind the other.
    MutableByteSpan begin();
    // Makes what was written since begin() the newest. REQUIRES: begin() was called.
    Status commit(const CheckpointLabel& label, const Sizes& sizes);

    Bytes content_bytes_max() const { return content_bytes_max_; }

private:
    struct SlotHeader;
    CheckpointFile(std::unique_ptr<MappedFile> file, Bytes content_bytes_max);
    std::byte* slot_at(unsigned slot) const;
    bool whole(unsigned slot) const;
    void choose(OpenReport& report);

    const std::unique_ptr<MappedFile> file_;
    const Bytes content_bytes_max_;
    std::uint64_t generation_ = 0;       // of the newest
    std::optional<unsigned> newest_;     // its slot
    std::optional<unsigned> begun_;      // the slot being written
};

}  // namespace weir

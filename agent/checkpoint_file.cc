#include "agent/checkpoint_file.h"

#include <atomic>
#include <cstddef>
#include <utility>

#include "agent/base/assert.h"
#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr std::uint64_t slot_magic = 0x31504b4352494557;  // "WEIRCKP1": the format's version is its last digit
constexpr Bytes page_bytes = 4096;
constexpr Bytes slot_alignment = 64;

}  // namespace

struct CheckpointFile::SlotHeader {
    std::uint64_t magic;  // stored last; zero while the slot is written
    std::uint64_t generation;
    std::uint64_t plan_hash;
    std::uint64_t epoch;
    std::uint64_t journal_sequence;
    std::uint64_t configuration_bytes;
    std::uint64_t engine_bytes;
    std::uint64_t staged_results_bytes;
    std::uint32_t content_crc;
    std::uint32_t crc;  // of the fields between magic and here

    std::uint32_t checksum() const {
        return crc32c(std::as_bytes(std::span(this, 1)).first(offsetof(SlotHeader, crc)).subspan(sizeof magic));
    }
};

namespace {

constexpr Bytes header_bytes = 128;  // the content begins on a cache line

Bytes slot_bytes(Bytes content_bytes_max) { return header_bytes + align_up(content_bytes_max, slot_alignment); }

}  // namespace

Bytes CheckpointFile::need(Bytes content_bytes_max) {
    return align_up(2 * slot_bytes(content_bytes_max), page_bytes);
}

Result<Bytes> CheckpointFile::inspect(Files& files, const std::string& path) {
    const Result<Bytes> size = files.size(path);
    if (!size) return size.error();
    // The size is whole pages, so the greatest content that gives it is meant.
    const Bytes slot = *size / 2 / slot_alignment * slot_alignment;
    if (*size == 0 || *size % page_bytes != 0 || slot <= header_bytes) return Error::corrupt;
    return slot - header_bytes;
}

Result<std::unique_ptr<CheckpointFile>> CheckpointFile::open(Files& files, const std::string& path,
                                                             Bytes content_bytes_max, OpenReport& report) {
    report = {};
    if (content_bytes_max == 0 || content_bytes_max > std::size_t(-1) / 4) return Error::out_of_range;
    const Bytes bytes = need(content_bytes_max);
    const Result<Bytes> size = files.size(path);
    if (!size && size.error() != Error::missing) return size.error();
    // An empty file is one that was being made.
    if (size && *size != 0 && *size != bytes) {
        report.reason = "it is truncated, or was made with another size";
        if (Status moved = files.rename(path, path + ".aside"); !moved) return moved.error();
    }
    Result<std::unique_ptr<MappedFile>> file = files.map(path, bytes);
    if (!file) return file.error();
    std::unique_ptr<CheckpointFile> checkpoint(new CheckpointFile(std::move(*file), content_bytes_max));
    checkpoint->choose(report);
    return checkpoint;
}

// All of the file is used, however much content was asked for: inspect() then finds the same slots.
CheckpointFile::CheckpointFile(std::unique_ptr<MappedFile> file, Bytes content_bytes_max)
    : file_(std::move(file)),
      content_bytes_max_(need(content_bytes_max) / 2 / slot_alignment * slot_alignment - header_bytes) {
    static_assert(sizeof(SlotHeader) <= header_bytes);
}

std::byte* CheckpointFile::slot_at(unsigned slot) const {
    return file_->memory().data() + slot * slot_bytes(content_bytes_max_);
}

bool CheckpointFile::whole(unsigned slot) const {
    const auto header = load_le<SlotHeader>(slot_at(slot));
    if (header.magic != slot_magic || header.crc != header.checksum()) return false;
    std::uint64_t content = 0;
    for (const std::uint64_t part : {header.configuration_bytes, header.engine_bytes, header.staged_results_bytes}) {
        if (part > content_bytes_max_) return false;
        content += part;
    }
    if (content > content_bytes_max_) return false;
    return header.content_crc == crc32c({slot_at(slot) + header_bytes, static_cast<Bytes>(content)});
}

void CheckpointFile::choose(OpenReport& report) {
    for (unsigned slot = 0; slot < 2; ++slot) {
        if (!whole(slot)) {
            report.damaged += load_le<std::uint64_t>(slot_at(slot)) != 0;
            continue;
        }
        const auto header = load_le<SlotHeader>(slot_at(slot));
        if (newest_ && header.generation <= generation_) continue;
        newest_ = slot;
        generation_ = header.generation;
    }
}

std::optional<CheckpointView> CheckpointFile::newest() const {
    if (!newest_) return std::nullopt;
    const auto header = load_le<SlotHeader>(slot_at(*newest_));
    ByteReader content({slot_at(*newest_) + header_bytes, content_bytes_max_});
    CheckpointView view;
    view.label = {header.plan_hash, header.epoch, header.journal_sequence};
    view.configuration = content.bytes(static_cast<Bytes>(header.configuration_bytes));
    view.engine = content.bytes(static_cast<Bytes>(header.engine_bytes));
    view.staged_results = content.bytes(static_cast<Bytes>(header.staged_results_bytes));
    return view;
}

MutableByteSpan CheckpointFile::begin() {
    begun_ = newest_ ? 1 - *newest_ : 0;
    std::byte* slot = slot_at(*begun_);
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(slot)).store(0, std::memory_order_relaxed);
    std::atomic_thread_fence(std::memory_order_release);
    return {slot + header_bytes, content_bytes_max_};
}

Status CheckpointFile::commit(const CheckpointLabel& label, const Sizes& sizes) {
    WEIR_ASSERT(begun_.has_value());
    if (sizes.total() > content_bytes_max_) return Error::out_of_range;
    std::byte* slot = slot_at(*begun_);
    SlotHeader header{};
    header.magic = slot_magic;
    header.generation = generation_ + 1;
    header.plan_hash = label.plan_hash;
    header.epoch = label.epoch;
    header.journal_sequence = label.journal_sequence;
    header.configuration_bytes = sizes.configuration;
    header.engine_bytes = sizes.engine;
    header.staged_results_bytes = sizes.staged_results;
    header.content_crc = crc32c({slot + header_bytes, sizes.total()});
    header.crc = header.checksum();
    std::memcpy(slot + sizeof header.magic, reinterpret_cast<const std::byte*>(&header) + sizeof header.magic,
                sizeof header - sizeof header.magic);
    std::atomic_ref(*reinterpret_cast<std::uint64_t*>(slot)).store(slot_magic, std::memory_order_release);
    generation_ = header.generation;
    newest_ = begun_;
    begun_.reset();
    return {};
}

}  // namespace weir

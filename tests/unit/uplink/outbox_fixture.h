// An outbox in a folder of its own, opened and reopened by tests.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "uplink/outbox.h"

namespace weir {

class OutboxFixture {
public:
    explicit OutboxFixture(const char* name) {
        // In memory where there is such a place: SIGKILL cannot tell, and a sync costs nothing.
        const char* const root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
        folder = root + ("/weir-" + std::string(name)) + "-" + std::to_string(getpid());
        std::filesystem::create_directories(folder);
        options.path = folder + "/weir.db";
        options.bytes_max = Bytes{2} << 20;
        options.record_bytes_max = 8192;
        options.staging_bytes = Bytes{64} << 10;
        options.send_bytes = Bytes{32} << 10;
        options.linger = Duration{};
    }
    OutboxFixture(const OutboxFixture&) = delete;
    OutboxFixture& operator=(const OutboxFixture&) = delete;
    ~OutboxFixture() {
        outbox.reset();
        std::filesystem::remove_all(folder);
    }

    Status open() {
        outbox.reset();
        block = std::make_unique<ArenaBlock>(Outbox::need(options));
        arena = std::make_unique<Arena>(block->memory());
        report = OpenReport{};
        auto opened = Outbox::open(options, *arena, files, entropy, report);
        if (!opened) return opened.error();
        outbox = std::move(*opened);
        return {};
    }

    // A record whose bytes say which it is.
    static std::vector<std::byte> body(std::uint64_t sequence, Bytes size = 200) {
        std::vector<std::byte> bytes(size, static_cast<std::byte>(sequence));
        store_le(bytes.data(), sequence);
        return bytes;
    }
    Status stage(std::uint64_t epoch, std::uint64_t sequence, RecordKind kind = RecordKind::result, Bytes size = 200,
                 bool closes = true) {
        const auto bytes = body(sequence, size);
        StagedRecord record;
        record.kind = kind;
        record.epoch = epoch;
        record.sequence = sequence;
        record.definition = 5;
        record.partition = sequence % 4;
        record.end = Timestamp::seconds(static_cast<std::int64_t>(sequence));
        record.closes = closes;
        record.bytes = bytes;
        return outbox->stage(record);
    }
    // Everything numbered above after, as (ship, sequence); a commit refills between.
    std::vector<std::pair<std::uint64_t, std::uint64_t>> drain(std::uint64_t after, std::size_t most = SIZE_MAX) {
        std::vector<std::pair<std::uint64_t, std::uint64_t>> got;
        std::vector<ShipRow> rows(64);
        std::vector<std::byte> space(options.record_bytes_max * 2);
        const Incarnation incarnation = outbox->identity().incarnation;
        for (int idle = 0; idle < 2 && got.size() < most;) {
            const std::size_t count = outbox->next(incarnation, after, rows, space);
            for (std::size_t i = 0; i < count; ++i)
                got.push_back({rows[i].ship, load_le<std::uint64_t>(rows[i].record.data())});
            if (count > 0) after = rows[count - 1].ship;
            idle = count == 0 ? idle + 1 : 0;
            if (count == 0) (void)outbox->commit();
        }
        return got;
    }
    void acknowledge(std::uint64_t ship) { outbox->acknowledge(outbox->identity().incarnation, ship); }

    std::string folder;
    OutboxOptions options;
    SystemFiles files;
    SeededEntropy entropy{17};
    OpenReport report;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Arena> arena;
    std::unique_ptr<Outbox> outbox;
};

}  // namespace weir

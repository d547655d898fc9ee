#include "agent/checkpoint_file.h"

#include <cstring>
#include <string>

#include "agent/base/entropy.h"
#include "tests/unit/agent_journal/memory_files.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

namespace {

const std::string path = "checkpoint";

}  // namespace

TEST_GROUP(CheckpointFile) {
    static constexpr Bytes content_max = 20000;
    MemoryFiles files;
    CheckpointFile::OpenReport report;

    std::unique_ptr<CheckpointFile> open(Bytes content = content_max) {
        auto file = CheckpointFile::open(files, path, content, report);
        CHECK(file.ok());
        return std::move(file).value();
    }
    // Three parts that say which checkpoint they belong to.
    static void write(CheckpointFile & file, unsigned number) {
        MutableByteSpan room = file.begin();
        const CheckpointFile::Sizes sizes{100 + number, 9000, 300};
        CHECK(sizes.total() <= room.size());
        std::memset(room.data(), static_cast<int>(number), sizes.total());
        CHECK(file.commit({1000 + number, 5, 70 + number}, sizes).ok());
    }
    static void check_is(const CheckpointFile& file, unsigned number) {
        const auto view = file.newest();
        CHECK(view.has_value());
        CHECK(view->label.plan_hash == 1000 + number);
        CHECK(view->label.epoch == 5);
        CHECK(view->label.journal_sequence == 70 + number);
        UNSIGNED_LONGS_EQUAL(100 + number, view->configuration.size());
        UNSIGNED_LONGS_EQUAL(9000, view->engine.size());
        UNSIGNED_LONGS_EQUAL(300, view->staged_results.size());
        for (const ByteSpan part : {view->configuration, view->engine, view->staged_results})
            for (const std::byte b : part) CHECK(b == static_cast<std::byte>(number));
    }
};

TEST(CheckpointFile, new_file_has_no_checkpoint) {
    CHECK_FALSE(open()->newest().has_value());
    CHECK(report.reason.empty());
    UNSIGNED_LONGS_EQUAL(0, report.damaged);
    UNSIGNED_LONGS_EQUAL(CheckpointFile::need(content_max), files.at(path).size());
}

TEST(CheckpointFile, newest_is_found_after_a_restart) {
    for (unsigned number = 1; number <= 5; ++number) {
        write(*open(), number);
        check_is(*open(), number);
    }
}

TEST(CheckpointFile, content_may_be_as_long_as_declared_and_no_longer) {
    auto file = open();
    CHECK(file->content_bytes_max() >= content_max);
    CHECK(file->begin().size() == file->content_bytes_max());
    CHECK(file->commit({1, 2, 3}, {0, file->content_bytes_max() + 1, 0}).error() == Error::out_of_range);
    CHECK(file->commit({1, 2, 3}, {0, file->content_bytes_max(), 0}).ok());
    CHECK(open()->newest()->engine.size() == file->content_bytes_max());
}

TEST(CheckpointFile, empty_parts_are_kept_apart) {
    auto file = open();
    file->begin();
    CHECK(file->commit({1, 2, 3}, {}).ok());
    CHECK(open()->newest()->engine.empty());
}

TEST(CheckpointFile, one_begun_and_not_committed_leaves_the_one_before) {
    auto file = open();
    write(*file, 1);
    write(*file, 2);
    std::memset(file->begin().data(), 0xEE, content_max);
    check_is(*open(), 2);
    UNSIGNED_LONGS_EQUAL(0, report.damaged);
}

TEST(CheckpointFile, write_torn_anywhere_leaves_the_one_before) {
    auto file = open();
    write(*file, 1);
    write(*file, 2);
    const std::string before(as_text(files.at(path)));
    write(*file, 3);
    const std::string after(as_text(files.at(path)));
    file.reset();
    // The kill comes after the first `done` bytes of the slot but its first word, or of any page alone.
    const Bytes slot = before.size() / 2;
    for (Bytes done = 0; done < slot; done += done < 256 ? 8 : 512) {
        std::string torn = before;
        std::memset(&torn[0], 0, 8);
        std::memcpy(&torn[8], &after[8], done);
        files.put(path, as_byte_span(torn));
        check_is(*open(), 2);
    }
    for (Bytes page = 0; page < after.size(); page += 4096) {
        std::string torn = after;
        std::memcpy(&torn[page], &before[page], 4096);
        if (torn == after) continue;
        files.put(path, as_byte_span(torn));
        check_is(*open(), 2);
    }
}

TEST(CheckpointFile, flipped_bit_gives_the_one_before_or_the_same) {
    {
        auto file = open();
        write(*file, 1);
        write(*file, 2);
    }
    const std::string good(as_text(files.at(path)));
    SeededEntropy entropy(1);
    for (int round = 0; round < 2000; ++round) {
        std::string bad = good;
        const std::uint64_t bit = entropy.word() % (bad.size() * 8);
        bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
        files.put(path, as_byte_span(bad));
        auto file = open();
        CHECK(file->newest().has_value());
        check_is(*file, file->newest()->label.journal_sequence == 72 ? 2 : 1);
    }
}

TEST(CheckpointFile, hostile_lengths_are_refused) {
    write(*open(), 1);
    const std::string good(as_text(files.at(path)));
    for (Bytes field = 40; field < 64; field += 8)
        for (const std::uint64_t value : {std::uint64_t{content_max} * 4, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
            std::string bad = good;
            std::memcpy(&bad[field], &value, 8);
            files.put(path, as_byte_span(bad));
            CHECK_FALSE(open()->newest().has_value());
            UNSIGNED_LONGS_EQUAL(1, report.damaged);
        }
}

TEST(CheckpointFile, other_size_is_set_aside_and_said) {
    write(*open(), 1);
    auto file = open(content_max * 2);
    CHECK_FALSE(file->newest().has_value());
    CHECK_FALSE(report.reason.empty());
    CHECK(files.has(path + ".aside"));
}

TEST(CheckpointFile, empty_file_is_a_new_one) {
    files.put(path, {});
    write(*open(), 1);
    CHECK(report.reason.empty());
    CHECK_FALSE(files.has(path + ".aside"));
    check_is(*open(), 1);
}

TEST(CheckpointFile, inspect_finds_the_size_whatever_it_was) {
    CHECK(CheckpointFile::inspect(files, path).error() == Error::missing);
    for (Bytes content = 1; content < 30000; content += 777) {
        files.put(path, {});
        CHECK(files.remove(path).ok());
        { write(*open(content < 9500 ? 9500 : content), 1); }
        const auto found = CheckpointFile::inspect(files, path);
        CHECK(found.ok());
        check_is(*open(*found), 1);
        CHECK(report.reason.empty());
    }
    files.put(path, as_byte_span("short"));
    CHECK(CheckpointFile::inspect(files, path).error() == Error::corrupt);
}

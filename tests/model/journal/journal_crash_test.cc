// SIGKILL of a real process that appends to a real file: everything whose append returned is there.
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "agent/journal.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

JournalParams params() {
    JournalParams params;
    params.message_bytes_max = 2000;
    params.read_ahead_bytes = 100;
    params.control_bytes = 256;
    params.ring_bytes = 64 << 10;
    params.horizon_rows = 16;
    return params;
}

// The entry with this sequence, always the same.
std::string payload_of(std::uint64_t sequence) {
    SeededEntropy random(sequence);
    std::string payload(random.word() % 1500, '\0');
    random.fill(std::as_writable_bytes(std::span(payload)));
    return payload;
}

JournalEntry entry_of(std::uint64_t sequence, const std::string& payload) {
    JournalEntry entry;
    entry.qos = 1;
    entry.packet_id = static_cast<std::uint16_t>(sequence);
    entry.topic = "topic/of/it";
    entry.payload = as_byte_span(payload);
    return entry;
}

// Shared with the child, and outlives it.
struct Witness {
    std::atomic<std::uint64_t> returned;  // sequence of the newest entry whose append returned
    std::atomic<std::uint64_t> released;  // up to here release_to() was called
};

// What the child does until it is killed.
[[noreturn]] void append_for_ever(const std::string& path, Witness& witness) {
    SystemFiles files;
    SystemEntropy entropy;
    JournalOpenReport report;
    auto journal = Journal::open(files, entropy, path, params(), report);
    if (!journal) _exit(1);
    for (std::uint64_t next = report.newest + 1;; ++next) {
        const std::string payload = payload_of(next);
        if ((*journal)->stats().used > 50000) {
            witness.released = next - 5;
            (*journal)->release_to(next - 5);
        }
        const auto appended = (*journal)->append(entry_of(next, payload));
        if (!appended || appended->sequence != next) _exit(2);
        witness.returned = next;
    }
}

}  // namespace

TEST_GROUP(JournalCrash) {
    std::string folder;
    Witness* witness = nullptr;

    void setup() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "weir-journal-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        void* shared = ::mmap(nullptr, sizeof(Witness), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        CHECK(shared != MAP_FAILED);
        witness = std::construct_at(static_cast<Witness*>(shared));
    }
    void teardown() override {
        ::munmap(witness, sizeof(Witness));
        std::filesystem::remove_all(folder);
    }
};

TEST(JournalCrash, what_append_returned_for_survives_sigkill) {
    const std::string path = folder + "/journal";
    SeededEntropy random(3);
    for (int round = 0; round < 100; ++round) {
        const std::uint64_t before = witness->returned;
        const pid_t child = ::fork();
        CHECK(child >= 0);
        if (child == 0) append_for_ever(path, *witness);
        while (witness->returned == before)
            if (int status = 0; ::waitpid(child, &status, WNOHANG) == child) FAIL("the child ended by itself");
        ::usleep(static_cast<useconds_t>(random.word() % 3000));
        ::kill(child, SIGKILL);
        int status = 0;
        CHECK(::waitpid(child, &status, 0) == child);
        CHECK(WIFSIGNALED(status));

        SystemFiles files;
        JournalOpenReport report;
        auto journal = Journal::open(files, random, path, params(), report);
        CHECK(journal.ok());
        CHECK(report.kind == JournalOpenReport::Kind::recovered);
        CHECK(report.newest >= witness->returned);
        CHECK(report.newest <= witness->returned + 1);
        CHECK(report.oldest <= witness->released + 1);
        JournalCursor cursor = (*journal)->seek(0);
        std::uint64_t expected = report.oldest;
        for (JournalEntry entry; (*journal)->next(cursor, entry); ++expected) {
            CHECK(entry.sequence == expected);
            CHECK(as_text(entry.payload) == payload_of(expected));
        }
        CHECK(expected == report.newest + 1);
        // The DUP rule after the kill: everything that may be unacknowledged is known.
        for (std::uint64_t back = 0; back < 16 && back < report.newest; ++back) {
            const std::string payload = payload_of(report.newest - back);
            JournalEntry again = entry_of(report.newest - back, payload);
            again.dup = true;
            CHECK((*journal)->append(again)->duplicate);
        }
        witness->returned = report.newest;
    }
}

// The event path allocates nothing: from the journal's append() through codec, engine, alerts and
// checkpoint, every call of malloc and its kin is counted, from the first event on.
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "agent/checkpoint_file.h"
#include "agent/config.h"
#include "agent/journal.h"
#include "agent/pipeline.h"

#include <CppUTest/TestHarness.h>

// glibc's own entry points, under the names by which it lets a program put its own before them.
extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
}

namespace {

std::atomic<bool> counting{false};
std::atomic<unsigned long> allocations{0};

void count() {
    if (counting.load(std::memory_order_relaxed))
        allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* malloc(std::size_t size) {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t items, std::size_t size) {
    count();
    return __libc_calloc(items, size);
}
void* realloc(void* old, std::size_t size) {
    count();
    return __libc_realloc(old, size);
}
void* memalign(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) {
    count();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** out, std::size_t alignment, std::size_t size) {
    count();
    *out = __libc_memalign(alignment, size);
    return *out == nullptr ? 12 : 0;  // ENOMEM
}
}

namespace weir {
namespace {

constexpr const char* configuration = R"toml(
[mqtt]
url = "mqtt://localhost"
[[source]]
name = "loops"
topics = ["city/{site}/loop/{lane:int}"]
partition = "site"
columns = { vid = "string", speed = "float", kind = "string", ok = "bool" }
time = { field = "ts", lateness = "1s", idle = "5s" }
[[window]]
name = "lanes"
from = "loops"
where = "speed >= 0.0"
by = ["site", "lane"]
size = "10s"
max_groups = 16
select.n = "count()"
select.total = "sum(speed)"
select.mean = "mean(speed)"
select.low = "min(speed)"
select.high = "max(speed)"
select.first = "first(speed)"
select.last = "last(speed)"
select.spread = "stddev(speed)"
select.p85 = "quantile(speed, 0.85)"
select.unique = "distinct(vid)"
select.top = "top(vid, 5)"
select.trucks = "count(kind == 'truck') / count()"
[[window]]
name = "vehicles"
from = "loops"
by = ["vid"]
size = "10s"
max_groups = 64
late = { allow = "5s", then = "revise" }
select = { n = "count()", fast = "count(ok && speed > 100.0)" }
[[alert]]
name = "slow"
from = "lanes"
when = "mean < 70.0"
)toml";

// The payload of event i: mostly good, some undecodable, late, of a wrong type, or several at once.
std::string payload(unsigned i) {
    const std::string ts = std::to_string(1767225600000 + i * 7u - (i % 11 == 0 ? 4000 : 0));
    const std::string event =
        R"({"ts":)" + ts + R"(,"vid":"v)" + std::to_string(i * 2654435761u % 5000) +
        (i % 5 == 0 ? R"(\n\u00e9)" : "") + R"(","speed":)" + std::to_string(i % 140) +
        R"(.25,"kind":")" + (i % 9 == 0 ? "truck" : "car") + R"(","ok":true})";
    switch (i % 37) {
        case 3: return "{broken";
        case 5: return R"({"speed":1})";
        case 7: return R"({"ts":)" + ts + R"(,"speed":"fast","vid":7})";
        case 11: return "[" + event + "," + event + "," + event + "]";
        case 13: return event + "\n" + event + "\n";
        case 17: return R"({"ts":99999999999999,"speed":1})";
        default: return event;
    }
}

struct Folder {
    Folder() {
        const char* base = std::getenv("TMPDIR");
        path = std::string(base != nullptr ? base : "/tmp") + "/weir-allocations-XXXXXX";
        CHECK(::mkdtemp(path.data()) != nullptr);
    }
    ~Folder() {
        for (const char* name : {"/journal", "/checkpoint"}) ::unlink((path + name).c_str());
        ::rmdir(path.c_str());
    }
    std::string path;
};

}  // namespace

TEST_GROUP(EventPathAllocations){};

TEST(EventPathAllocations, counter_sees_an_allocation) {
    allocations = 0;
    counting = true;
    std::free(std::malloc(1));
    counting = false;
    CHECK_EQUAL(1u, allocations.load());
}

TEST(EventPathAllocations, none_from_append_to_checkpoint) {
    IGNORE_ALL_LEAKS_IN_TEST();  // simdjson keeps what it finds out about the processor
    SystemFiles files;
    ManualClock clock(Timestamp::seconds(1800000000));
    SeededEntropy entropy(1);
    Folder folder;
    ConfigContext context;
    context.files = &files;
    const ConfigLoad load = parse_config(configuration, folder.path + "/weir.toml", context);
    CHECK_TEXT(load.ok(), render_problems(load.config, load.problems).c_str());
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(load.config, problems);
    CHECK_TEXT(assembly != nullptr, render_problems(load.config, problems).c_str());

    JournalOpenReport journal_report;
    auto journal = Journal::open(files, entropy, folder.path + "/journal", {}, journal_report);
    CHECK(journal.ok());
    CheckpointFile::OpenReport checkpoint_report;
    const Bytes content = Pipeline::checkpoint_content_max(*assembly, configuration, {}, 0);
    auto checkpoints =
        CheckpointFile::open(files, folder.path + "/checkpoint", content, checkpoint_report);
    CHECK(checkpoints.ok());

    Pipeline::Parts parts;
    parts.journal = journal->get();
    parts.checkpoints = checkpoints->get();
    parts.clock = &clock;
    ArenaBlock block(Pipeline::need(*assembly));
    Arena arena(block.memory());
    Pipeline pipeline(arena, *assembly, {}, {}, parts, configuration);
    pipeline.begin(1, 1);

    constexpr unsigned events = 60000;
    std::vector<std::pair<std::string, std::string>> messages(events);
    for (unsigned i = 0; i < events; ++i)
        messages[i] = {"city/s" + std::to_string(i % 7) + "/loop/" + std::to_string(i % 5),
                       payload(i)};

    allocations = 0;
    counting = true;
    unsigned refused = 0;
    for (unsigned i = 0; i < events; ++i) {
        JournalEntry entry;
        entry.arrival = clock.wall();
        entry.clock_trusted = true;
        entry.packet_id = static_cast<std::uint16_t>(1 + i % 65535);
        entry.qos = 1;
        entry.topic = messages[i].first;
        entry.payload =
            std::as_bytes(std::span(messages[i].second.data(), messages[i].second.size()));
        refused += parts.journal->append(entry).ok() ? 0 : 1;
        if (i % 50 == 49) {
            clock.advance(Duration::millis(350));
            pipeline.step(Duration{});
        }
    }
    counting = false;
    UNSIGNED_LONGS_EQUAL(0, allocations.load());

    // It was the event path that ran: windows closed, alerts rose, checkpoints were written, bad
    // input came by.
    CHECK_EQUAL(0u, refused);
    CHECK(pipeline.counters().results > 1000);
    CHECK(pipeline.counters().alerts > 0);
    CHECK(pipeline.counters().checkpoints > 10);
    CHECK_EQUAL(0u, pipeline.counters().checkpoint_failures);
    const DecodeCounters& decoded = pipeline.analysis().codec(0).counters();
    CHECK(decoded[DecodeReason::malformed] > 100);
    CHECK(decoded[DecodeReason::wrong_type] > 100);
    CHECK(decoded[DecodeReason::missing_time] > 100);
    const WindowStatus lanes = pipeline.analysis().engine().window_status(0);
    CHECK(lanes.counters[static_cast<std::size_t>(WindowCounter::folded)] > 100);
    CHECK(lanes.counters[static_cast<std::size_t>(WindowCounter::late)] > 100);
    const WindowStatus vehicles = pipeline.analysis().engine().window_status(1);
    CHECK(vehicles.counters[static_cast<std::size_t>(WindowCounter::revised)] > 0);
}

}  // namespace weir

#include "agent/action_queue.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// A file in memory; what a kill leaves of it can be put back.
class MemoryFiles final : public Files {
public:
    Result<std::unique_ptr<MappedFile>> map(const std::string&, Bytes size) override {
        if (content.empty()) content.resize(size);
        if (content.size() != size) return Error::invalid;
        struct Mapped final : MappedFile {
            explicit Mapped(std::vector<std::byte>& at) : bytes(at) {}
            MutableByteSpan memory() override { return bytes; }
            Status sync() override { return {}; }
            std::vector<std::byte>& bytes;
        };
        return std::unique_ptr<MappedFile>(new Mapped(content));
    }
    Result<Bytes> size(const std::string&) override {
        if (content.empty()) return Error::missing;
        return Bytes{content.size()};
    }
    Result<std::string> read(const std::string&, Bytes) override { return Error::missing; }
    Status replace(const std::string&, ByteSpan, bool) override { return Error::io; }
    Status rename(const std::string&, const std::string&) override { return Error::io; }
    Status remove(const std::string&) override {
        content.clear();
        return {};
    }
    Status make_folders(const std::string&) override { return {}; }
    Result<std::vector<std::string>> list(const std::string&) override { return Error::missing; }

    std::vector<std::byte> content;
};

}  // namespace

TEST_GROUP(ActionQueue) {
    MemoryFiles files;
    ActionQueue::Report report;
    std::unique_ptr<ActionQueue> queue;
    std::vector<std::byte> buffer = std::vector<std::byte>(action_bytes_max);

    void setup() override { start(1); }
    void start(std::uint64_t incarnation) {
        queue.reset();
        Result<std::unique_ptr<ActionQueue>> opened = ActionQueue::open(files, "actions", report);
        CHECK(opened.ok());
        queue = std::move(*opened);
        queue->begin(incarnation);
    }
    static Action action(std::uint64_t sequence, std::string_view payload, ActionKind kind = ActionKind::mqtt, std::uint32_t ordinal = 0) {
        Action action;
        action.kind = kind;
        action.id = {3, sequence, ordinal};
        action.qos = 1;
        action.retain = true;
        action.retries = 4;
        action.timeout = Duration::seconds(2);
        action.number = 99;
        action.texts[0] = "";
        action.texts[1] = "alerts/s1";
        action.count = 2;
        action.payload = payload;
        return action;
    }
    std::vector<std::string> payloads(ActionKind kind = ActionKind::mqtt) {
        std::vector<std::string> all;
        for (auto at = queue->next(kind, {}); at; at = queue->next(kind, at->position)) {
            Action read;
            CHECK(queue->read(kind, at->position, buffer, read));
            all.emplace_back(read.payload);
        }
        return all;
    }
    void finish_first(ActionKind kind = ActionKind::mqtt) { queue->finish(kind, queue->next(kind, {})->position, ActionQueue::End::done); }
};

TEST(ActionQueue, an_action_comes_back_as_it_was) {
    CHECK(queue->add(action(7, "{}")) == ActionQueue::Added::yes);
    Action read;
    CHECK(queue->read(ActionKind::mqtt, queue->next(ActionKind::mqtt, {})->position, buffer, read));
    CHECK(read.id == (ActionId{3, 7, 0}) && read.qos == 1 && read.retain && read.retries == 4);
    CHECK(read.timeout == Duration::seconds(2) && read.number == 99 && read.count == 2);
    CHECK(read.texts[0].empty() && read.texts[1] == "alerts/s1" && read.payload == "{}");
}

TEST(ActionQueue, what_waits_outlives_the_process_and_what_is_done_does_not_come_again) {
    for (int i = 1; i <= 3; ++i) queue->add(action(static_cast<std::uint64_t>(i), std::to_string(i)));
    queue->add(action(3, "sign", ActionKind::exec, 1));
    finish_first();
    start(1);
    LONGS_EQUAL(3, report.found);
    CHECK(report.damage.empty());
    CHECK(payloads() == (std::vector<std::string>{"2", "3"}));
    CHECK(payloads(ActionKind::exec) == std::vector<std::string>{"sign"});
    LONGS_EQUAL(3, queue->waiting());
}

TEST(ActionQueue, what_a_replay_decides_again_is_known_whether_or_not_it_is_done) {
    queue->add(action(1, "a"));
    queue->add(action(2, "b"));
    finish_first();
    start(1);
    CHECK(queue->add(action(1, "a")) == ActionQueue::Added::known);
    CHECK(queue->add(action(2, "b")) == ActionQueue::Added::known);
    CHECK(queue->add(action(2, "b, elsewhere", ActionKind::mqtt, 1)) == ActionQueue::Added::yes);
    CHECK(payloads() == (std::vector<std::string>{"b", "b, elsewhere"}));
    LONGS_EQUAL(2, queue->counters(ActionKind::mqtt).known);
}

TEST(ActionQueue, another_incarnation_begins_its_numbers_anew_and_still_does_what_waits) {
    queue->add(action(100, "a"));
    start(2);
    CHECK(queue->add(action(1, "b")) == ActionQueue::Added::yes);
    CHECK(payloads() == (std::vector<std::string>{"a", "b"}));
}

TEST(ActionQueue, tests_are_never_known) {
    queue->add(action(5, "a"));
    Action test = action(0, "test");
    test.id = {};
    CHECK(queue->add(test) == ActionQueue::Added::yes);
    CHECK(queue->add(test) == ActionQueue::Added::yes);
    CHECK(queue->add(action(5, "a")) == ActionQueue::Added::known);
}

TEST(ActionQueue, a_full_queue_lets_the_oldest_go_and_counts_it) {
    const std::string much(1000, 'x');
    for (std::uint64_t i = 1; i <= 300; ++i) queue->add(action(i, std::to_string(i) + much));
    const ActionCounters counters = queue->counters(ActionKind::mqtt);
    CHECK(counters.dropped > 150 && counters.dropped < 200);
    LONGS_EQUAL(300, counters.added);
    LONGS_EQUAL(300, counters.dropped + counters.waiting);
    const std::vector<std::string> left = payloads();
    LONGS_EQUAL(counters.waiting, left.size());
    CHECK(left.back() == "300" + much);
    CHECK(left.front() == std::to_string(counters.dropped + 1) + much);
    CHECK(queue->add(action(400, std::string(action_bytes_max, 'x'))) == ActionQueue::Added::too_long);
    LONGS_EQUAL(1, queue->counters(ActionKind::mqtt).refused);
}

TEST(ActionQueue, one_that_made_room_while_it_was_done_counts_as_done) {
    queue->add(action(1, "first"));
    const ActionQueue::Position first = queue->next(ActionKind::mqtt, {})->position;
    const std::string much(1000, 'x');
    for (std::uint64_t i = 2; i <= 300; ++i) queue->add(action(i, much));
    CHECK_FALSE(queue->holds(ActionKind::mqtt, first));
    queue->finish(ActionKind::mqtt, first, ActionQueue::End::done);
    const ActionCounters counters = queue->counters(ActionKind::mqtt);
    LONGS_EQUAL(300, counters.done + counters.dropped + counters.waiting);
}

// Random work against a deque, with a kill (the file as it is, another object) now and then.
TEST(ActionQueue, does_as_a_list_does) {
    SeededEntropy random(7);
    struct Known {
        std::uint64_t sequence;
        std::string payload;
    };
    std::deque<Known> twin;
    std::uint64_t sequence = 0;
    for (int step = 0; step < 200'000; ++step) {
        const std::uint64_t what = random.word() % 100;
        if (what < 50) {
            const std::string payload = std::to_string(sequence + 1) + std::string(random.word() % 700, 'p');
            CHECK(queue->add(action(++sequence, payload)) == ActionQueue::Added::yes);
            twin.push_back({sequence, payload});
            while (twin.size() > queue->counters(ActionKind::mqtt).waiting) twin.pop_front();
        } else if (what < 99) {
            if (twin.empty()) continue;
            // Any of the first ten.
            const std::size_t index = random.word() % std::min<std::size_t>(twin.size(), 10);
            std::optional<ActionQueue::Waiting> at = queue->next(ActionKind::mqtt, {});
            for (std::size_t i = 0; i < index; ++i) at = queue->next(ActionKind::mqtt, at->position);
            Action read;
            CHECK(queue->read(ActionKind::mqtt, at->position, buffer, read));
            CHECK(read.payload == twin[index].payload && read.id.sequence == twin[index].sequence);
            queue->finish(ActionKind::mqtt, at->position, ActionQueue::End::done);
            twin.erase(twin.begin() + static_cast<std::ptrdiff_t>(index));
        } else {
            start(1);
            CHECK(report.damage.empty());
            LONGS_EQUAL(twin.size(), report.found);
            if (sequence > 0) CHECK(queue->add(action(sequence, "again")) == ActionQueue::Added::known);
        }
        if (step % 1000 == 0) {
            const std::vector<std::string> all = payloads();
            LONGS_EQUAL(twin.size(), all.size());
            for (std::size_t i = 0; i < all.size(); ++i) CHECK(all[i] == twin[i].payload);
        }
    }
}

// A torn commit leaves the one before it: what was added is not there, and a replay brings it again.
TEST(ActionQueue, a_commit_that_was_cut_short_did_not_happen) {
    queue->add(action(1, "a"));
    const std::vector<std::byte> before = files.content;
    queue->add(action(2, "b"));
    const std::vector<std::byte> after = files.content;
    for (std::size_t cut = 0; cut < 4096; ++cut) {
        if (before[cut] == after[cut]) continue;
        std::copy(after.begin(), after.end(), files.content.begin());
        std::copy(before.begin() + static_cast<std::ptrdiff_t>(cut), before.begin() + 4096, files.content.begin() + static_cast<std::ptrdiff_t>(cut));
        start(1);
        CHECK(report.damage.empty());
        CHECK(payloads() == std::vector<std::string>{"a"});
        CHECK(queue->add(action(2, "b")) == ActionQueue::Added::yes);
    }
}

TEST(ActionQueue, damage_anywhere_is_survived) {
    for (std::uint64_t i = 1; i <= 20; ++i) queue->add(action(i, std::string(100, 'x')));
    const std::vector<std::byte> good = files.content;
    SeededEntropy random(11);
    for (int turn = 0; turn < 20'000; ++turn) {
        std::copy(good.begin(), good.end(), files.content.begin());
        const std::size_t area = turn % 2 ? 256 : 4096 + 8192;
        for (int i = 0; i < 3; ++i) files.content[random.word() % area] ^= static_cast<std::byte>(1 + random.word() % 255);
        start(1);
        CHECK(payloads().size() <= 20);
        queue->add(action(1000, "new"));
        CHECK(payloads().back() == "new" || queue->counters(ActionKind::mqtt).known > 0);
    }
}

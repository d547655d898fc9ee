#include "agent/accounting.h"

#include "agent/base/entropy.h"
#include "agent/status.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// What a broker might send, right and wrong in every way that has a counter.
class RandomLoad {
public:
    explicit RandomLoad(std::uint64_t seed) : random_(seed) {}

    void send(Gateway& gateway, int messages) {
        for (int i = 0; i < messages; ++i) {
            now_ms_ += static_cast<std::int64_t>(random_.word() % 3000);
            JournalEntry entry;
            entry.arrival = Timestamp::millis(Gateway::first_ms + now_ms_);
            entry.clock_trusted = true;
            const auto drop = Intake::write_drop(static_cast<IntakeDrop>(random_.word() % intake_drops));
            const std::string payload = this->payload();
            const std::string topic = random_.word() % 10 == 0 ? "nowhere" : random_.word() % 20 == 0 ? "city/s1/loop/x" : "city/s1/loop/1";
            if (random_.word() % 8 == 0) {
                entry.kind = EntryKind::connection;
                entry.payload = drop;
            } else if (random_.word() % 8 == 0) {
                entry.kind = EntryKind::tick;
            } else {
                entry.topic = topic;
                entry.payload = as_byte_span(payload);
                ++messages_;
            }
            received_ += entry.kind != EntryKind::tick;
            CHECK(gateway.journal().append(entry).ok());
        }
        gateway.pipeline->catch_up();
    }
    std::uint64_t received() const { return received_; }
    std::uint64_t messages() const { return messages_; }

private:
    std::string row() {
        const std::int64_t at = Gateway::first_ms + now_ms_;
        switch (random_.word() % 8) {
            case 0: return event(at - static_cast<std::int64_t>(random_.word() % 200000), 50);  // late, perhaps
            case 1: return event(at + 86400000, 50);                                          // from the future
            case 2: return "{\"speed\":1}";
            case 3: return "{\"ts\":\"yesterday\"}";
            case 4: return "{\"ts\":" + std::to_string(at) + ",\"speed\":\"fast\"}";
            default: return event(at, static_cast<double>(random_.word() % 100));
        }
    }
    std::string payload() {
        switch (random_.word() % 8) {
            case 0: return "[]";
            case 1: return "[" + row() + "," + row() + "," + row() + "]";
            case 2: return row() + "\n" + row() + "\n{\"ts\":";
            case 3: return "{\"ts\":";
            case 4: return "[" + row() + ",7]";
            default: return row();
        }
    }
    SeededEntropy random_;
    std::int64_t now_ms_ = 0;
    std::uint64_t received_ = 0;
    std::uint64_t messages_ = 0;
};

std::string accounts(Gateway& gateway) {
    std::vector<char> buffer(1 << 18);
    StatusBoard board(*gateway.assembled.assembly);
    board.take(*gateway.pipeline);
    StatusParts parts;
    parts.config = &gateway.assembled.load.config;
    parts.journal = gateway.recovered.journal.get();
    parts.outbox = gateway.outbox.get();
    parts.actions = gateway.actions.get();
    parts.clock = &gateway.clock;
    const std::string text(board.answer("status json", parts, buffer));
    STRCMP_EQUAL("", text.find("\"sum_ok\":false") == std::string::npos ? "" : text.c_str());
    // All of the sources and windows, and of the connections; results are counted since the start.
    const std::size_t connections = text.find("\"connections\"");
    const std::size_t sources = text.find("\"sources\"");
    return text.substr(connections, text.find("\"results\"") - connections) + text.substr(sources, text.find("\"alerts\"") - sources);
}

}  // namespace

TEST_GROUP(Accounting) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path(), "", "speed < 90.0");
};

TEST(Accounting, every_message_event_and_row_ends_in_one_counter) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        TemporaryFolder other;
        Gateway gateway(Gateway::config_in(other.path(), "", "speed < 90.0"));
        RandomLoad load(seed);
        for (int round = 0; round < 10; ++round) {
            load.send(gateway, 40);
            (void)accounts(gateway);
        }
        const LinkAccounting& link = gateway.pipeline->intake().links()[0];
        LONGS_EQUAL(load.received(), link.received);
        LONGS_EQUAL(load.messages(), link.journaled);
        LONGS_EQUAL(load.messages(), gateway.pipeline->analysis().messages());
        // The generator reached every end of a message and of a row.
        const MessageEnds& ends = gateway.pipeline->analysis().message_ends_of(0);
        for (const MessageEnd end : {MessageEnd::with_events, MessageEnd::malformed, MessageEnd::without_time, MessageEnd::empty})
            CHECK(ends[end] > 0);
        const WindowStatus window = gateway.pipeline->analysis().engine().window_status(0);
        for (const WindowCounter part : {WindowCounter::counted, WindowCounter::filtered, WindowCounter::late, WindowCounter::quarantined})
            CHECK(window.counters[static_cast<std::size_t>(part)] > 0);
    }
}

TEST(Accounting, a_kill_changes_no_counter) {
    std::string expected;
    {
        TemporaryFolder other;
        Gateway whole(Gateway::config_in(other.path(), "", "speed < 90.0"));
        RandomLoad load(7);
        load.send(whole, 300);
        expected = accounts(whole);
    }
    RandomLoad load(7);
    for (int part = 0; part < 3; ++part) {
        Gateway gateway(config);
        load.send(gateway, 50);
        if (part % 2 == 0) CHECK(gateway.pipeline->checkpoint().ok());
        load.send(gateway, 50);
    }
    Gateway last(config);
    STRCMP_EQUAL(expected.c_str(), accounts(last).c_str());
}

TEST(Accounting, an_edit_of_a_window_keeps_what_its_source_has_counted) {
    std::uint64_t messages = 0;
    std::uint64_t received = 0;
    {
        Gateway first(config);
        RandomLoad load(9);
        load.send(first, 100);
        messages = first.pipeline->analysis().codec(0).counters().messages;
        received = first.pipeline->intake().links()[0].received;
    }
    Gateway second(Gateway::config_in(folder.path(), "", "speed < 80.0"));
    (void)accounts(second);
    LONGS_EQUAL(messages, second.pipeline->analysis().codec(0).counters().messages);
    LONGS_EQUAL(received, second.pipeline->intake().links()[0].received);
}

TEST(Accounting, hostile_bytes_leave_counters_that_add_up) {
    Gateway gateway(config);
    RandomLoad load(3);
    load.send(gateway, 50);
    std::vector<std::byte> bytes(Intake::save_size(1));
    ByteWriter out(bytes);
    gateway.pipeline->intake().save(out);
    CHECK(out.ok());
    LONGS_EQUAL(bytes.size(), out.size());
    bytes[0] = std::byte{7};  // as many connections as there are not
    CHECK(!gateway.pipeline->restore(bytes).ok());
    gateway.pipeline->reset_state();
    (void)accounts(gateway);
    LONGS_EQUAL(0, gateway.pipeline->intake().links()[0].received);
}

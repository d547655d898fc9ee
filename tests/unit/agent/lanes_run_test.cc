// Lanes as `weir run` has them: an agent of N lanes that is killed at random points, and started again, makes the rows that
// one lane makes which is never killed.
#include <algorithm>
#include <random>

#include "agent/receiver.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr const char* lanes_config = R"toml(
[agent]
id = "a1"
state = "FOLDER/state"
run = "FOLDER/run"
memory = "64MiB"
lanes = LANES
checkpoint = "2s"
journal = { size = "1MiB" }
[mqtt]
url = "mqtt://127.0.0.1"
max_message = "16KiB"
[[source]]
name = "loops"
topics = ["north/{site}", "south/{site}", "east/{site}", "west/{site}"]
columns = { speed = "float" }
time = { field = "ts", lateness = "4s", idle = "6s" }
[[source]]
name = "doors"
topics = ["door/{site}"]
columns = { speed = "float" }
time = { field = "ts", lateness = "4s", idle = "6s" }
[[window]]
name = "w"
from = "loops"
by = ["site"]
size = "20s"
max_groups = 8
select = { n = "count()", sum = "sum(speed)", top = "max(speed)" }
[[window]]
name = "visits"
from = "doors"
by = ["site"]
session = "8s"
max_groups = 8
select = { n = "count()" }
[[alert]]
name = "high"
from = "w"
when = "top > 98.0"
)toml";

struct Event {
    std::int64_t at_ms = 0;  // when it arrives
    std::int64_t ts_ms = 0;
    std::string topic;
    int speed = 0;
};

std::vector<Event> random_events(std::mt19937_64& random, std::size_t count) {
    const char* topics[] = {"north/a", "north/b", "south/a", "south/c", "east/a", "east/d", "west/b", "door/x", "door/y"};
    std::vector<Event> events;
    std::int64_t now = Gateway::first_ms;
    for (std::size_t i = 0; i < count; ++i) {
        now += static_cast<std::int64_t>(random() % 400);
        if (random() % 200 == 0) now += 15'000;  // all are silent
        const std::size_t of = (i / 400) % 3 == 2 ? 2 + random() % 3 : random() % std::size(topics);  // some are silent for long
        const auto behind = static_cast<std::int64_t>(random() % 1500);  // lateness less what ticks are apart here: a lane that was idle is heard of at the next
        events.push_back({now, now - behind, topics[of], static_cast<int>(random() % 100)});
    }
    return events;
}

// What a record says, wherever in the output it came; and which row it is.
std::string content(const Record& record) {
    std::string json = json_of(record);
    for (const std::string_view key : {"\"sequence\":", "\"epoch\":"}) {
        const std::size_t at = json.find(key);
        if (at == std::string::npos) continue;
        json.erase(at, json.find(',', at) + 1 - at);
    }
    return json;
}

class LanesAgent {
public:
    LanesAgent(const std::string& folder, std::size_t lanes, std::int64_t now_ms, const std::string& keys = "")
        : gateway(text(folder, lanes, keys), now_ms) {}
    LanesAgent(const std::string& config, std::int64_t now_ms) : gateway(config, now_ms) {}
    static std::string text(const std::string& folder, std::size_t lanes, const std::string& keys) {
        std::string text = lanes_config;
        for (std::size_t at; (at = text.find("FOLDER")) != std::string::npos;) text.replace(at, 6, folder);
        text.replace(text.find("LANES"), 5, std::to_string(lanes));
        return text.insert(text.find("lanes = "), keys);
    }

    Journal& journal(std::size_t lane) { return lane == 0 ? *gateway.recovered.journal : *gateway.recovered.more_journals[lane - 1]; }
    std::size_t lane_of(const std::string& topic) {
        const Assembly& assembly = *gateway.assembled.assembly;
        for (std::size_t source = 0; source < assembly.codecs().size(); ++source)
            for (std::size_t i = 0; i < assembly.codecs()[source].topics.size(); ++i)
                if (assembly.codecs()[source].topics[i].matches(topic)) return assembly.lane_of(source, i);
        return 0;
    }
    void send(const Event& event) {
        while (gateway.clock.wall().ms() < event.at_ms) {
            gateway.clock.advance(Duration::millis(std::min<std::int64_t>(event.at_ms - gateway.clock.wall().ms(), 1000)));
            if (gateway.clock.wall().ms() < event.at_ms) step();  // ticks come in silence, too
        }
        const std::string payload = weir::event(event.ts_ms, event.speed);
        JournalEntry entry;
        entry.arrival = gateway.clock.wall();
        entry.clock_trusted = true;
        entry.topic = event.topic;
        entry.payload = as_byte_span(payload);
        WEIR_ASSERT(journal(lane_of(event.topic)).append(entry).ok());
    }
    // As the engine thread. A tick is heard of by all lanes before the clock, which is the test's, goes on.
    void step() {
        LaneGroup* const lanes = gateway.pipeline->lanes();
        do gateway.pipeline->step(Duration::micros(lanes && !lanes->settled() ? 200 : 0));
        while (lanes && !lanes->settled());
    }
    // As the threads that take rows to flash and up.
    void ship(std::uint64_t& mark, std::vector<std::string>& to) {
        std::vector<std::byte> space(gateway.options.outbox.record_bytes_max * 4);
        for (int empty = 0; empty < 2;) {
            const std::optional<FlashCheckpoint> flash = gateway.pipeline->flash_due();
            const bool done = gateway.outbox->commit(flash ? &*flash : nullptr).ok();
            if (flash) gateway.pipeline->flash_done(done);
            ShipRow rows[64];
            const std::size_t count = gateway.outbox->next(gateway.outbox->identity().incarnation, mark, rows, space);
            empty = count == 0 ? empty + 1 : 0;
            for (std::size_t i = 0; i < count; ++i) {
                auto storage = std::make_unique<RecordStorage>();
                const Result<Record> record = decode_record(rows[i].record, *storage);
                WEIR_ASSERT(record.ok());
                to.push_back(content(*record));
                mark = rows[i].ship;
            }
            gateway.outbox->acknowledge(gateway.outbox->identity().incarnation, mark);
        }
    }

    Gateway gateway;
};

std::vector<std::string> sorted(std::vector<std::string> rows) {
    std::sort(rows.begin(), rows.end());
    return rows;
}

void tell_difference(const std::vector<std::string>& expected, const std::vector<std::string>& rows, std::uint64_t seed, std::size_t lanes) {
    if (expected == rows) return;
    std::vector<std::string> only;
    std::set_difference(expected.begin(), expected.end(), rows.begin(), rows.end(), std::back_inserter(only));
    for (const std::string& row : only) fprintf(stderr, "seed %llu, %zu lanes: missing %s\n", static_cast<unsigned long long>(seed), lanes, row.c_str());
    only.clear();
    std::set_difference(rows.begin(), rows.end(), expected.begin(), expected.end(), std::back_inserter(only));
    for (const std::string& row : only) fprintf(stderr, "seed %llu, %zu lanes: added %s\n", static_cast<unsigned long long>(seed), lanes, row.c_str());
}

int total(const std::vector<std::string>& rows, const std::string& window) {
    int sum = 0;
    for (const std::string& row : rows) {
        if (row.find("\"window\":\"" + window + "\"") == std::string::npos) continue;
        sum += atoi(row.c_str() + row.find("\"n\":") + 4);
    }
    return sum;
}

}  // namespace

TEST_GROUP(LanesRun) {
    static std::vector<std::string> whole(const std::vector<Event>& events, std::size_t lanes) {
        TemporaryFolder folder;
        LanesAgent agent(folder.path(), lanes, Gateway::first_ms);
        std::vector<std::string> rows;
        std::uint64_t mark = 0;
        for (const Event& event : events) {
            agent.send(event);
            agent.step();
        }
        agent.gateway.pipeline->finish();
        agent.ship(mark, rows);
        return sorted(rows);
    }
};

TEST(LanesRun, several_make_the_records_of_one) {
    std::mt19937_64 random(7);
    const std::vector<Event> events = random_events(random, 3000);
    const std::vector<std::string> expected = whole(events, 1);
    CHECK(expected.size() > 150);
    for (std::size_t lanes : {2, 3, 4, 7}) CHECK(expected == whole(events, lanes));
}

TEST(LanesRun, kills_at_random_points_lose_and_repeat_nothing) {
    unsigned kills = 0;
    unsigned replayed = 0;
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
        std::mt19937_64 random(seed);
        const std::vector<Event> events = random_events(random, 1500);
        const std::vector<std::string> expected = whole(events, 1);
        for (std::size_t lanes : {1, 2, 3}) {
            TemporaryFolder folder;
            std::vector<std::string> rows;
            std::uint64_t mark = 0;
            std::size_t sent = 0;
            std::int64_t now = Gateway::first_ms;
            while (sent < events.size()) {
                LanesAgent agent(folder.path(), lanes, now);
                const std::size_t until = std::min<std::size_t>(events.size(), sent + random() % 300);
                for (; sent < until; ++sent) {
                    agent.send(events[sent]);
                    agent.step();
                    if (random() % 40 == 0) agent.ship(mark, rows);
                    if (random() % 150 == 0) agent.gateway.pipeline->request_flash();
                }
                if (random() % 2 == 0) {
                    agent.gateway.clock.advance(Duration::seconds(1));
                    agent.gateway.pipeline->step(Duration());  // a tick that was not heard of
                }
                now = agent.gateway.clock.wall().ms();
                // Between the appends of a tick to one journal and to the next.
                if (lanes > 1 && random() % 2 == 0 && agent.gateway.pipeline->lanes()->settled()) {
                    const std::uint64_t number = agent.gateway.pipeline->lanes()->lane(0).tick() + 1;
                    for (std::size_t lane = 0; lane < 1 + random() % (lanes - 1); ++lane)
                        CHECK((LaneTick{number, agent.gateway.clock.wall(), true}).append_to(agent.journal(lane)).ok());
                    ++replayed;
                }
                ++kills;
            }
            LanesAgent last(folder.path(), lanes, now);
            last.gateway.pipeline->finish();
            last.ship(mark, rows);
            tell_difference(expected, sorted(rows), seed, lanes);
            CHECK(expected == sorted(rows));
        }
    }
    CHECK(kills > 150 && replayed > 15);
}

TEST(LanesRun, another_number_of_lanes_closes_what_is_open_and_counts_every_event_once) {
    for (const bool killed : {false, true}) {
        std::mt19937_64 random(killed ? 31 : 32);
        TemporaryFolder folder;
        std::vector<std::string> rows;
        std::uint64_t mark = 0;
        std::int64_t later = 0;
        int loops = 0;
        int doors = 0;
        std::vector<std::uint64_t> epochs;
        for (const std::size_t lanes : {1, 2, 3, 2, 1, 4}) {
            std::vector<Event> events = random_events(random, 400);
            LanesAgent agent(folder.path(), lanes, events.front().at_ms + later);
            epochs.push_back(agent.gateway.pipeline->epoch());
            for (Event event : events) {
                event.at_ms += later;
                event.ts_ms += later;
                agent.send(event);
                agent.step();
                ++(event.topic.starts_with("door") ? doors : loops);
            }
            if (random() % 2 == 0) agent.ship(mark, rows);
            later += 600'000;  // no event is of a window that was closed
            if (killed) continue;
            agent.gateway.pipeline->catch_up();
            CHECK(agent.gateway.pipeline->checkpoint().ok());
        }
        LanesAgent last(folder.path(), 4, Gateway::first_ms + later);
        last.gateway.pipeline->finish();
        last.ship(mark, rows);
        LONGS_EQUAL(loops, total(rows, "w"));
        LONGS_EQUAL(doors, total(rows, "visits"));
        CHECK(std::is_sorted(epochs.begin(), epochs.end()) && epochs.front() < epochs.back());
        CHECK(std::any_of(rows.begin(), rows.end(), [](const std::string& row) { return row.find("\"partial\":true") != std::string::npos; }));
    }
}

TEST(LanesRun, a_power_cut_repeats_nothing_and_marks_the_gap) {
    for (const char* keys : {"", "flush = \"3s\"\n"}) {
        std::mt19937_64 random(41);
        const std::vector<Event> events = random_events(random, 1200);
        TemporaryFolder folder;
        std::vector<std::string> rows;
        std::uint64_t mark = 0;
        std::uint64_t epoch = 0;
        {
            LanesAgent agent(folder.path(), 2, Gateway::first_ms, keys);
            epoch = agent.gateway.pipeline->epoch();
            for (std::size_t i = 0; i < 800; ++i) {
                agent.send(events[i]);
                agent.step();
                if (i == 300) agent.gateway.pipeline->request_flash();
                if (i % 50 == 0) agent.ship(mark, rows);
            }
        }
        (void)!system(("rm -rf '" + folder.path() + "/run'").c_str());
        LanesAgent agent(folder.path(), 2, events[799].at_ms + 5000, keys);
        LONGS_EQUAL(epoch + 1, agent.gateway.pipeline->epoch());
        for (std::size_t i = 500; i < events.size(); ++i) {  // some of them again
            agent.send(events[i]);
            agent.step();
        }
        agent.gateway.pipeline->finish();
        CHECK(agent.gateway.pipeline->window_status(0).counters[static_cast<std::size_t>(WindowCounter::late_after_power_cut)] > 0);
        agent.ship(mark, rows);
        std::vector<std::string> identities;
        bool partial = false;
        for (const std::string& row : rows) {
            if (row.find("\"window\":\"w\"") == std::string::npos) continue;
            const std::size_t key = row.find("\"key\"");
            identities.push_back(row.substr(0, row.find("\"revision\"")) + row.substr(key, row.find("\"values\"") - key));
            partial |= row.find("\"partial\":true") != std::string::npos;
        }
        std::sort(identities.begin(), identities.end());
        CHECK(std::adjacent_find(identities.begin(), identities.end()) == identities.end());
        CHECK(partial);
    }
}

TEST(LanesRun, a_journal_that_was_lost_costs_its_own_entries) {
    std::mt19937_64 random(51);
    const std::vector<Event> events = random_events(random, 600);
    TemporaryFolder folder;
    std::uint64_t epoch = 0;
    {
        LanesAgent agent(folder.path(), 2, Gateway::first_ms);
        epoch = agent.gateway.pipeline->epoch();
        for (std::size_t i = 0; i < 300; ++i) {
            agent.send(events[i]);
            agent.step();
        }
    }
    CHECK(remove((folder.path() + "/run/journal-lane1").c_str()) == 0);
    LanesAgent agent(folder.path(), 2, events[299].at_ms);
    LONGS_EQUAL(epoch + 1, agent.gateway.pipeline->epoch());
    for (std::size_t i = 300; i < events.size(); ++i) {
        agent.send(events[i]);
        agent.step();
    }
    agent.gateway.pipeline->finish();
    std::vector<std::string> rows;
    std::uint64_t mark = 0;
    agent.ship(mark, rows);
    CHECK(total(rows, "w") + total(rows, "visits") > 400);
    CHECK(std::any_of(rows.begin(), rows.end(), [](const std::string& row) { return row.find("\"partial\":true") != std::string::npos; }));
}

TEST(LanesRun, a_journal_of_another_size_is_read_before_it_is_replaced) {
    std::mt19937_64 random(61);
    const std::vector<Event> events = random_events(random, 600);
    const std::vector<std::string> expected = whole(events, 1);
    TemporaryFolder folder;
    std::vector<std::string> rows;
    std::uint64_t mark = 0;
    std::size_t sent = 0;
    std::int64_t now = Gateway::first_ms;
    for (const char* size : {"1MiB", "2MiB", "1MiB"}) {
        std::string text = LanesAgent::text(folder.path(), 2, "");
        text.replace(text.find("1MiB"), 4, size);
        LanesAgent agent(text, now);
        LONGS_EQUAL(1, agent.gateway.pipeline->epoch());
        for (const std::size_t until = sent + 200; sent < until; ++sent) {
            agent.send(events[sent]);
            agent.step();
        }
        now = agent.gateway.clock.wall().ms();
    }
    LanesAgent last(folder.path(), 2, now);
    last.gateway.pipeline->finish();
    last.ship(mark, rows);
    CHECK(expected == sorted(rows));
}

// A message that the broker had queued in the session of another lane's connection.
TEST(LanesRun, a_message_goes_to_the_lane_of_its_topic_once) {
    TemporaryFolder folder;
    LanesAgent agent(folder.path(), 2, Gateway::first_ms);
    Journal* const journals[] = {&agent.journal(0), &agent.journal(1)};
    Receiver first(*agent.gateway.assembled.assembly, journals, 0, 0, agent.gateway.clock, 0);
    Receiver second(*agent.gateway.assembled.assembly, journals, 0, 1, agent.gateway.clock, 0);
    const std::string payload = event(Gateway::first_ms, 7);
    const std::size_t lane = agent.lane_of("south/a");
    LONGS_EQUAL(1, lane);
    MqttMessage message{"south/a", as_byte_span(payload), 1, false, false, 5};
    const std::uint64_t before[] = {journals[0]->newest_sequence(), journals[1]->newest_sequence()};
    CHECK(first.on_message(message));  // moved from lane 0 to lane 1
    LONGS_EQUAL(before[0], journals[0]->newest_sequence());
    LONGS_EQUAL(before[1] + 1, journals[1]->newest_sequence());
    message.duplicate = true;
    CHECK(first.on_message(message));  // known: a note of its connection says so
    LONGS_EQUAL(before[1] + 1, journals[1]->newest_sequence());
    LONGS_EQUAL(before[0] + 1, journals[0]->newest_sequence());
    LONGS_EQUAL(1, journals[1]->stats().duplicates);
    CHECK(second.on_message(message));  // another connection's packet id says nothing
    LONGS_EQUAL(before[1] + 2, journals[1]->newest_sequence());
}

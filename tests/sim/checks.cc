#include "tests/sim/checks.h"

#include <algorithm>

#include "agent/base/hash.h"

namespace weir::sim {
namespace {

std::string number(std::uint64_t n) { return std::to_string(n); }

std::string what(const Delivered& record) {
    return record.agent + " epoch " + number(record.epoch) + " sequence " + number(record.sequence) + " ship " + number(record.ship) + " (" +
           record.identity + ", revision " + number(record.revision) + ")";
}

}  // namespace

void Checks::fail(const std::string& text) {
    if (trouble_.empty()) trouble_ = text;
}

void Checks::look(const Kafka& kafka) {
    for (; looked_ < kafka.log().size(); ++looked_) {
        const Delivered& record = kafka.log()[looked_];
        const std::uint64_t parts[] = {hash_, record.content, record.ship, record.epoch};
        hash_ = hash64(std::as_bytes(std::span(parts)));
        for (const auto& agent : agents_)
            if (agent->scenario().id == record.agent) take(*agent, record);
    }
}

void Checks::take(SimAgent& agent, const Delivered& record) {
    Seen& seen = seen_[record.agent];
    std::uint64_t& ship = seen.ship[record.incarnation];
    if (record.ship <= ship) fail("order: " + what(record) + " behind ship number " + number(ship));
    seen.holes += record.ship - ship - 1;
    ship = record.ship;
    if (record.kind == RecordKind::result || record.kind == RecordKind::retraction)
        if (!seen.records.insert({record.identity, record.revision}).second) fail("twice: " + what(record));
    if (!seen.sequences[record.epoch].insert(record.sequence).second) fail("a sequence twice: " + what(record));
    const auto& all = agent.twin().said();
    if (const auto said = all.find(record.epoch); said != all.end() && record.sequence > said->second.behind) {
        const std::size_t index = static_cast<std::size_t>(record.sequence - said->second.behind - 1);
        if (index < said->second.contents.size() && said->second.contents[index] != record.content)
            fail("not what the twin said: " + what(record));
    }
    if (record.window == "w" && (record.kind == RecordKind::result || record.kind == RecordKind::late)) count(agent, record);
}

unsigned Checks::digit(const Window& window, unsigned which) {
    const auto of = [&](const std::vector<std::int64_t>& digits) {
        return static_cast<unsigned>(static_cast<std::uint64_t>(digits[which / 31]) >> 2 * (which % 31) & 3);
    };
    return of(window.digits) + of(window.late_digits);
}

void Checks::count(SimAgent& agent, const Delivered& record) {
    const std::string site = record.key.substr(0, record.key.find('|'));
    const std::int64_t minute = record.start.ms() / 60000;
    Window& window = seen_[record.agent].windows[{site, minute}];
    if (record.digits.size() != 2) return fail("no digits: " + what(record));
    if (record.kind == RecordKind::late) {
        for (std::size_t i = 0; i < 2; ++i) window.late_digits[i] += record.digits[i];
        window.late_n += record.n;
    } else {
        if (window.n > 0 && record.revision <= window.revision) fail("a revision went back: " + what(record));
        window.digits = record.digits;
        window.n = record.n;
        window.revision = record.revision;
    }
    window.partial |= (record.flags & record_partial) != 0;
    for (unsigned i = 0; i < 62; ++i) {
        const unsigned times = digit(window, i);
        const Event* event = agent.load().find(site, minute, i);
        if (times > (event == nullptr ? 0 : event->accepted))
            fail("an event counted " + number(times) + " times that came " + number(event == nullptr ? 0 : event->accepted) + " times: digit " +
                 number(i) + " of " + what(record));
    }
}

void Checks::look_at_the_end() {
    for (const auto& agent : agents_) judge(*agent, seen_[agent->scenario().id]);
}

void Checks::judge(SimAgent& agent, Seen& seen) {
    const std::string& id = agent.scenario().id;
    const Drops drops = agent.drops();
    const OutboxCounters outbox = agent.outbox().counters();
    const std::uint64_t dropped = drops.output + outbox.dropped_full_results + outbox.dropped_full_alerts + outbox.refused_full +
                                  outbox.corrupt_rows + outbox.oversize_rows + outbox.rejected_rows;
    if (seen.holes > dropped) fail(id + ": " + number(seen.holes) + " ship numbers are missing, " + number(dropped) + " results were dropped");

    // All that the twin said is in Kafka, but for the end of an epoch that a power cut ended.
    std::uint64_t missing_records = 0;
    for (const auto& [epoch, said] : agent.twin().said()) {
        const std::set<std::uint64_t>& there = seen.sequences[epoch];
        const std::uint64_t last = said.tail_may_be_lost ? (there.empty() ? 0 : *there.rbegin()) : said.behind + said.contents.size();
        for (std::uint64_t sequence = said.behind + 1; sequence <= last && sequence <= said.behind + said.contents.size(); ++sequence)
            if (!there.count(sequence)) {
                if (++missing_records > dropped) return fail(id + ": epoch " + number(epoch) + " sequence " + number(sequence) + " never came");
            }
    }

    // Every event: counted as often as it came, or dropped by a counter, or in what a power cut may cost.
    std::uint64_t came = 0, counted = 0, n = 0, excused = 0, not_marked = 0;
    std::string example;
    for (const Event& event : agent.load().events) {
        came += event.accepted;
        const auto at = seen.windows.find({event.site, event.minute});
        const unsigned times = at == seen.windows.end() ? 0 : digit(at->second, event.digit);
        counted += times;
        if (times >= event.accepted) continue;
        if (!event.may_be_lost) {
            // Of events that nothing made late, if there are such.
            if (example.empty() || (event.in_order && example.size() < 300))
                example += (example.empty() ? "" : ", ") + event.site + (event.in_order ? " in order" : " late") + " minute " +
                           std::to_string(event.minute - begin_minute) + " digit " + number(event.digit);
            continue;
        }
        excused += event.accepted - times;
        if (event.in_order && at != seen.windows.end() && !at->second.partial) ++not_marked;
    }
    for (const auto& [place, window] : seen.windows) n += static_cast<std::uint64_t>(window.n + window.late_n);
    if (n != counted) fail(id + ": results count " + number(n) + " events, their digits " + number(counted));
    const std::uint64_t missing = came - counted;
    // Without a power cut the counters have seen everything.
    if (agent.power_cuts() == 0 && dropped == 0) {
        const std::uint64_t counters = agent.dropped_before_window();
        if (missing != counters)
            fail(id + ": " + number(missing) + " events are in no result, the counters say " + number(counters) + "; of " + number(came) + ": " + example);
        const LinkAccounting& link = agent.pipeline().intake().links()[0];
        if (link.journaled != agent.accepted_messages())
            fail(id + ": the engine met " + number(link.journaled) + " messages, " + number(agent.accepted_messages()) + " were accepted");
    }
    if (dropped == 0 && missing > excused + drops.before_window)
        fail(id + ": of " + number(came) + " events " + number(missing) + " are in no result, " + number(drops.before_window) +
             " were dropped by a counter and " + number(excused) + " may be lost in a power cut; e.g. " + example);
    if (not_marked > (order_decides ? 0 : drops.before_window)) fail(id + ": " + number(not_marked) + " events were lost from results that are not marked as partial");
    const std::uint64_t parts[] = {hash_, came, counted, agent.kills(), agent.power_cuts(), agent.epoch()};
    hash_ = hash64(std::as_bytes(std::span(parts)));
}

}  // namespace weir::sim

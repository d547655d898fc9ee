#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "tests/model/windows/pattern_twin.h"
#include "tests/unit/windows/pattern_harness.h"

#include "CppUTest/TestHarness.h"

// Random patterns over random streams of several keys, out of order and late, against the twin; batches of 1, 7
// and 1,024 rows, state saved and loaded at random places. WEIR_MODEL_PATTERNS=20000 for more than the 1,500 of
// every run.

using namespace weir;
using namespace weir::model;
using test::PatternEvent;
using test::PatternRig;

namespace {

const Schema schema({{"key", ColumnType::integer}, {"price", ColumnType::integer}});

struct Tally {
    std::size_t patterns = 0;
    std::size_t refused = 0;
    std::size_t too_long = 0;     // for the twin
    std::size_t given_up = 0;     // runs, for the bound
    std::size_t matches = 0;
    std::size_t without = 0;      // streams without a match
    std::size_t late = 0;
    std::size_t rows = 0;
};

bool compiles(const PatternSpec& spec) {
    std::vector<Expression> inputs;
    std::string key;
    Problem problem;
    return compile_pattern(spec, schema, "", inputs, nullptr, key, problem).has_value();
}

PatternEvent event_of(const TwinEvent& event) {
    PatternEvent out{event.at, {std::int64_t{event.key}, {}}};
    if (event.price) out.cells[1] = *event.price;
    return out;
}

// The rows that come before the watermark, by key. by_key: each key has a watermark of its own.
std::map<int, std::vector<TwinEvent>> in_time(const std::vector<TwinEvent>& events, std::int64_t lateness, bool by_key, std::size_t& late) {
    std::map<int, std::vector<TwinEvent>> out;
    std::map<int, std::int64_t> greatest;
    for (const TwinEvent& event : events) {
        const int lane = by_key ? event.key : 0;
        const auto known = greatest.find(lane);
        if (known != greatest.end() && event.at < known->second - lateness)
            ++late;
        else
            out[event.key].push_back(event);
        greatest[lane] = known == greatest.end() ? event.at : std::max(known->second, event.at);
    }
    return out;
}

std::map<std::string, std::vector<std::string>> by_key(const std::vector<std::string>& lines, bool sorted) {
    std::map<std::string, std::vector<std::string>> out;
    for (const std::string& line : lines) out[line.substr(0, line.find(' '))].push_back(line);
    // Where matches overlap they come out when they are certain, not in the order in which they began.
    if (sorted)
        for (auto& [key, list] : out) std::sort(list.begin(), list.end());
    return out;
}

std::string joined(const std::map<std::string, std::vector<std::string>>& lines) {
    std::string out;
    for (const auto& [key, list] : lines)
        for (const std::string& line : list) out += "\n  " + line;
    return out;
}

}  // namespace

TEST_GROUP(PatternModel) {};

TEST(PatternModel, random_patterns_find_what_the_twin_finds) {
    const char* const wanted = std::getenv("WEIR_MODEL_PATTERNS");
    const std::size_t count = wanted ? std::strtoul(wanted, nullptr, 10) : 1500;
    Tally tally;
    for (std::size_t seed = 0; seed < count; ++seed) {
        Dice dice(seed + 1);
        const TwinPattern pattern = random_pattern(dice);
        const PatternSpec spec = spec_of(pattern, dice);
        ++tally.patterns;
        if (!compiles(spec)) {
            ++tally.refused;
            continue;
        }
        PatternRig::Options options;
        options.lateness_s = static_cast<std::int64_t>(dice.below(6));
        const bool partitioned = dice.one_in(2);
        if (partitioned) options.partition = "key";
        const std::vector<TwinEvent> events = random_events(dice, 20 + dice.below(60), static_cast<std::int64_t>(dice.below(8)));
        std::size_t late = 0;
        std::vector<std::string> expected;
        bool too_long = false;
        for (const auto& [key, rows] : in_time(events, options.lateness_s, partitioned, late)) {
            const auto found = matches_of(pattern, rows);
            too_long |= !found;
            if (found) expected.insert(expected.end(), found->begin(), found->end());
        }
        tally.too_long += too_long ? 1 : 0;
        if (too_long) continue;
        const bool sorted = spec.after == AfterMatch::next_row;
        for (std::size_t limit : {std::size_t{1}, std::size_t{7}, std::size_t{1024}}) {
            options.batch_rows = limit;
            PatternRig rig(schema, spec, options);
            std::vector<PatternEvent> some;
            for (const TwinEvent& event : events) {
                some.push_back(event_of(event));
                if (!dice.one_in(20)) continue;
                rig.feed(some);
                some.clear();
                if (dice.one_in(2)) rig.save_and_load();
            }
            rig.feed(some);
            rig.finish();
            CHECK_EQUAL(late, rig.counted(PatternCounter::late));
            CHECK_EQUAL(0u, rig.pattern().groups());
            if (rig.counted(PatternCounter::runs_given_up) > 0) {
                ++tally.given_up;
                break;
            }
            const auto want = by_key(expected, sorted);
            const auto got = by_key(rig.matches.lines, sorted);
            if (want != got) {
                std::string message = "seed " + std::to_string(seed) + ", batches of " + std::to_string(limit) + ": " + spec.match;
                for (const auto& [name, text] : spec.define) message += "\n  " + name + " as " + text;
                message += "\nwithin " + std::to_string(pattern.within) + (pattern.contiguity == Contiguity::next ? " next" : " strict") + " after " +
                           std::to_string(static_cast<int>(pattern.after)) + " " + spec.after_variable + "\nwanted" + joined(want) + "\ngot" + joined(got);
                FAIL(message.c_str());
            }
        }
        tally.matches += expected.size();
        tally.without += expected.empty() ? 1 : 0;
        tally.late += late;
        tally.rows += events.size();
    }
    std::printf("%zu patterns: %zu refused, %zu too long for the twin, %zu beyond the bound of runs; %zu rows, %zu late; %zu matches, %zu streams without\n",
                tally.patterns, tally.refused, tally.too_long, tally.given_up, tally.rows, tally.late, tally.matches, tally.without);
    CHECK(tally.refused * 2 < tally.patterns);
    CHECK((tally.too_long + tally.given_up) * 10 < tally.patterns);
    CHECK(tally.matches > tally.patterns);
}

// `weir test FILE`: cases that people write beside their rules, events in, alerts and results out. This is what a file says.
//     config = "traffic.toml"                            # beside this file
//     [[case]]
//     name   = "a queue is told"
//     start  = "2026-01-05T08:00:00Z"                    # the default; all times below count from it
//     events = [{ at = "1s", site = "s1", lane = 1, speed = 12.0, repeat = 30, every = "1s" }]
//     expect = [{ alert = "congestion", key = { site = "s1" }, at = "1m" }]
//     expect_none = ["silent"]
// The whole form is in rule_help (rule_command.cc). Memory: on the heap, the file and its tree. Cost: O(bytes).
// Threads: plain values. Errors: problems with their place, as those of a configuration.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/assembly.h"
#include "agent/config_tree.h"

namespace weir {

// A time of a case: so long after its start, or a date.
struct RuleTime {
    bool given = false;
    bool absolute = false;
    std::int64_t us = 0;
    Timestamp from(Timestamp start) const { return absolute ? Timestamp::micros(us) : start + Duration::micros(us); }
};

// The source of an event whose topic says it.
inline constexpr std::size_t rule_source_of_topic = static_cast<std::size_t>(-1);

struct RuleEvent {
    ConfigPlace place;
    RuleTime at;       // event time
    RuleTime arrives;  // not given: as it happens
    std::size_t source = 0;
    std::uint64_t repeat = 1;
    Duration every = Duration::seconds(1);
    std::vector<ConfigMember> columns;
    std::optional<std::string> payload;  // instead of columns; {time} is the event's
    std::string topic;
};

struct RuleExpectation {
    ConfigPlace place;
    bool alert = true;
    std::string name;   // of the alert, or of the window or pattern
    std::string state;  // of an alert; empty: any
    std::vector<ConfigMember> key;
    std::vector<ConfigMember> values;
    ConfigString when;
    bool timed = false;
    RuleTime from, to;
};

struct RuleCase {
    ConfigPlace place;
    std::string name;
    RuleTime start;
    std::vector<RuleEvent> events;
    std::string file;  // a path; empty: events
    ConfigPlace file_at;
    RuleTime until;  // not given: every window closes at the end
    std::vector<RuleExpectation> expect;
    std::vector<RuleExpectation> expect_none;
    bool nothing_else = false;
};

struct RuleTest {
    ConfigString config;  // the path as written
    std::vector<RuleCase> cases;
};

inline constexpr Timestamp rule_start = Timestamp::seconds(1767600000);  // 2026-01-05T08:00:00Z, a Monday

// The key `config` alone, which must be known before the rest can be understood.
ConfigString read_rule_config(const ConfigNode& root, ConfigProblems& problems);
// path: of the file, for paths in it.
RuleTest read_rule_test(const ConfigNode& root, const std::string& path, const Assembly& assembly, ConfigProblems& problems);

}  // namespace weir

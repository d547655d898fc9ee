// Topic templates: MQTT topic filters in which a level can be given a name, and so become a column.
// "city/{site}/loop/{lane:int}" subscribes to "city/+/loop/+" and captures two levels of each topic;
// "+" and a last "#" work too and capture nothing. A capture is a whole level; its type is string
// (the default), int or float.
// "$share/group/city/+/loop/+" is a shared subscription: the broker hands each message to one member of the group, and the
// topics are those of the filter behind the group's name.
// Memory: a few strings a template, taken at start-up; matching allocates nothing.
// Cost: match() one pass over the topic; TopicMatcher one pass a template.
// Threads: constant after parse(); any number of readers.
// Errors: parse() says what is wrong and where; a topic that does not match is false, never an error.
// Source: MQTT 3.1.1 (OASIS), section 4.7: wildcards, and topics that begin with '$'; MQTT 5.0, section 4.8.2, for shared
// subscriptions, which brokers such as mosquitto give clients of 3.1.1, too.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/batch.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"

namespace weir {

struct TopicCapture {
    std::string name;
    ColumnType type = ColumnType::text;  // text, integer or real
};

// What one capture took from one topic.
struct TopicValue {
    std::string_view text;     // the level, a view into the topic
    bool typed = true;         // text means something in the capture's type, and the field below is set
    std::int64_t integer = 0;  // for ColumnType::integer
    double real = 0;           // for ColumnType::real
};

class TopicTemplate {
public:
    static constexpr std::size_t captures_max = 16;

    static Result<TopicTemplate> parse(std::string_view text, Problem& problem);

    const std::string& text() const { return text_; }
    const std::string& filter() const { return filter_; }  // which topics fit
    std::string subscription() const { return share_ + filter_; }
    bool is_shared() const { return !share_.empty(); }
    const std::vector<TopicCapture>& captures() const { return captures_; }

    bool matches(std::string_view topic) const;
    // Fills the first captures().size() values if it matches. REQUIRES: that many values.
    bool match(std::string_view topic, std::span<TopicValue> values) const;

private:
    struct Level {
        enum class Kind : std::uint8_t { literal, any, rest } kind = Kind::literal;
        std::string literal;
        int capture = -1;
    };
    bool walk(std::string_view topic, std::span<TopicValue> values) const;

    std::string text_;
    std::string filter_;
    std::string share_;  // "$share/group/", or empty
    std::vector<Level> levels_;
    std::vector<TopicCapture> captures_;
};

// Which of many templates a topic belongs to; templates are numbered in the order of add().
class TopicMatcher {
public:
    void add(TopicTemplate topic) { templates_.push_back(std::move(topic)); }
    std::size_t size() const { return templates_.size(); }
    const TopicTemplate& operator[](std::size_t index) const { return templates_[index]; }
    // The first template from index `from` on that matches; size() if none does.
    std::size_t find(std::string_view topic, std::size_t from = 0) const;

private:
    std::vector<TopicTemplate> templates_;
};

// A valid filter, a valid topic to publish to (no wildcard, no NUL, 1 to 65,535 bytes).
bool valid_filter(std::string_view filter);
bool valid_topic(std::string_view topic);
bool filter_matches(std::string_view filter, std::string_view topic);
// Some topic matches both: a broker may then deliver one message twice to one client.
bool filters_overlap(std::string_view a, std::string_view b);

}  // namespace weir

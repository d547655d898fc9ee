#include "drivers/topic_template.h"

#include "agent/base/assert.h"
#include "drivers/numbers.h"

namespace weir {

namespace {

// Levels of a topic or filter, one after another. An empty text has one empty level.
class Levels {
public:
    explicit Levels(std::string_view text) : rest_(text) {}

    bool done() const { return done_; }
    std::size_t offset() const { return offset_; }
    std::string_view next() {
        const std::size_t slash = rest_.find('/');
        const std::string_view level = rest_.substr(0, slash);
        offset_ = next_offset_;
        if (slash == std::string_view::npos) {
            done_ = true;
        } else {
            rest_.remove_prefix(slash + 1);
            next_offset_ += slash + 1;
        }
        return level;
    }

private:
    std::string_view rest_;
    std::size_t offset_ = 0;
    std::size_t next_offset_ = 0;
    bool done_ = false;
};

bool is_name(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    for (char c : name)
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_')) return false;
    return true;
}

bool has_valid_size(std::string_view text) {
    return !text.empty() && text.size() <= 65535 && text.find('\0') == std::string_view::npos;
}

TopicValue typed_value(std::string_view text, ColumnType type) {
    TopicValue value{.text = text};
    if (type == ColumnType::text) return value;
    const Number number = parse_number(text);
    value.integer = number.integer;
    value.real = number.real;
    value.typed = number.kind == Number::Kind::integer ||
                  (type == ColumnType::real && number.kind == Number::Kind::real);
    return value;
}

constexpr std::string_view share_prefix = "$share/";

}  // namespace

Result<TopicTemplate> TopicTemplate::parse(std::string_view text, Problem& problem) {
    TopicTemplate result;
    result.text_ = text;
    const auto fail = [&](std::size_t offset, std::string what) {
        problem = {std::move(what), offset};
        return Error::invalid;
    };
    if (!has_valid_size(text)) return fail(0, "a topic has 1 to 65,535 bytes, none of them NUL");
    if (text.starts_with(share_prefix)) {
        const std::size_t end = text.find('/', share_prefix.size());
        if (end == std::string_view::npos || end + 1 == text.size())
            return fail(0, "a shared subscription is $share/GROUP/TOPIC; here there is no topic");
        const std::string_view group = text.substr(share_prefix.size(), end - share_prefix.size());
        if (group.empty() || group.find_first_of("+#{}") != std::string_view::npos)
            return fail(share_prefix.size(), "a shared subscription is $share/GROUP/TOPIC; GROUP has none of '+', '#', '{' and '}'");
        result.share_ = text.substr(0, end + 1);
    }
    Levels levels(text.substr(result.share_.size()));
    while (!levels.done()) {
        const std::string_view part = levels.next();
        const std::size_t offset = result.share_.size() + levels.offset();
        Level level;
        if (part == "#") {
            if (!levels.done()) return fail(offset, "'#' can only be the last level of a topic");
            level.kind = Level::Kind::rest;
        } else if (part == "+") {
            level.kind = Level::Kind::any;
        } else if (part.starts_with('{') && part.ends_with('}') && part.size() > 1) {
            const std::string_view inside = part.substr(1, part.size() - 2);
            const std::size_t colon = inside.find(':');
            TopicCapture capture{std::string(inside.substr(0, colon)), ColumnType::text};
            if (!is_name(capture.name))
                return fail(offset + 1, "'" + capture.name + "' is not a name: expected letters, digits and '_', not a digit first");
            if (colon != std::string_view::npos) {
                const auto type = column_type(inside.substr(colon + 1));
                if (!type || *type == ColumnType::boolean)
                    return fail(offset + 2 + colon, "expected string, int or float after '" + capture.name + ":'");
                capture.type = *type;
            }
            for (const TopicCapture& other : result.captures_)
                if (other.name == capture.name) return fail(offset + 1, "'" + capture.name + "' is captured twice");
            if (result.captures_.size() == captures_max) return fail(offset, "more than 16 named levels");
            level.kind = Level::Kind::any;
            level.capture = static_cast<int>(result.captures_.size());
            result.captures_.push_back(std::move(capture));
        } else {
            if (const std::size_t at = part.find_first_of("+#{}"); at != std::string_view::npos)
                return fail(offset + at, std::string("'") + part[at] + "' must be a whole level: expected '+', '#' or '{name}' between slashes");
            level.literal = part;
        }
        if (!result.levels_.empty()) result.filter_ += '/';
        result.filter_ += level.kind == Level::Kind::rest ? "#" : level.kind == Level::Kind::any ? "+" : level.literal;
        result.levels_.push_back(std::move(level));
    }
    return result;
}

bool TopicTemplate::matches(std::string_view topic) const { return walk(topic, {}); }

bool TopicTemplate::match(std::string_view topic, std::span<TopicValue> values) const {
    WEIR_ASSERT(values.size() >= captures_.size());
    return walk(topic, values);
}

bool TopicTemplate::walk(std::string_view topic, std::span<TopicValue> values) const {
    // A wildcard in the first place does not match topics that begin with '$'.
    if (topic.starts_with('$') && levels_[0].kind != Level::Kind::literal) return false;
    Levels parts(topic);
    for (const Level& level : levels_) {
        if (level.kind == Level::Kind::rest) return true;  // also where the topic ends one level before
        if (parts.done()) return false;
        const std::string_view part = parts.next();
        if (level.kind == Level::Kind::literal && part != level.literal) return false;
        if (level.capture < 0 || values.empty()) continue;
        const auto index = static_cast<std::size_t>(level.capture);
        values[index] = typed_value(part, captures_[index].type);
    }
    return parts.done();
}

std::size_t TopicMatcher::find(std::string_view topic, std::size_t from) const {
    while (from < templates_.size() && !templates_[from].matches(topic)) ++from;
    return from;
}

bool valid_filter(std::string_view filter) {
    if (!has_valid_size(filter)) return false;
    Levels levels(filter);
    while (!levels.done()) {
        const std::string_view level = levels.next();
        if (level == "#" && levels.done()) return true;
        if (level != "+" && level.find_first_of("+#") != std::string_view::npos) return false;
    }
    return true;
}

bool valid_topic(std::string_view topic) {
    return has_valid_size(topic) && topic.find_first_of("+#") == std::string_view::npos;
}

bool filter_matches(std::string_view filter, std::string_view topic) {
    if (topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'))) return false;
    Levels wanted(filter);
    Levels parts(topic);
    while (!wanted.done()) {
        const std::string_view level = wanted.next();
        if (level == "#") return true;
        if (parts.done()) return false;
        const std::string_view part = parts.next();
        if (level != "+" && level != part) return false;
    }
    return parts.done();
}

bool filters_overlap(std::string_view a, std::string_view b) {
    const auto wild = [](std::string_view filter) { return filter.starts_with('+') || filter.starts_with('#'); };
    if ((a.starts_with('$') && wild(b)) || (b.starts_with('$') && wild(a))) return false;
    Levels left(a);
    Levels right(b);
    while (!left.done() && !right.done()) {
        const std::string_view one = left.next();
        const std::string_view other = right.next();
        if (one == "#" || other == "#") return true;
        if (one != "+" && other != "+" && one != other) return false;
    }
    // "a/#" matches "a" itself.
    if (!left.done()) return left.next() == "#";
    if (!right.done()) return right.next() == "#";
    return true;
}

}  // namespace weir

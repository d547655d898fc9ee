#include "agent/init.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include "agent/config_sections.h"
#include "agent/config_units.h"
#include "drivers/timestamps.h"

namespace weir {
namespace {

constexpr std::size_t fields_max = 256;
constexpr std::size_t topics_max = 4096;
constexpr std::size_t values_max = 1024;
constexpr std::size_t few_values = 20;
constexpr std::size_t measures_max = 3;
constexpr std::size_t columns_max = 64;  // more is no start for a person

struct UnitGuess {
    std::string_view name;
    double per_second;
};
constexpr std::array<UnitGuess, 4> units = {{{"s", 1}, {"ms", 1e3}, {"us", 1e6}, {"ns", 1e9}}};
constexpr double year_2000 = 946'684'800;
constexpr double year_2100 = 4'102'444'800;

// A number is a time in the unit in which it lies in this century.
std::optional<UnitGuess> unit_of(double value) {
    for (const UnitGuess& unit : units) {
        if (value >= year_2000 * unit.per_second && value < year_2100 * unit.per_second)
            return unit;
    }
    return std::nullopt;
}

bool is_number(std::string_view text) {
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc{} && end == text.data() + text.size() && !text.empty();
}

bool is_whole(std::string_view text) {
    std::int64_t value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failure == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::vector<std::string> levels_of(std::string_view topic) {
    std::vector<std::string> levels;
    for (;;) {
        const std::size_t slash = topic.find('/');
        levels.emplace_back(topic.substr(0, slash));
        if (slash == std::string_view::npos) return levels;
        topic.remove_prefix(slash + 1);
    }
}

std::string lower(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return out;
}

// "/vehicle/Max Length" -> "vehicle_Max_Length"
std::string identifier_of(std::string_view path) {
    std::string out;
    for (const char c : path) {
        const bool good =
            (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (good)
            out += c;
        else if (!out.empty() && out.back() != '_')
            out += '_';
    }
    while (out.ends_with("_")) out.pop_back();
    if (out.size() > 40) out.resize(40);
    if (out.empty() || !is_identifier(out)) out.insert(0, "f_");
    return out;
}

bool named_like_a_time(std::string_view path) {
    const std::string name = lower(path.substr(path.rfind('/') + 1));
    for (const std::string_view known :
         {"ts", "time", "timestamp", "t", "at", "date", "datetime", "epoch", "when"}) {
        if (name == known) return true;
    }
    return name.ends_with("time") || name.ends_with("timestamp") || name.ends_with("_ts") ||
           name.ends_with("_at");
}

bool named_like_an_id(std::string_view path) {
    const std::string name = lower(path.substr(path.rfind('/') + 1));
    return name == "id" || name.ends_with("id") || name.starts_with("seq") || name == "n" ||
           name == "index";
}

std::string toml_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) continue;
        if (c == '"' || c == '\\') out += '\\';
        if (c == '$') out += '$';
        out += c;
    }
    return out + '"';
}

// The first of these that is not below the disorder that was seen, with room to spare.
Duration lateness_for(double disorder_seconds) {
    for (const std::int64_t seconds : {2, 5, 10, 30, 60, 300, 900, 3600}) {
        if (disorder_seconds * 1.5 <= static_cast<double>(seconds))
            return Duration::seconds(seconds);
    }
    return Duration::seconds(86'400);
}

}  // namespace

std::uint64_t InitLearner::Field::seen() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : kinds) sum += count;
    return sum;
}

std::uint64_t InitLearner::Field::numbers() const {
    return kinds[static_cast<std::size_t>(JsonKind::integer)] +
           kinds[static_cast<std::size_t>(JsonKind::real)];
}

void InitLearner::add(std::string_view topic, std::string_view payload, Timestamp arrival) {
    ++messages_;
    const auto events = json_shape(payload);
    if (!events) {
        ++undecodable_;
        if (undecodable_sample_.empty()) undecodable_sample_ = in_quotes(payload);
        return;
    }
    if (topics_.size() < topics_max) topics_.emplace(topic);
    for (const JsonEvent& event : *events) {
        ++events_;
        for (const JsonField& field : event) add_field(field, arrival);
    }
}

void InitLearner::add_field(const JsonField& json, Timestamp arrival) {
    auto found = fields_.find(json.path);
    if (found == fields_.end()) {
        if (fields_.size() >= fields_max) return;
        found = fields_.emplace(json.path, Field{}).first;
        order_.push_back(json.path);
    }
    Field& field = found->second;
    const bool number = json.kind == JsonKind::integer || json.kind == JsonKind::real;
    if (number) {
        const bool first = field.numbers() == 0;
        field.least = first ? json.number : std::min(field.least, json.number);
        field.most = first ? json.number : std::max(field.most, json.number);
        if (first || json.number > field.greatest_so_far) field.greatest_so_far = json.number;
        field.disorder = std::max(field.disorder, field.greatest_so_far - json.number);
        if (const auto unit = unit_of(json.number)) {
            field.arrival_gap_seconds =
                std::fabs(json.number / unit->per_second - static_cast<double>(arrival.us()) / 1e6);
        }
    } else if (json.kind == JsonKind::text) {
        if (is_number(json.text)) ++field.numeric_texts;
        if (const auto time = parse_iso8601(json.text); time && !is_number(json.text)) {
            ++field.iso_texts;
            field.iso_greatest = std::max(field.iso_greatest, *time);
            field.iso_disorder = std::max(field.iso_disorder, field.iso_greatest - *time);
        }
        if (field.values.size() < values_max) field.values.insert(json.text.substr(0, 64));
    }
    ++field.kinds[static_cast<std::size_t>(json.kind)];
}

// One writing of one configuration.
class InitWriter {
public:
    InitWriter(const InitLearner& seen, const InitOptions& options)
        : seen_(seen), options_(options) {}

    std::string run() {
        learn_topics();
        learn_time();
        learn_columns();
        write_head();
        write_source();
        write_window();
        write_tail();
        return std::move(out_);
    }

private:
    struct Capture {
        std::string name;
        bool whole = false;
        std::size_t values = 0;
    };
    struct Column {
        std::string name;
        std::string path;
        std::string_view type;
        bool numbers_in_strings = false;
        const InitLearner::Field* field = nullptr;
    };

    // Topics of the commonest number of levels; a level that varies, or that the filter leaves
    // open, is a capture.
    void learn_topics() {
        std::map<std::size_t, std::vector<std::vector<std::string>>> by_length;
        for (const std::string& topic : seen_.topics_) {
            std::vector<std::string> levels = levels_of(topic);
            by_length[levels.size()].push_back(std::move(levels));
        }
        const auto most = std::max_element(
            by_length.begin(), by_length.end(),
            [](const auto& a, const auto& b) { return a.second.size() < b.second.size(); });
        other_lengths_ = by_length.size() - 1;
        const std::vector<std::string> filter = levels_of(options_.filter);
        for (std::size_t level = 0; level < most->first; ++level) {
            std::set<std::string> values;
            for (const auto& levels : most->second) values.insert(levels[level]);
            const bool open = level < filter.size() && filter[level] == "+";
            const bool plain = values.begin()->find_first_of("{}+#") == std::string::npos;
            if (values.size() == 1 && !open && plain) {
                template_ += (level > 0 ? "/" : "") + *values.begin();
            } else if (captures_.size() >= 8) {
                template_ += level > 0 ? "/+" : "+";
            } else {
                add_capture(level, most->second[0], values);
            }
        }
    }

    // Topics are mostly written kind/which/kind/which: the level before names the one that varies.
    void add_capture(std::size_t level, const std::vector<std::string>& levels,
                     const std::set<std::string>& values) {
        const bool named = level > 0 && !levels[level - 1].empty() && !after_capture(level);
        Capture capture;
        capture.name =
            unique(named ? identifier_of(levels[level - 1]) : "level" + std::to_string(level + 1));
        capture.whole = std::all_of(values.begin(), values.end(),
                                    [](const std::string& v) { return is_whole(v); });
        capture.values = values.size();
        template_ += (level > 0 ? "/{" : "{") + capture.name + (capture.whole ? ":int}" : "}");
        last_capture_level_ = level;
        captures_.push_back(std::move(capture));
    }

    bool after_capture(std::size_t level) const {
        return !captures_.empty() && last_capture_level_ + 1 == level;
    }

    std::string unique(std::string name) {
        std::string candidate = name;
        for (int i = 2; taken_.contains(candidate); ++i) candidate = name + "_" + std::to_string(i);
        taken_.insert(candidate);
        return candidate;
    }

    void learn_time() {
        for (const bool by_name : {true, false}) {
            for (const std::string& path : seen_.order_) {
                if (!time_path_.empty()) return;
                const InitLearner::Field& field = seen_.fields_.at(path);
                if (field.seen() < seen_.events_ || (by_name && !named_like_a_time(path))) continue;
                if (field.iso_texts == seen_.events_) {
                    time_path_ = path;
                    time_disorder_seconds_ = field.iso_disorder.as_seconds();
                } else if (field.numbers() == seen_.events_) {
                    consider_number(path, field, by_name);
                }
            }
        }
    }

    void consider_number(const std::string& path, const InitLearner::Field& field, bool by_name) {
        const auto unit = unit_of(field.least);
        const auto same = unit_of(field.most);
        constexpr double day_seconds = 86'400;
        if (!unit || !same || unit->name != same->name) return;
        if (!by_name && field.arrival_gap_seconds > day_seconds) return;
        time_path_ = path;
        time_unit_ = unit->name;
        time_disorder_seconds_ = field.disorder / unit->per_second;
    }

    void learn_columns() {
        for (const std::string& path : seen_.order_) {
            if (path == time_path_) continue;
            const InitLearner::Field& field = seen_.fields_.at(path);
            Column column;
            column.path = path;
            column.field = &field;
            const auto count = [&](JsonKind kind) {
                return field.kinds[static_cast<std::size_t>(kind)];
            };
            const std::uint64_t values = field.seen() - count(JsonKind::null);
            if (values == 0 || count(JsonKind::array) > 0 || columns_.size() == columns_max) {
                left_out_.push_back(path);
                continue;
            }
            if (count(JsonKind::boolean) == values)
                column.type = "bool";
            else if (count(JsonKind::integer) == values)
                column.type = "int";
            else if (field.numbers() == values)
                column.type = "float";
            else if (field.numbers() + field.numeric_texts == values) {
                column.type = "float";
                column.numbers_in_strings = true;
            } else if (count(JsonKind::text) == values)
                column.type = "string";
            else {
                left_out_.push_back(path);
                continue;
            }
            column.name = unique(identifier_of(path));
            columns_.push_back(std::move(column));
        }
    }

    void write_head() {
        line("# Written by `weir init` after " + std::to_string(seen_.messages_) + " messages on " +
             in_quotes(options_.filter) + ", " + std::to_string(seen_.topics_.size()) + " topics.");
        line(
            "# A first guess to go on with: `weir check FILE` says what is wrong with it, `weir "
            "check --explain FILE`");
        line("# shows every key and its default, `weir run FILE --print` shows results.");
        if (seen_.undecodable_ > 0) {
            line("# " + std::to_string(seen_.undecodable_) +
                 " messages were not JSON, the first of them " + seen_.undecodable_sample_ + ".");
        }
        line("\n[mqtt]\nurl = " + toml_text(options_.url));
    }

    void write_source() {
        line(
            "\n# Where events come from. Levels of the topic that vary have a name, and are "
            "columns.");
        if (other_lengths_ > 0)
            line(
                "# Topics with another number of levels came too; they need a [[source]] of their "
                "own.");
        line("[[source]]\nname   = \"events\"\ntopics = [" + toml_text(template_) + "]");
        if (columns_.empty()) line("# No field of the payload can be a column.");
        for (const Column& column : columns_) write_column(column);
        for (const std::string& path : left_out_)
            line("# " + in_quotes(path) +
                 " is left out: an array, always null, of several types, or beyond 64 columns.");
        if (time_path_.empty()) {
            line(
                "# No field looks like a time: an event counts when it arrives. If one is, write "
                "time.field = \"NAME\".");
        } else {
            const bool top_level = time_path_.find_first_of("/~", 1) == std::string::npos;
            line("time.field    = " + toml_text(top_level ? time_path_.substr(1) : time_path_) +
                 comment("when it happened"));
            if (!time_unit_.empty())
                line("time.unit     = " + toml_text(time_unit_) + comment("by its magnitude"));
            line("time.lateness = " +
                 toml_text(format_duration(lateness_for(time_disorder_seconds_))) +
                 comment("events came at most " +
                         format_duration(rounded_up(time_disorder_seconds_)) + " out of order"));
        }
        if (!captures_.empty())
            line("partition     = " + toml_text(captures_[0].name) +
                 comment("one that is silent or late delays no other"));
    }

    void write_column(const Column& column) {
        const bool plain = column.path == "/" + column.name && !column.numbers_in_strings;
        std::string value = toml_text(column.type);
        if (!plain) {
            value = "{ path = " + toml_text(column.path) + ", type = " + value +
                    (column.numbers_in_strings ? ", numbers_in_strings = true }" : " }");
        }
        const bool text = column.type == "string";
        line("columns." + column.name + " = " + value +
             comment(text ? std::to_string(column.field->values.size()) +
                                (column.field->values.size() >= values_max ? " or more" : "") +
                                " values seen"
                          : ""));
    }

    void write_window() {
        line("\n# What is computed: each minute, one result a key.");
        line("[[window]]\nname = \"minute\"\nfrom = \"events\"");
        std::size_t groups = 1;
        if (captures_.empty()) {
            line("by   = []" + comment("the columns to group by; none: one result for all"));
        } else {
            line("by   = [" + toml_text(captures_[0].name) + "]");
            groups = captures_[0].values;
        }
        line("size = \"1m\"");
        std::size_t max_groups = 16;
        while (max_groups < 2 * groups && max_groups < 128) max_groups *= 2;
        line("max_groups = " + std::to_string(max_groups) +
             comment(std::to_string(groups) + " seen; more fold into \"(other)\""));
        select("n", "count()", "");
        select_measures();
        select_texts();
    }

    void select_measures() {
        std::size_t measures = 0;
        for (const Column& column : columns_) {
            if ((column.type != "float" && column.type != "int") || named_like_an_id(column.path))
                continue;
            if (measures++ == measures_max) return;
            select("mean_" + column.name, "mean(" + column.name + ")", "");
            select("max_" + column.name, "max(" + column.name + ")", "");
            select("p95_" + column.name, "quantile(" + column.name + ", 0.95)",
                   "95 % are below it");
        }
    }

    // Of the texts, one with many values is worth counting, one with few worth listing.
    void select_texts() {
        bool distinct = false;
        bool top = false;
        for (const Column& column : columns_) {
            if (column.type != "string") continue;
            const bool many = column.field->values.size() > few_values;
            if (many && !distinct)
                select("distinct_" + column.name, "distinct(" + column.name + ")",
                       "how many different ones, within 2 %");
            if (!many && !top)
                select("top_" + column.name, "top(" + column.name + ", 5)", "the commonest");
            (many ? distinct : top) = true;
        }
    }

    void select(const std::string& name, const std::string& expression, const std::string& text) {
        const std::string free = unique(name);
        line("select." + free + " = " + toml_text(expression) + comment(text));
    }

    void write_tail() {
        line(
            "\n# Next: [[alert]] says at once when something is wrong, [uplink] sends results to "
            "Kafka; `weir check --explain` shows both.");
    }

    static std::string comment(const std::string& text) {
        return text.empty() ? "" : "  # " + text;
    }

    static Duration rounded_up(double seconds) {
        return Duration::millis(static_cast<std::int64_t>(std::ceil(std::min(seconds, 1e9) * 1e3)));
    }

    void line(const std::string& text) { out_ += text + "\n"; }

    const InitLearner& seen_;
    const InitOptions& options_;
    std::string template_;
    std::size_t other_lengths_ = 0;
    std::size_t last_capture_level_ = 0;
    std::vector<Capture> captures_;
    std::vector<Column> columns_;
    std::vector<std::string> left_out_;
    std::set<std::string> taken_;
    std::string time_path_;
    std::string time_unit_;
    double time_disorder_seconds_ = 0;
    std::string out_;
};

Result<std::string> InitLearner::configuration(const InitOptions& options, Problem& problem) const {
    if (messages_ == 0) {
        problem.what = "no message came on " + in_quotes(options.filter) +
                       "; is the filter right, and does anybody publish?";
        return Error::missing;
    }
    if (events_ == 0 || topics_.empty()) {
        problem.what = "none of " + std::to_string(messages_) +
                       " messages is JSON, the first of them is " + undecodable_sample_ +
                       "; for CSV write the [[source]] by hand, with format = \"csv\"";
        return Error::unsupported;
    }
    return InitWriter(*this, options).run();
}

}  // namespace weir

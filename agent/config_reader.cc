#include "agent/config_reader.h"

#include <algorithm>
#include <charconv>
#include <functional>

#include "agent/base/nearest.h"
#include "agent/config_units.h"

namespace weir {
namespace {

std::optional<std::int64_t> whole_number(const ConfigNode& node) {
    if (node.type == ConfigType::integer) return node.integer;
    if (node.type != ConfigType::text || !node.from_environment) return std::nullopt;
    std::int64_t value = 0;
    const char* end = node.text.data() + node.text.size();
    const auto [rest, failure] = std::from_chars(node.text.data(), end, value);
    if (failure != std::errc{} || rest != end) return std::nullopt;
    return value;
}

// What somebody who left the unit out probably meant.
std::string with_unit(const ConfigNode& node, std::string_view unit) {
    if (node.type != ConfigType::integer || node.integer < 0) return {};
    return "; write \"" + std::to_string(node.integer) + std::string(unit) + "\" if that is meant";
}

std::string found(const ConfigNode& node) {
    switch (node.type) {
        case ConfigType::text: return "found " + in_quotes(node.text);
        case ConfigType::integer: return "found the number " + std::to_string(node.integer);
        case ConfigType::boolean: return node.boolean ? "found true" : "found false";
        default: return "found " + std::string(name(node.type));
    }
}

std::string between(const std::string& least, const std::string& most) {
    return "expected at least " + least + " and at most " + most;
}

std::string join_quoted(const std::vector<std::string>& words) {
    std::string out;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (i > 0) out += i + 1 == words.size() ? " or " : ", ";
        out += '"' + words[i] + '"';
    }
    return out;
}

std::string did_you_mean(std::string_view word, const std::vector<std::string>& candidates) {
    const std::string_view near = nearest_word(word, candidates);
    return near.empty() ? std::string() : "; did you mean \"" + std::string(near) + "\"?";
}

}  // namespace

std::string in_quotes(std::string_view text) {
    constexpr std::size_t shown_max = 60;
    std::string out = "\"";
    for (const char c : text.substr(0, shown_max)) {
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? '?' : c;
    }
    return out + (text.size() > shown_max ? "...\"" : "\"");
}

ConfigString config_string(const ConfigNode& node) { return {node.text, node.at, node.verbatim}; }

void ConfigReader::problem(const ConfigPlace& at, std::string what) {
    problems_.push_back({at, std::move(what), false});
}

void ConfigReader::problem_of(std::string_view key, const ConfigPlace& at, std::string_view what) {
    problem(at, prefix_ + std::string(key) + " in " + title_ + ": " + std::string(what));
}

void ConfigReader::wrong_type(std::string_view key, const ConfigNode& node,
                              std::string_view expected, std::string_view example) {
    problem_of(
        key, node.at,
        found(node) + ", expected " + std::string(expected) + " such as " + std::string(example));
}

const ConfigNode* ConfigReader::find(std::string_view key) {
    known_.emplace_back(key);
    return table_.find(key);
}

const ConfigNode* ConfigReader::find(std::string_view key, ConfigType type,
                                     std::string_view example) {
    const ConfigNode* node = find(key);
    if (!node || node->type == type) return node;
    wrong_type(key, *node, name(type), example);
    return nullptr;
}

bool ConfigReader::text(std::string_view key, std::string_view example, ConfigString& out) {
    const ConfigNode* node = find(key, ConfigType::text, example);
    if (!node) return false;
    if (node->text.empty() || node->text.find('\0') != std::string::npos) {
        problem_of(
            key, node->at,
            "found an empty string or a NUL, expected a text such as " + std::string(example));
        return false;
    }
    out = config_string(*node);
    return true;
}

bool ConfigReader::text(std::string_view key, std::string_view example, std::string& out) {
    ConfigString value;
    if (!text(key, example, value)) return false;
    out = std::move(value.text);
    return true;
}

bool ConfigReader::texts(std::string_view key, std::string_view example,
                         std::vector<ConfigString>& out) {
    const ConfigNode* node = find(key, ConfigType::array, example);
    if (!node) return false;
    out.clear();
    bool good = true;
    for (const ConfigNode& item : node->items) {
        if (item.type == ConfigType::text && !item.text.empty()) {
            out.push_back(config_string(item));
        } else {
            wrong_type(key, item, "strings", example);
            good = false;
        }
    }
    return good;
}

bool ConfigReader::boolean(std::string_view key, bool& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    const bool spelled = node->from_environment && (node->text == "true" || node->text == "false");
    if (node->type != ConfigType::boolean && !spelled) {
        problem_of(key, node->at, found(*node) + ", expected true or false");
        return false;
    }
    out = spelled ? node->text == "true" : node->boolean;
    return true;
}

bool ConfigReader::natural(std::string_view key, std::uint64_t least, std::uint64_t most,
                           std::uint64_t& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    const auto number = whole_number(*node);
    if (!number || *number < 0 || static_cast<std::uint64_t>(*number) < least ||
        static_cast<std::uint64_t>(*number) > most) {
        problem_of(key, node->at,
                   found(*node) + ", expected a whole number from " + std::to_string(least) +
                       " to " + std::to_string(most));
        return false;
    }
    out = static_cast<std::uint64_t>(*number);
    return true;
}

bool ConfigReader::share(std::string_view key, double& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    double value = node->real;
    bool number = node->type == ConfigType::real;
    if (node->from_environment) {
        const char* const end = node->text.data() + node->text.size();
        const auto parsed = std::from_chars(node->text.data(), end, value);
        number = parsed.ec == std::errc() && parsed.ptr == end;
    }
    if (!number || !(value > 0 && value < 1)) {
        problem_of(key, node->at, found(*node) + ", expected a share of more than 0 and less than 1, such as 0.01");
        return false;
    }
    out = value;
    return true;
}

bool ConfigReader::duration(std::string_view key, Duration least, Duration most, Duration& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    const auto value = node->type == ConfigType::text ? parse_duration(node->text)
                                                      : Result<Duration>(Error::wrong_type);
    if (!value && value.error() != Error::out_of_range) {
        problem_of(
            key, node->at,
            found(*node) +
                ", expected a duration such as \"500ms\", \"30s\", \"1m\", \"1h\" or \"1d\"" +
                with_unit(*node, "s"));
        return false;
    }
    if (!value || *value < least || *value > most) {
        problem_of(key, node->at,
                   found(*node) + ", " + between(format_duration(least), format_duration(most)));
        return false;
    }
    out = *value;
    return true;
}

bool ConfigReader::size(std::string_view key, std::uint64_t least, std::uint64_t most,
                        std::uint64_t& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    const auto value = node->type == ConfigType::text ? parse_size(node->text)
                                                      : Result<std::uint64_t>(Error::wrong_type);
    if (!value && value.error() != Error::out_of_range) {
        problem_of(key, node->at,
                   found(*node) + ", expected a size such as \"256KiB\", \"64KB\" or \"24MiB\"" +
                       with_unit(*node, "B"));
        return false;
    }
    if (!value || *value < least || *value > most) {
        problem_of(key, node->at,
                   found(*node) + ", " + between(format_size(least), format_size(most)));
        return false;
    }
    out = *value;
    return true;
}

bool ConfigReader::rate(std::string_view key, std::string_view period, std::uint64_t least,
                        std::uint64_t most, std::uint64_t& out) {
    const ConfigNode* node = find(key);
    if (!node) return false;
    const Duration span = period == "day" ? Duration::seconds(86'400) : Duration::seconds(1);
    const auto value = node->type == ConfigType::text ? parse_rate(node->text, span)
                                                      : Result<std::uint64_t>(Error::wrong_type);
    if (!value && value.error() != Error::out_of_range) {
        problem_of(key, node->at,
                   found(*node) + ", expected a rate such as \"64KiB/s\" or \"200MiB/day\"" +
                       with_unit(*node, "B/" + std::string(period)));
        return false;
    }
    if (!value || *value < least || *value > most) {
        problem_of(
            key, node->at,
            found(*node) + ", " + between(format_rate(least, period), format_rate(most, period)));
        return false;
    }
    out = *value;
    return true;
}

std::optional<std::size_t> ConfigReader::choose(std::string_view key,
                                                const std::vector<std::string>& choices) {
    const ConfigNode* node = find(key);
    if (!node) return std::nullopt;
    const auto match = std::find(choices.begin(), choices.end(), node->text);
    if (node->type == ConfigType::text && match != choices.end()) {
        return static_cast<std::size_t>(match - choices.begin());
    }
    problem_of(
        key, node->at,
        found(*node) + ", expected " + join_quoted(choices) + did_you_mean(node->text, choices));
    return std::nullopt;
}

void ConfigReader::require(std::string_view key, std::string_view example) {
    if (table_.find(key)) return;
    problem(table_.at, title_ + " has no " + prefix_ + std::string(key) +
                           ", expected one such as " + std::string(example));
}

void ConfigReader::unreleased(std::string_view key, std::string_view instead) {
    unreleased_.emplace_back(key);
    for (const ConfigMember& member : table_.members) {
        if (member.key != key) continue;
        problem_of(key, member.at, "not in this release; " + std::string(instead));
    }
}

void ConfigReader::finish() {
    for (const ConfigMember& member : table_.members) {
        const auto is_key = [&](const std::string& key) { return key == member.key; };
        if (std::any_of(known_.begin(), known_.end(), is_key)) continue;
        if (std::any_of(unreleased_.begin(), unreleased_.end(), is_key)) continue;
        std::string what = "unknown key " + in_quotes(prefix_ + member.key) + " in " + title_ +
                           did_you_mean(member.key, known_);
        if (nearest_word(member.key, known_).empty()) {
            std::vector<std::string> keys = known_;
            std::sort(keys.begin(), keys.end());
            keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
            if (!keys.empty()) what += "; expected one of " + join_quoted(keys);
        }
        problem(member.at, std::move(what));
    }
}

}  // namespace weir

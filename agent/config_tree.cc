#include "agent/config_tree.h"

#include <algorithm>
#include <tuple>

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts (and with NDEBUG assumes) what a text such as "key = ]" breaks, before it
// reports the error properly: without the assertion it does report it.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

#include "agent/base/nearest.h"
#include "agent/config_units.h"

namespace weir {
namespace {

using Environment = std::map<std::string, std::string>;

auto order(const ConfigPlace& at) { return std::tie(at.file, at.line, at.column); }

// The offset of a line and column (in code points) in a text; its size if there is no such place.
std::size_t offset_of(std::string_view text, const ConfigPlace& at) {
    std::size_t offset = 0;
    for (std::uint32_t line = 1; line < at.line; ++line) {
        offset = text.find('\n', offset);
        if (offset == std::string_view::npos) return text.size();
        ++offset;
    }
    for (std::uint32_t column = 1; column < at.column && offset < text.size(); ++column) {
        ++offset;
        while (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xC0) == 0x80) {
            ++offset;
        }
    }
    return offset;
}

class TreeBuilder {
public:
    TreeBuilder(std::string_view text, std::uint32_t file) : text_(text), file_(file) {}

    ConfigPlace place(const toml::source_region& region) const {
        return {file_, region.begin.line, region.begin.column};
    }

    ConfigNode build(const toml::node& from) const {
        ConfigNode node;
        node.at = place(from.source());
        if (const toml::table* table = from.as_table()) {
            build_table(*table, node);
        } else if (const toml::array* array = from.as_array()) {
            node.type = ConfigType::array;
            for (const toml::node& item : *array) node.items.push_back(build(item));
        } else if (const auto* text = from.as_string()) {
            build_text(text->get(), node);
        } else if (const auto* integer = from.as_integer()) {
            node.type = ConfigType::integer;
            node.integer = integer->get();
        } else if (const auto* real = from.as_floating_point()) {
            node.type = ConfigType::real;
            node.real = real->get();
        } else if (const auto* boolean = from.as_boolean()) {
            node.type = ConfigType::boolean;
            node.boolean = boolean->get();
        } else {
            node.type = ConfigType::date;
        }
        return node;
    }

private:
    void build_table(const toml::table& table, ConfigNode& node) const {
        node.type = ConfigType::table;
        for (const auto& [key, value] : table) {
            node.members.push_back({std::string(key.str()), place(key.source()), build(value)});
        }
        // toml++ sorts by key; the order of the text is the order of columns and of results.
        std::stable_sort(
            node.members.begin(), node.members.end(),
            [](const ConfigMember& a, const ConfigMember& b) { return order(a.at) < order(b.at); });
    }

    void build_text(const std::string& text, ConfigNode& node) const {
        node.type = ConfigType::text;
        node.text = text;
        const std::size_t quote = offset_of(text_, node.at);
        if (quote >= text_.size() || (text_[quote] != '"' && text_[quote] != '\'')) return;
        const bool single_line = text.find('\n') == std::string::npos;
        if (single_line && text_.substr(quote + 1, text.size()) == text) {
            node.verbatim = true;
            ++node.at.column;
        }
    }

    std::string_view text_;
    std::uint32_t file_;
};

bool is_name(std::string_view name) {
    if (name.empty() || (name[0] >= '0' && name[0] <= '9')) return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

class Expander {
public:
    Expander(const Environment& environment, ConfigProblems& problems)
        : environment_(environment), problems_(problems) {}

    void walk(ConfigNode& node) {
        for (ConfigNode& item : node.items) walk(item);
        for (ConfigMember& member : node.members) walk(member.value);
        if (node.type == ConfigType::text && node.text.find('$') != std::string::npos) expand(node);
    }

private:
    void expand(ConfigNode& node) {
        std::string out;
        const std::string_view text = node.text;
        std::size_t at = 0;
        while (at < text.size()) {
            const std::string_view rest = text.substr(at);
            if (rest.starts_with("$$")) {
                out += '$';
                at += 2;
            } else if (rest.starts_with("${")) {
                const std::size_t end = rest.find('}');
                if (end == std::string_view::npos) {
                    problem(node,
                            "\"${\" without its \"}\"; a plain dollar sign is written \"$$\"");
                    return;
                }
                out += value(node, rest.substr(2, end - 2));
                at += end + 1;
            } else {
                out += text[at++];
            }
        }
        if (out == node.text) return;
        node.text = std::move(out);
        if (node.verbatim) --node.at.column;  // points at the quote again: offsets mean nothing now
        node.verbatim = false;
    }

    std::string value(const ConfigNode& node, std::string_view inside) {
        const std::size_t separator = inside.find(":-");
        const std::string variable(inside.substr(0, separator));
        if (!is_name(variable)) {
            problem(node, "\"${" + std::string(inside) +
                              "}\" is not ${VARIABLE} or ${VARIABLE:-default}");
            return {};
        }
        const auto found = environment_.find(variable);
        if (found != environment_.end() &&
            !(found->second.empty() && separator != std::string_view::npos)) {
            return found->second;
        }
        if (separator != std::string_view::npos) return std::string(inside.substr(separator + 2));
        problem(node, "environment variable " + variable + " is not set; set it, or write ${" +
                          variable + ":-default}");
        return {};
    }

    void problem(const ConfigNode& node, std::string what) {
        problems_.push_back({node.at, std::move(what), false});
    }

    const Environment& environment_;
    ConfigProblems& problems_;
};

bool is_array_of_tables(const ConfigNode& node) {
    return node.type == ConfigType::array && !node.items.empty() &&
           std::all_of(node.items.begin(), node.items.end(),
                       [](const ConfigNode& item) { return item.type == ConfigType::table; });
}

ConfigNode* find_mutable(ConfigNode& table, std::string_view key) {
    for (ConfigMember& member : table.members)
        if (member.key == key) return &member.value;
    return nullptr;
}

// "WEIR_AGENT__JOURNAL__SIZE" -> agent, journal, size. Empty if it is no such name.
std::vector<std::string> key_path(std::string_view variable) {
    constexpr std::string_view prefix = "WEIR_";
    std::vector<std::string> path;
    if (!variable.starts_with(prefix) || variable.find("__") == std::string_view::npos) return path;
    std::string lower;
    for (const char c : variable.substr(prefix.size())) {
        lower += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    std::size_t start = 0;
    for (;;) {
        const std::size_t end = lower.find("__", start);
        path.push_back(lower.substr(start, end - start));
        if (end == std::string::npos) return path;
        start = end + 2;
    }
}

void set_at(ConfigNode& root, const std::vector<std::string>& path, ConfigNode value) {
    ConfigNode* node = &root;
    const ConfigPlace at = value.at;
    for (std::size_t i = 0; i < path.size(); ++i) {
        ConfigNode* next = find_mutable(*node, path[i]);
        const bool last = i + 1 == path.size();
        if (!next) {
            node->members.push_back({path[i], at, {}});
            next = &node->members.back().value;
            next->at = at;
        }
        if (last)
            *next = std::move(value);
        else if (next->type != ConfigType::table) {
            *next = {};
            next->at = at;
        }
        node = next;
    }
}

}  // namespace

std::string_view name(ConfigType type) {
    switch (type) {
        case ConfigType::table: return "a table";
        case ConfigType::array: return "an array";
        case ConfigType::text: return "a string";
        case ConfigType::integer: return "a whole number";
        case ConfigType::real: return "a number";
        case ConfigType::boolean: return "a boolean";
        case ConfigType::date: return "a date or time";
    }
    return "?";
}

const ConfigNode* ConfigNode::find(std::string_view key) const {
    for (const ConfigMember& member : members)
        if (member.key == key) return &member.value;
    return nullptr;
}

bool read_toml(const std::vector<ConfigFile>& files, std::uint32_t file,
               const Environment& environment, ConfigNode& root, ConfigProblems& problems) {
    const std::string& text = files[file].text;
    const toml::parse_result parsed = toml::parse(std::string_view(text));
    if (!parsed) {
        const toml::parse_error& error = parsed.error();
        const TreeBuilder builder(text, file);
        problems.push_back({builder.place(error.source()),
                            "not TOML: " + std::string(error.description()), false});
        return false;
    }
    root = TreeBuilder(text, file).build(parsed.table());
    root.at = {file, 1, 1};
    Expander(environment, problems).walk(root);
    return true;
}

void merge(ConfigNode& into, ConfigNode&& from) {
    for (ConfigMember& member : from.members) {
        ConfigNode* present = find_mutable(into, member.key);
        if (!present) {
            into.members.push_back(std::move(member));
        } else if (present->type == ConfigType::table && member.value.type == ConfigType::table) {
            merge(*present, std::move(member.value));
        } else if (is_array_of_tables(*present) && is_array_of_tables(member.value)) {
            for (ConfigNode& item : member.value.items) present->items.push_back(std::move(item));
        } else {
            *present = std::move(member.value);
        }
    }
}

void apply_environment(ConfigNode& root, std::vector<ConfigFile>& files,
                       const Environment& environment, ConfigProblems& problems) {
    const std::vector<std::string> sections = {"agent", "mqtt", "uplink"};
    for (const auto& [variable, text] : environment) {
        const std::vector<std::string> path = key_path(variable);
        if (path.empty()) continue;
        ConfigNode value;
        value.type = ConfigType::text;
        value.text = text;
        value.from_environment = true;
        value.at.file = static_cast<std::uint32_t>(files.size());
        files.push_back({"$" + variable, {}});
        if (std::find(sections.begin(), sections.end(), path[0]) == sections.end()) {
            const std::string_view near = nearest_word(path[0], sections);
            problems.push_back(
                {value.at,
                 "found section \"" + path[0] +
                     "\", expected WEIR_AGENT__KEY, WEIR_MQTT__KEY or "
                     "WEIR_UPLINK__KEY" +
                     (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?"),
                 false});
            continue;
        }
        set_at(root, path, std::move(value));
    }
}

}  // namespace weir

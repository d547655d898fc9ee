#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Duration longest = Duration::minutes(60 * 24 * 366);

}  // namespace

void ConfigSections::read_pattern(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    PatternConfig pattern;
    pattern.at = node.at;
    name(reader, pattern.name);
    reader.require("from", "the name of a source");
    reader.text("from", "\"loops\"", pattern.from);
    reader.text("where", "\"speed > 0.0\"", pattern.where);
    reader.texts("by", "[\"site\", \"lane\"]", pattern.by);
    reader.require("match", "match = \"A B* C\"");
    reader.text("match", "\"A B* C\"", pattern.match);
    read_expressions(reader, "define", "define.A = \"speed > 60.0\"", pattern.define);
    reader.require("measures", "measures.n = \"count()\"");
    read_expressions(reader, "measures", "measures.n = \"count()\"", pattern.measures);
    reader.duration("within", Duration(), longest, pattern.within);
    reader.one_of<Contiguity>("contiguity", {{"strict", Contiguity::strict}, {"next", Contiguity::next}}, pattern.contiguity);
    read_after(reader, pattern);
    const auto bound = [&](std::string_view key, std::uint32_t& out) {
        std::uint64_t value = out;
        if (reader.natural(key, 1, 1 << 20, value)) out = static_cast<std::uint32_t>(value);
    };
    bound("max_groups", pattern.max_groups);
    bound("max_runs", pattern.max_runs);
    bound("max_pending", pattern.max_pending);
    reader.finish();
    config_.patterns.push_back(std::move(pattern));
}

// A table of expressions by name.
void ConfigSections::read_expressions(ConfigReader& reader, std::string_view key, std::string_view example,
                                      std::vector<SelectConfig>& out) {
    const ConfigNode* table = reader.find(key, ConfigType::table, example);
    if (!table) return;
    for (const ConfigMember& member : table->members) {
        SelectConfig item;
        item.name = member.key;
        if (!is_identifier(member.key))
            reader.problem_of(std::string(key) + "." + member.key, member.at,
                              "expected a name of letters, digits and _, at most 64, the first no digit");
        ConfigReader inner(*table, reader.title(), problems_, std::string(key) + ".");
        if (inner.text(member.key, "\"speed > 60.0\"", item.expression)) out.push_back(std::move(item));
    }
}

// "past last row", "next row", "first B", "last B".
void ConfigSections::read_after(ConfigReader& reader, PatternConfig& pattern) {
    ConfigString after;
    if (!reader.text("after", "\"past last row\"", after)) return;
    if (after.text == "past last row") {
        pattern.after = AfterMatch::past_last_row;
    } else if (after.text == "next row") {
        pattern.after = AfterMatch::next_row;
    } else if (after.text.starts_with("first ") || after.text.starts_with("last ")) {
        pattern.after = after.text[0] == 'f' ? AfterMatch::first : AfterMatch::last;
        pattern.after_variable = after.text.substr(after.text.find(' ') + 1);
    } else {
        reader.problem_of("after", after.at,
                          "found " + in_quotes(after.text) + ", expected \"past last row\", \"next row\", \"first B\" or \"last B\"");
    }
    pattern.after_at = after.at;
}

}  // namespace weir

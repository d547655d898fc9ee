#include <algorithm>

#include "agent/config.h"

namespace weir {
namespace {

constexpr std::size_t line_shown_max = 160;

std::string_view line_of(std::string_view text, std::uint32_t line) {
    std::size_t start = 0;
    for (std::uint32_t i = 1; i < line; ++i) {
        start = text.find('\n', start);
        if (start == std::string_view::npos) return {};
        ++start;
    }
    std::string_view found = text.substr(start, text.find('\n', start) - start);
    if (found.ends_with("\r")) found.remove_suffix(1);
    return found;
}

bool begins_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }

// Code points, as columns count.
std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_character));
}

// The line, and beneath it a caret; tabs stay tabs so that the caret stands right.
void append_source(std::string& out, const ConfigFile& file, const ConfigPlace& at) {
    const std::string_view line = line_of(file.text, at.line);
    if (line.empty() || line.size() > line_shown_max || at.column == 0) return;
    std::string shown;
    std::string under;
    std::size_t column = 1;
    for (const char c : line) {
        const bool control = static_cast<unsigned char>(c) < 0x20 && c != '\t';
        shown += control ? '?' : c;
        if (!begins_character(c)) continue;
        if (column < at.column) under += c == '\t' ? '\t' : ' ';
        ++column;
    }
    const std::string number = std::to_string(at.line);
    const std::size_t width = std::max<std::size_t>(number.size(), 5);
    out += std::string(width - number.size(), ' ') + number + " | " + shown + "\n";
    out += std::string(width, ' ') + " | " + under + "^\n";
}

std::string counted(std::size_t count, std::string_view what) {
    return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

}  // namespace

ConfigProblem problem_in(const ConfigString& expression, const Problem& problem) {
    ConfigProblem out{expression.at, problem.what, false};
    if (!expression.verbatim) return out;
    const std::string_view before = std::string_view(expression.text).substr(0, problem.offset);
    out.at.column += static_cast<std::uint32_t>(characters(before));
    return out;
}

ConfigProblem problem_in(const AgentConfig& config, const SpecProblem& problem) {
    const std::string kind = !problem.join.empty()     ? "[[join]] \"" + problem.join
                             : !problem.table.empty()      ? "[[table]] \"" + problem.table
                             : !problem.pattern.empty() ? "[[pattern]] \"" + problem.pattern
                             : !problem.window.empty() ? "[[window]] \"" + problem.window
                                                       : "[[source]] \"" + problem.source;
    const std::string what = problem.key + " in " + kind + "\": " + problem.problem.what;
    const Problem inner{what, problem.problem.offset};
    if (const WindowConfig* window = config.find_window(problem.window);
        window && !problem.window.empty()) {
        if (problem.key == "where" && !window->where.empty())
            return problem_in(window->where, inner);
        if (problem.key == "session" && !window->session_gap.empty())
            return problem_in(window->session_gap, inner);
        if (problem.key == "from") return problem_in(window->from, {what, 0});
        if (problem.key == "zone") return problem_in(window->zone, {what, 0});
        if (problem.key == "by" && !window->by.empty()) return problem_in(window->by[0], {what, 0});
        for (const SelectConfig& select : window->select) {
            if (problem.key == "select." + select.name) return problem_in(select.expression, inner);
        }
        return {window->at, what, false};
    }
    if (const PatternConfig* pattern = config.find_pattern(problem.pattern);
        pattern && !problem.pattern.empty()) {
        if (problem.key == "where") return problem_in(pattern->where, inner);
        if (problem.key == "from") return problem_in(pattern->from, {what, 0});
        if (problem.key == "match") return problem_in(pattern->match, inner);
        if (problem.key == "by" && !pattern->by.empty()) return problem_in(pattern->by[0], {what, 0});
        if (problem.key == "after") return {pattern->after_at, what, false};
        for (const SelectConfig& define : pattern->define)
            if (problem.key == "define." + define.name) return problem_in(define.expression, inner);
        for (const SelectConfig& measure : pattern->measures)
            if (problem.key == "measures." + measure.name) return problem_in(measure.expression, inner);
        return {pattern->at, what, false};
    }
    if (const JoinConfig* join = config.find_join(problem.join)) {
        if (problem.key == "left" || problem.key == "right") return {(problem.key == "left" ? join->left : join->right).at, what, false};
        if (problem.key == "on" && !join->on.empty()) return {join->on[0].left.at, what, false};
        for (const SelectConfig& column : join->columns)
            if (problem.key == "columns." + column.name) return problem_in(column.expression, inner);
        return {join->at, what, false};
    }
    if (const TableConfig* table = config.find_table(problem.table)) {
        return {problem.key == "key" ? table->key.at : table->at, what, false};
    }
    if (const SourceConfig* source = config.find_source(problem.source)) {
        if (problem.key == "enrich" && !source->enrich.empty()) return {source->enrich[0].table.at, what, false};
        if (problem.key == "partition") return problem_in(source->partition, {what, 0});
        if (problem.key == "time.align") return problem_in(source->time.align, {what, 0});
        return {source->at, what, false};
    }
    return {{}, what, false};
}

std::string render_problems(const AgentConfig& config, const std::vector<ConfigProblem>& problems) {
    std::string out;
    std::size_t errors = 0;
    for (const ConfigProblem& problem : problems) {
        errors += problem.warning ? 0 : 1;
        if (problem.at.file < config.files.size()) {
            const ConfigFile& file = config.files[problem.at.file];
            out += file.path + ":";
            if (problem.at.line > 0) {
                out += std::to_string(problem.at.line) + ":" +
                       std::to_string(std::max<std::uint32_t>(problem.at.column, 1)) + ":";
            }
            out += " ";
        }
        out += (problem.warning ? "warning: " : "error: ") + problem.what + "\n";
        if (problem.at.file < config.files.size())
            append_source(out, config.files[problem.at.file], problem.at);
    }
    if (problems.empty()) return out;
    const std::size_t warnings = problems.size() - errors;
    out +=
        counted(errors, "error") + (warnings > 0 ? ", " + counted(warnings, "warning") : "") + "\n";
    return out;
}

}  // namespace weir

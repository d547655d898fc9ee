// The keys of a [[window]] that is not cut by the clock: session and count.
#include <algorithm>

#include "agent/config_sections.h"
#include "agent/config_units.h"

namespace weir {
namespace {

constexpr Duration longest = Duration::seconds(86'400) * 366;

// A number and a word, such as "45s": a duration, well spelled or not. All else is an expression.
bool looks_like_duration(std::string_view text) {
    const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
    const auto is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    const std::size_t digits = static_cast<std::size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
    std::string_view unit = text.substr(digits);
    while (unit.starts_with(' ')) unit.remove_prefix(1);
    return digits > 0 && std::all_of(unit.begin(), unit.end(), is_letter);
}

}  // namespace

void ConfigSections::read_session(ConfigReader& reader, WindowConfig& window) {
    const ConfigNode* session = reader.find("session");
    const ConfigNode* most = reader.find("session_max");
    if (!session) {
        if (most) reader.problem_of("session_max", most->at, "has a meaning only with session = an expression");
        return;
    }
    if (reader.find("size") || reader.find("calendar"))
        reader.problem_of("session", session->at, "stands beside size or calendar; a window has one of them");
    if (session->type != ConfigType::text || looks_like_duration(session->text)) {
        reader.duration("session", Duration::millis(1), longest, window.session);
        if (most)
            reader.problem_of("session_max", most->at,
                              "has a meaning only with an expression, such as session = \"gap_s\"; this gap is always the same");
        return;
    }
    reader.text("session", "\"45s\", or an expression such as \"kind == 'truck' ? 60 : 20\"", window.session_gap);
    reader.duration("session_max", Duration::millis(1), longest, window.session_max);
}

void ConfigSections::read_count(ConfigReader& reader, WindowConfig& window) {
    const ConfigNode* count = reader.find("count");
    const ConfigNode* wait = reader.find("max_wait");
    if (!count) {
        if (wait)
            reader.problem_of("max_wait", wait->at,
                              "has a meaning only with count = 500: a window closes at so many rows or after so long");
        return;
    }
    if (reader.find("size") || reader.find("session") || reader.find("calendar"))
        reader.problem_of("count", count->at, "stands beside size, session or calendar; a window has one of them");
    if (const ConfigNode* late = reader.find("late"))
        reader.problem_of("late", late->at, "has no meaning with count: rows are taken in the order in which they come");
    reader.natural("count", 1, 1'000'000'000, window.count);
    reader.duration("max_wait", Duration::millis(1), longest, window.max_wait);
}

}  // namespace weir

#include "agent/alert_list.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdio>

#include "agent/base/json_writer.h"

namespace weir {
namespace {

constexpr Bytes buffered_bytes = 64 * 1024;
constexpr Bytes value_bytes_max = 1024;
// JSON is at most this much longer than a record's own bytes: escapes and names.
constexpr Bytes json_expansion = 6;

std::string printable(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = '.';
    return out;
}

std::string text_of(const Value& value) {
    if (value.kind == ValueKind::text) return printable(value.text);
    std::array<char, value_bytes_max> buffer;
    JsonWriter json(buffer);
    if (value.kind == ValueKind::estimate)
        json.real(value.real);
    else
        write_value(json, value, false);
    return std::string(json.text());
}

std::string text_of(std::span<const Field> fields) {
    std::string out;
    for (const Field& field : fields) {
        if (is_list(field.value.kind)) continue;
        if (!out.empty()) out += ' ';
        out += std::string(field.name) + "=" + text_of(field.value);
    }
    return out;
}

Duration median(std::vector<Duration> of) {
    std::sort(of.begin(), of.end());
    const std::size_t upper = of.size() / 2;
    if (of.size() % 2 == 1) return of[upper];
    return Duration::micros(of[upper - 1].us() + (of[upper] - of[upper - 1]).us() / 2);
}

}  // namespace

std::string text_of(Timestamp time) {
    const std::int64_t ms = time.ms();
    const auto seconds = static_cast<time_t>(ms >= 0 ? ms / 1000 : (ms - 999) / 1000);
    tm civil{};
    if (::gmtime_r(&seconds, &civil) == nullptr) return std::to_string(ms) + " ms";
    char text[80];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d", civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday,
                  civil.tm_hour, civil.tm_min, civil.tm_sec);
    const auto rest = static_cast<int>(ms - static_cast<std::int64_t>(seconds) * 1000);
    char fraction[8] = "";
    if (rest != 0) std::snprintf(fraction, sizeof fraction, ".%03d", rest % 1000);
    return std::string(text) + fraction + "Z";
}

std::string text_of(Duration span) {
    struct Unit {
        const char* name;
        std::int64_t ms;
    };
    constexpr std::array<Unit, 5> units = {{{"d", 86'400'000}, {"h", 3'600'000}, {"min", 60'000}, {"s", 1'000}, {"ms", 1}}};
    std::int64_t rest = span.ms();
    if (rest < 0) return "-" + text_of(Duration() - span);
    for (std::size_t i = 0; i < units.size(); ++i) {
        if (rest < units[i].ms) continue;
        std::string out = std::to_string(rest / units[i].ms) + " " + units[i].name;
        rest %= units[i].ms;
        if (i + 1 < units.size() && rest >= units[i + 1].ms)
            out += " " + std::to_string(rest / units[i + 1].ms) + " " + units[i + 1].name;
        return out;
    }
    return "0 s";
}

std::string text_of_key(const Record& record) { return text_of(record.key); }
std::string text_of_values(const Record& record) { return text_of(record.values); }

AlertList::AlertList(int descriptor, bool json, const Assembly& assembly)
    : descriptor_(descriptor), json_(json), json_text_(assembly.engine().record_size_max() * json_expansion + buffered_bytes) {
    for (const AlertConfig& alert : assembly.config().alerts) tallies_.push_back({alert.name, 0, {}, {}});
}

void AlertList::alert(const AlertTransition& transition, const Record& record) {
    const auto tally = std::find_if(tallies_.begin(), tallies_.end(), [&](const Tally& t) { return t.name == transition.alert->name; });
    if (tally == tallies_.end()) return;
    const std::string key = text_of_key(record);
    const auto raised = tally->raised.find(key);
    const bool stands = raised != tally->raised.end();
    const Timestamp since = stands ? raised->second : Timestamp();
    if (transition.state == AlertState::raised) {
        ++tally->fired;
        if (!stands) tally->raised.emplace(key, record.end);
    } else if (transition.state == AlertState::cleared && stands) {
        tally->stood.push_back(record.end - since);
        tally->raised.erase(raised);
    }
    const Timestamp* const told = stands && transition.state == AlertState::cleared ? &since : nullptr;
    json_ ? say_json(transition, record, told) : say(transition, record, told);
    write(false);
}

void AlertList::say(const AlertTransition& transition, const Record& record, const Timestamp* raised) {
    char state[16];
    std::snprintf(state, sizeof state, "%-7s", std::string(name(transition.state)).c_str());
    text_ += weir::text_of(record.end) + "  " + state + "  " + transition.alert->name;
    if (const std::string key = text_of_key(record); !key.empty()) text_ += "  " + key;
    if (raised) text_ += "  after " + weir::text_of(record.end - *raised);
    if (transition.reason != AlertReason::condition) text_ += "  (" + std::string(name(transition.reason)) + ")";
    if (const std::string values = text_of_values(*transition.result); !values.empty()) text_ += "  " + values;
    if (!transition.message.empty()) text_ += "  " + printable(transition.message);
    text_ += '\n';
}

void AlertList::say_json(const AlertTransition& transition, const Record& record, const Timestamp* raised) {
    JsonWriter json(json_text_);
    json.begin_object();
    json.key("alert");
    json.text(transition.alert->name);
    json.key("state");
    json.text(name(transition.state));
    json.key("time");
    json.integer(record.end.ms());
    if (raised) {
        json.key("raised");
        json.integer(raised->ms());
        json.key("duration_ms");
        json.integer((record.end - *raised).ms());
    }
    json.key("reason");
    json.text(name(transition.reason));
    json.key("id");
    json.text(AlertId(transition.id).text());
    json.key("sequence");
    json.natural(transition.sequence);
    json.key("severity");
    json.text(name(transition.alert->severity));
    for (const bool keys : {true, false}) {
        json.key(keys ? "key" : "values");
        json.begin_object();
        for (const Field& field : keys ? record.key : transition.result->values) {
            if (is_list(field.value.kind)) continue;
            json.key(field.name);
            write_value(json, field.value, false);
        }
        json.end_object();
    }
    if (!transition.message.empty()) {
        json.key("message");
        json.text(transition.message);
    }
    json.end_object();
    if (!json.ok() && status_.ok()) status_ = Error::out_of_range;
    text_.append(json.text()).push_back('\n');
}

void AlertList::sum_up(Tally& tally) {
    const bool any = !tally.stood.empty();
    const Duration middle = any ? median(tally.stood) : Duration();
    const Duration longest = any ? *std::max_element(tally.stood.begin(), tally.stood.end()) : Duration();
    if (!json_) {
        text_ += tally.name + ": " +
                 (tally.fired == 0   ? "did not fire"
                  : tally.fired == 1 ? "fired once"
                  : tally.fired == 2 ? "fired twice"
                                     : "fired " + std::to_string(tally.fired) + " times");
        if (any) text_ += ", median " + weir::text_of(middle) + ", longest " + weir::text_of(longest);
        if (!tally.raised.empty()) text_ += ", still raised: " + std::to_string(tally.raised.size());
        text_ += '\n';
        return;
    }
    JsonWriter json(json_text_);
    json.begin_object();
    json.key("alert");
    json.text(tally.name);
    const std::pair<const char*, std::uint64_t> counts[] = {
        {"fired", tally.fired}, {"cleared", tally.stood.size()}, {"raised", tally.raised.size()}};
    for (const auto& [what, count] : counts) {
        json.key(what);
        json.natural(count);
    }
    const std::pair<const char*, Duration> spans[] = {{"median_ms", middle}, {"longest_ms", longest}};
    for (const auto& [what, span] : spans) {
        json.key(what);
        any ? json.integer(span.ms()) : json.null();
    }
    json.end_object();
    text_.append(json.text()).push_back('\n');
}

Status AlertList::finish() {
    if (!json_ && !text_.empty()) text_ += '\n';
    for (Tally& tally : tallies_) sum_up(tally);
    if (tallies_.empty() && !json_) text_ += "the configuration has no [[alert]]\n";
    write(true);
    return status_;
}

void AlertList::write(bool all) {
    if (!all && text_.size() < buffered_bytes) return;
    std::string_view rest = text_;
    while (!rest.empty()) {
        const ssize_t written = ::write(descriptor_, rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            if (status_.ok()) status_ = errno == EPIPE ? Error::closed : Error::io;
            break;
        }
        rest.remove_prefix(static_cast<Bytes>(written));
    }
    text_.clear();
}

}  // namespace weir

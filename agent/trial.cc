#include "agent/trial.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr std::string_view title = "weir trial 1\n";
constexpr Bytes size_max = 4 << 20;
constexpr Duration steady_most = Duration::seconds(5);

std::uint64_t sum_of(std::string_view text) { return hash64(as_byte_span(text), {0x7472'6961'6c01, 1}); }

// The line up to its end, which is taken off text; nullopt without one.
std::optional<std::string_view> take_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

std::optional<std::uint64_t> take_number(std::string_view& text) {
    const auto line = take_line(text);
    std::uint64_t value = 0;
    if (!line) return std::nullopt;
    const auto [end, error] = std::from_chars(line->data(), line->data() + line->size(), value);
    if (error != std::errc() || end != line->data() + line->size()) return std::nullopt;
    return value;
}

}  // namespace

std::optional<Trial> TrialFile::read() const {
    const Result<std::string> content = files_.read(path_, size_max);
    if (!content.ok()) return std::nullopt;
    std::string_view text = *content;
    if (!text.starts_with(title)) return std::nullopt;
    text.remove_prefix(title.size());
    const auto sum = take_number(text);
    if (!sum || *sum != sum_of(text)) return std::nullopt;
    const auto configuration = take_number(text);
    const auto starts = take_number(text);
    const auto bits = take_number(text);
    const auto reason = take_line(text);
    if (!configuration || !starts || !bits || !reason) return std::nullopt;
    return Trial{*configuration,      static_cast<std::uint32_t>(*starts), (*bits & 1) != 0,     (*bits & 2) != 0,
                 (*bits & 4) != 0, std::string(*reason),                std::string(text)};
}

Status TrialFile::write(const Trial& trial) {
    std::string reason = trial.reason;
    std::replace(reason.begin(), reason.end(), '\n', ' ');
    const unsigned bits = (trial.refused ? 1U : 0U) | (trial.mqtt ? 2U : 0U) | (trial.uplink ? 4U : 0U);
    const std::string body = std::to_string(trial.configuration) + "\n" + std::to_string(trial.starts) + "\n" +
                             std::to_string(bits) + "\n" + reason + "\n" + trial.previous;
    const std::string content = std::string(title) + std::to_string(sum_of(body)) + "\n" + body;
    return files_.replace(path_, as_byte_span(content), true);
}

TrialWatch::TrialWatch(const Trial& trial, Duration limit, MonotonicTime now)
    : mqtt_(trial.mqtt),
      uplink_(trial.uplink),
      end_(now + limit),
      steady_(std::min(steady_most, Duration::micros(limit.us() / 4))) {}

std::string TrialWatch::complaint_of(const Health& health) const {
    if (!health.engine_goes) return "the engine stands still";
    if (mqtt_ && !health.mqtt_connected) return "no connection to an MQTT broker, where there was one to each before";
    if (uplink_ && !health.uplink_connected) return "no connection to the bridge, where there was one before";
    return {};
}

TrialWatch::Verdict TrialWatch::look(const Health& health, MonotonicTime now) {
    complaint_ = complaint_of(health);
    if (!complaint_.empty())
        well_since_.reset();
    else if (!well_since_)
        well_since_ = now;
    if (well_since_ && now - *well_since_ >= steady_) return Verdict::healthy;
    if (now < end_) return Verdict::open;
    if (complaint_.empty()) complaint_ = "it did not stay connected";
    return Verdict::failed;
}

}  // namespace weir

#include "agent/exec_outlet.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "agent/base/log.h"

namespace weir {
namespace {

// A program has its time, a second to end, and the helper some to say so.
constexpr Duration helper_patience = Duration::seconds(10);

// As part of a line of the log.
std::string_view on_one_line(std::string_view text, std::span<char> buffer) {
    const std::size_t size = std::min(text.size(), buffer.size());
    std::transform(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(size), buffer.begin(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7F ? ' ' : c;
    });
    return {buffer.data(), size};
}

}  // namespace

ActionOutlet::Begun ExecOutlet::begin(const Action& action, std::uint32_t token) {
    ExecRequest request;
    request.token = token;
    request.timeout = action.timeout;
    request.memory = action.number;
    request.count = action.count;
    for (std::size_t i = 0; i < action.count; ++i) request.arguments[i] = action.texts[i];
    request.input = action.payload;
    const Status asked = client_.request(request);
    if (asked.ok()) return Begun::under_way;
    return asked.error() == Error::out_of_range ? Begun::failed : Begun::later;
}

Duration ExecOutlet::patience(const Action& action) const { return action.timeout + helper_patience; }

void ExecOutlet::overdue(std::uint32_t) { client_.drop("it does not answer"); }

MonotonicTime ExecOutlet::keep_up() {
    client_.keep_up();
    starts_ = client_.counters().starts;
    failures_ = client_.counters().failures;
    losses_ = client_.counters().losses;
    return client_.descriptor() < 0 ? client_.next_attempt() : MonotonicTime{Duration::max()};
}

bool ExecOutlet::hear(Ended& ended) {
    ExecOutcome outcome;
    while (client_.hear(outcome)) {
        if (outcome.token == 0) continue;
        ended = {static_cast<std::uint32_t>(outcome.token), outcome.done(), {}};
        char buffer[512];
        const std::string_view said = on_one_line(outcome.output, buffer);
        if (!said.empty())
            WEIR_LOG_INFO("exec", "a program says: %.*s%s", static_cast<int>(said.size()), said.data(), said.size() < outcome.output_bytes ? " ..." : "");
        const int size = outcome.end == ExecEnd::not_started
                             ? std::snprintf(why_.data(), why_.size(), "it cannot be started: %s", std::strerror(outcome.code))
                             : std::snprintf(why_.data(), why_.size(), "%s%s", std::string(name(outcome.end)).c_str(),
                                             outcome.end == ExecEnd::exited || outcome.end == ExecEnd::signalled
                                                 ? (" with " + std::to_string(outcome.code)).c_str()
                                                 : "");
        ended.why = {why_.data(), std::min(static_cast<std::size_t>(std::max(size, 0)), why_.size() - 1)};
        return true;
    }
    if (!client_.lost()) return false;
    ended = {0, false, "weir-exec has gone with it"};
    return true;
}

}  // namespace weir

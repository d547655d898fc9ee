#include "drivers/exec/protocol.h"

namespace weir {
namespace {

constexpr std::uint8_t version = 1;
enum Kind : std::uint8_t { request_kind = 1, outcome_kind = 2 };

bool begins(ByteReader& in, Kind kind) {
    const bool same_version = in.read<std::uint8_t>() == version;
    return in.read<std::uint8_t>() == kind && same_version;
}

// What execve() takes for an end must not stand in the middle.
bool is_argument(std::string_view text) { return text.find('\0') == std::string_view::npos; }

}  // namespace

std::string_view name(ExecEnd end) {
    switch (end) {
        case ExecEnd::hello: return "hello";
        case ExecEnd::exited: return "exited";
        case ExecEnd::signalled: return "signalled";
        case ExecEnd::timed_out: return "timed out";
        case ExecEnd::not_started: return "not started";
        case ExecEnd::refused: return "refused";
    }
    return "?";
}

Result<ByteSpan> encode(const ExecRequest& request, MutableByteSpan buffer) {
    ByteWriter out(buffer);
    out.write(version);
    out.write(request_kind);
    out.write(request.token);
    out.write(request.timeout.us());
    out.write(request.memory);
    out.write(static_cast<std::uint32_t>(request.count));
    for (std::size_t i = 0; i < request.count; ++i) out.text(request.arguments[i]);
    out.text(request.input);
    if (!out.ok()) return Error::full;
    return out.written();
}

Result<ByteSpan> encode(const ExecOutcome& outcome, MutableByteSpan buffer) {
    ByteWriter out(buffer);
    out.write(version);
    out.write(outcome_kind);
    out.write(outcome.end);
    out.write(outcome.token);
    out.write(static_cast<std::int32_t>(outcome.code));
    out.write(outcome.output_bytes);
    out.text(outcome.output);
    if (!out.ok()) return Error::full;
    return out.written();
}

Result<ExecRequest> decode_exec_request(ByteSpan packet) {
    ByteReader in(packet);
    if (!begins(in, request_kind)) return Error::invalid;
    ExecRequest request;
    request.token = in.read<std::uint64_t>();
    request.timeout = Duration::micros(in.read<std::int64_t>());
    request.memory = in.read<std::uint64_t>();
    request.count = in.read<std::uint32_t>();
    if (!in.ok() || request.count == 0 || request.count > exec_arguments_max || request.timeout <= Duration()) return Error::invalid;
    for (std::size_t i = 0; i < request.count; ++i) {
        request.arguments[i] = in.text();
        if (!is_argument(request.arguments[i])) return Error::invalid;
    }
    request.input = in.text();
    if (!in.ok() || in.remaining() != 0 || !request.arguments[0].starts_with("/")) return Error::invalid;
    return request;
}

Result<ExecOutcome> decode_exec_outcome(ByteSpan packet) {
    ByteReader in(packet);
    if (!begins(in, outcome_kind)) return Error::invalid;
    ExecOutcome outcome;
    const auto end = in.read<std::uint8_t>();
    if (end > static_cast<std::uint8_t>(ExecEnd::refused)) return Error::invalid;
    outcome.end = static_cast<ExecEnd>(end);
    outcome.token = in.read<std::uint64_t>();
    outcome.code = in.read<std::int32_t>();
    outcome.output_bytes = in.read<std::uint64_t>();
    outcome.output = in.text();
    if (!in.ok() || in.remaining() != 0 || outcome.output.size() > exec_output_bytes_max) return Error::invalid;
    return outcome;
}

}  // namespace weir

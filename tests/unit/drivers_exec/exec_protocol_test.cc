#include "drivers/exec/protocol.h"

#include <array>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ExecProtocol) {
    std::array<std::byte, exec_packet_bytes_max> buffer{};

    static ExecRequest request() {
        ExecRequest request;
        request.token = 77;
        request.timeout = Duration::seconds(3);
        request.memory = 5 << 20;
        request.arguments[0] = "/bin/sign";
        request.arguments[1] = "s001";
        request.count = 2;
        request.input = "{}";
        return request;
    }
};

TEST(ExecProtocol, a_request_comes_back_as_it_was) {
    const Result<ByteSpan> bytes = encode(request(), buffer);
    CHECK(bytes.ok());
    const Result<ExecRequest> read = decode_exec_request(*bytes);
    CHECK(read.ok());
    CHECK(read->token == 77 && read->timeout == Duration::seconds(3) && read->memory == (5 << 20));
    CHECK(read->count == 2 && read->arguments[0] == "/bin/sign" && read->arguments[1] == "s001" && read->input == "{}");
}

TEST(ExecProtocol, an_outcome_comes_back_as_it_was) {
    const Result<ByteSpan> bytes = encode(ExecOutcome{ExecEnd::exited, 9, 3, 4096, "no sign"}, buffer);
    CHECK(bytes.ok());
    const Result<ExecOutcome> read = decode_exec_outcome(*bytes);
    CHECK(read.ok());
    CHECK(read->end == ExecEnd::exited && read->token == 9 && read->code == 3 && read->output_bytes == 4096 && read->output == "no sign");
    CHECK_FALSE(read->done());
}

TEST(ExecProtocol, what_means_nothing_is_refused) {
    const ExecRequest good = request();
    ExecRequest bad = good;
    bad.arguments[0] = "sign";  // not a path
    CHECK_FALSE(decode_exec_request(*encode(bad, buffer)).ok());
    bad = good;
    bad.arguments[1] = std::string_view("a\0b", 3);
    CHECK_FALSE(decode_exec_request(*encode(bad, buffer)).ok());
    bad = good;
    bad.count = 0;
    CHECK_FALSE(decode_exec_request(*encode(bad, buffer)).ok());
    bad = good;
    bad.timeout = Duration();
    CHECK_FALSE(decode_exec_request(*encode(bad, buffer)).ok());
    const std::string long_input(exec_packet_bytes_max, 'x');
    bad = good;
    bad.input = long_input;
    CHECK_FALSE(encode(bad, buffer).ok());
}

TEST(ExecProtocol, cut_and_changed_bytes_never_read_beyond_their_end) {
    const Result<ByteSpan> bytes = encode(request(), buffer);
    for (std::size_t size = 0; size < bytes->size(); ++size) {
        const std::vector<std::byte> cut(bytes->begin(), bytes->begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(decode_exec_request(cut).ok());
        CHECK_FALSE(decode_exec_outcome(cut).ok());
    }
    for (std::size_t at = 0; at < bytes->size(); ++at)
        for (int bit = 0; bit < 8; ++bit) {
            std::vector<std::byte> changed(bytes->begin(), bytes->end());
            changed[at] ^= static_cast<std::byte>(1 << bit);
            (void)decode_exec_request(changed).ok();
            (void)decode_exec_outcome(changed).ok();
        }
}

#include "agent/control.h"

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Control) {
    TemporaryFolder folder;
    std::string path = folder.path() + "/control";
};

TEST(Control, answers_each_request_with_what_it_was_given) {
    Result<std::unique_ptr<ControlServer>> server = ControlServer::start(path, [](std::string_view request, std::span<char> buffer) {
        const std::string text = "you asked " + std::string(request);
        std::copy(text.begin(), text.end(), buffer.begin());
        return std::string_view(buffer.data(), text.size());
    });
    CHECK(server.ok());
    for (int i = 0; i < 3; ++i) {
        const Result<std::string> answer = ask_control(path, "status json");
        CHECK(answer.ok());
        STRCMP_EQUAL("you asked status json", answer->c_str());
    }
}

TEST(Control, an_answer_may_be_as_large_as_its_buffer) {
    Result<std::unique_ptr<ControlServer>> server = ControlServer::start(path, [](std::string_view, std::span<char> buffer) {
        std::fill(buffer.begin(), buffer.end(), 'x');
        return std::string_view(buffer.data(), buffer.size());
    });
    CHECK(server.ok());
    const Result<std::string> answer = ask_control(path, "status");
    CHECK(answer.ok());
    LONGS_EQUAL(control_answer_bytes_max, answer->size());
}

TEST(Control, without_an_agent_it_is_missing) {
    LONGS_EQUAL(static_cast<int>(Error::missing), static_cast<int>(ask_control(path, "status").error()));
    { CHECK(ControlServer::start(path, [](std::string_view, std::span<char>) { return std::string_view(); }).ok()); }
    LONGS_EQUAL(static_cast<int>(Error::missing), static_cast<int>(ask_control(path, "status").error()));
}

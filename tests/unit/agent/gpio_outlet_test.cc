// The system calls beneath are a double here: no kernel with gpio-sim was at hand, so no real line has been set.
#include "agent/gpio_outlet.h"

#include <errno.h>

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::vector<std::string> said;
int failure = 0;

GpioCalls doubles() {
    GpioCalls calls;
    calls.open_chip = [](const char* name) {
        said.push_back("open " + std::string(name));
        errno = ENOENT;
        return std::string(name) == "none" ? nullptr : reinterpret_cast<gpiod_chip*>(&failure);
    };
    calls.close_chip = [](gpiod_chip*) { said.emplace_back("close"); };
    calls.get_line = [](gpiod_chip*, unsigned offset) {
        said.push_back("line " + std::to_string(offset));
        return offset > 100 ? nullptr : reinterpret_cast<gpiod_line*>(&failure);
    };
    calls.request_output = [](gpiod_line*, const char*, int flags, int value) {
        said.push_back("request " + std::to_string(flags) + " " + std::to_string(value));
        errno = failure;
        return failure == 0 ? 0 : -1;
    };
    calls.set_value = [](gpiod_line*, int value) {
        said.push_back("set " + std::to_string(value));
        return 0;
    };
    calls.release = [](gpiod_line*) { said.emplace_back("release"); };
    return calls;
}

}  // namespace

TEST_GROUP(GpioOutlet) {
    ManualClock clock{Timestamp::millis(0)};
    GpioOutlet outlet{doubles(), clock};
    ActionOutlet::Ended ended;

    void setup() override { failure = 0; }
    void teardown() override { std::vector<std::string>().swap(said); }
    static Action action(std::string_view chip, std::string_view line, std::string_view level) {
        Action action;
        action.kind = ActionKind::gpio;
        action.number = 2'000'000;
        action.texts = {"both", chip, line, level};
        action.count = 4;
        return action;
    }
    std::string all() {
        std::string text;
        for (const std::string& each : said) text += (text.empty() ? "" : ", ") + each;
        return text;
    }
};

TEST(GpioOutlet, a_pulse_is_active_for_its_time_and_then_given_back) {
    CHECK(outlet.begin(action("gpiochip0", "17", "low"), 5) == ActionOutlet::Begun::under_way);
    STRCMP_EQUAL("open gpiochip0, line 17, request 4 1", all().c_str());
    CHECK(outlet.keep_up() == clock.monotonic() + Duration::seconds(2));
    CHECK_FALSE(outlet.hear(ended));
    clock.advance(Duration::seconds(2));
    CHECK(outlet.keep_up() == MonotonicTime{Duration::max()});
    CHECK(outlet.hear(ended) && ended.token == 5 && ended.done);
    STRCMP_EQUAL("open gpiochip0, line 17, request 4 1, set 0, release, close", all().c_str());
}

TEST(GpioOutlet, what_is_not_there_or_taken_fails_with_a_reason) {
    CHECK(outlet.begin(action("none", "17", "high"), 5) == ActionOutlet::Begun::under_way);
    CHECK(outlet.hear(ended) && ended.token == 5 && !ended.done && ended.why.find("no such chip") != std::string_view::npos);
    (void)outlet.begin(action("gpiochip0", "101", "high"), 6);
    CHECK(outlet.hear(ended) && ended.token == 6 && !ended.done);
    failure = EBUSY;
    (void)outlet.begin(action("gpiochip0", "17", "high"), 7);
    CHECK(outlet.hear(ended) && !ended.done && ended.why == "another program holds the line");
    STRCMP_EQUAL("open none, open gpiochip0, line 101, close, open gpiochip0, line 17, request 0 1, close", all().c_str());
}

TEST(GpioOutlet, without_the_library_it_fails_and_says_so) {
    GpioOutlet bare(GpioCalls{}, clock);
    (void)bare.begin(action("gpiochip0", "17", "high"), 5);
    CHECK(bare.hear(ended) && !ended.done);
}

TEST(GpioOutlet, an_end_of_the_agent_gives_lines_back) {
    {
        GpioOutlet other(doubles(), clock);
        (void)other.begin(action("gpiochip0", "3", "high"), 1);
    }
    STRCMP_EQUAL("open gpiochip0, line 3, request 0 1, set 0, release, close", all().c_str());
}

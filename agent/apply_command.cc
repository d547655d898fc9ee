#include "agent/apply_command.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <thread>

#include "agent/base/files.h"
#include "agent/configuration_check.h"
#include "agent/control.h"

namespace weir {
namespace {

constexpr int exit_done = 0;
constexpr int exit_failed = 1;
constexpr int exit_configuration = 78;
constexpr Bytes text_max = 4 << 20;
constexpr auto ask_every = std::chrono::milliseconds(200);
constexpr auto stop_and_start = std::chrono::seconds(60);  // what lies between the old agent's answers and the new one's

// "NAME VALUE" in the agent's answer to "configuration"; empty without it.
std::string value_of(const std::string& answer, const std::string& name) {
    std::size_t at = answer.starts_with(name + " ") ? 0 : answer.find("\n" + name + " ");
    if (at == std::string::npos) return {};
    at = answer.find(' ', at) + 1;
    return answer.substr(at, answer.find('\n', at) - at);
}

int fail(const std::string& what) {
    std::fprintf(stderr, "weir: %s\n", what.c_str());
    return exit_failed;
}

void tell(const std::string& what) {
    std::printf("%s\n", what.c_str());
    std::fflush(stdout);
}

class Apply {
public:
    explicit Apply(const ApplyRequest& request) : request_(request) {}

    int run() {
        const Result<std::string> answer = ask_control(request_.control, "configuration");
        if (!answer.ok())
            return fail(answer.error() == Error::missing
                            ? "no agent answers at " + request_.control + ": start it with `weir run`; nothing was changed"
                            : request_.control + ": " + std::string(name(answer.error())) + "; nothing was changed");
        place_ = value_of(*answer, "path");
        before_ = value_of(*answer, "configuration");
        if (place_.empty()) return fail("the agent at " + request_.control + " is of a version without `apply`; nothing was changed");
        if (value_of(*answer, "trial") == "open") return fail("a configuration is on trial already: wait for its end; nothing was changed");
        tell("checked   " + request_.file + " can be run");
        if (!swap()) return exit_failed;
        if (!ask_control(request_.control, "reload").ok()) {
            put_back();
            return fail("the agent does not answer any more; " + place_ + " is as it was");
        }
        return wait();
    }

private:
    bool swap() {
        std::error_code error;
        if (std::filesystem::equivalent(request_.file, place_, error)) return true;
        const Result<std::string> next = files_.read(request_.file, text_max);
        const Result<std::string> now = files_.read(place_, text_max);
        if (!next.ok() || !now.ok()) {
            fail((next.ok() ? place_ : request_.file) + " cannot be read; nothing was changed");
            return false;
        }
        previous_ = *now;
        if (!files_.replace(place_ + ".previous", as_byte_span(*now), true).ok() ||
            !files_.replace(place_, as_byte_span(*next), true).ok()) {
            fail("the folder of " + place_ + " cannot be written: run this as a user who may; nothing was changed");
            return false;
        }
        tell("swapped   " + place_ + " (the one before: " + place_ + ".previous)");
        return true;
    }

    void put_back() {
        if (previous_ && !files_.replace(place_, as_byte_span(*previous_), true).ok())
            fail(place_ + " could not be put back: copy " + place_ + ".previous over it");
    }

    int refused(const std::string& answer) {
        put_back();
        std::fprintf(stderr, "weir: the agent refused it: %s; %s\n", value_of(answer, "reason").c_str(),
                     previous_ ? (place_ + " is as it was").c_str() : "it goes on with the configuration it has");
        return exit_configuration;
    }

    int wait() {
        const auto began = std::chrono::steady_clock::now();
        const auto limit = began + std::chrono::microseconds(request_.trial.us()) + stop_and_start;
        bool on_trial = false;
        while (std::chrono::steady_clock::now() < limit) {
            std::this_thread::sleep_for(ask_every);
            const Result<std::string> asked = ask_control(request_.control, "configuration");
            if (!asked.ok()) continue;  // between stop and start
            const std::string& answer = *asked;
            const std::string trial = value_of(answer, "trial");
            if (value_of(answer, "reload") == "refused") return refused(answer);
            if (value_of(answer, "reload") == "same") return tell("nothing to do: the agent runs this configuration already"), exit_done;
            if (trial == "refused") {
                put_back();
                return fail("taken back: " + value_of(answer, "reason") + ". The configuration before runs again" +
                            (previous_ ? ", and " + place_ + " is as it was" : ": edit " + place_));
            }
            if (trial == "open" && !on_trial) {
                on_trial = true;
                tell("running   on trial for " + std::to_string(request_.trial.us() / 1'000'000) + " s at most");
            }
            if (trial == "open" && value_of(answer, "reason") != complaint_) {
                complaint_ = value_of(answer, "reason");
                if (!complaint_.empty()) tell("waiting   " + complaint_);
            }
            if (trial == "none" && value_of(answer, "configuration") != before_) {
                const auto took = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - began);
                tell("healthy   after " + std::to_string(took.count()) + " s: configuration " + value_of(answer, "configuration"));
                return exit_done;
            }
        }
        return fail("no outcome in time: look at `weir status` and the agent's log; the configuration before is " + place_ + ".previous");
    }

    const ApplyRequest& request_;
    SystemFiles files_;
    std::string place_;
    std::string before_;
    std::string complaint_;
    std::optional<std::string> previous_;
};

}  // namespace

int run_apply(const ApplyRequest& request) { return Apply(request).run(); }

}  // namespace weir

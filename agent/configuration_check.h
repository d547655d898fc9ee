// Whether a configuration could be run, found out by a process of its own, `weir check`: loading one takes memory that a
// running agent's budget does not have, and what it complains of goes to the log as it is.
// Memory: none to speak of in this process. Cost: a start of this program, some 50 ms. Threads: one owner.
// Errors: a process that cannot be started counts as a refusal, with its reason.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace weir {

class ConfigurationCheck {
public:
    // Starts the process; environment and user are this one's.
    explicit ConfigurationCheck(const std::string& path);
    ~ConfigurationCheck();
    ConfigurationCheck(const ConfigurationCheck&) = delete;
    ConfigurationCheck& operator=(const ConfigurationCheck&) = delete;

    bool done();  // does not wait
    // After done(): its hash if it could be run.
    std::optional<std::uint64_t> configuration() const { return configuration_; }

private:
    void read();

    pid_t process_ = -1;
    int output_ = -1;
    std::string said_;
    std::optional<std::uint64_t> configuration_;
};

// In `weir check --hash`'s output and in what apply is told.
std::string configuration_text(std::uint64_t hash);
std::optional<std::uint64_t> configuration_of(std::string_view text);

}  // namespace weir

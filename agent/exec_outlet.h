// Programs of alerts, through weir-exec (drivers/exec). What a program says goes to the log: its first KiB, on one line.
// Memory: ExecClient::need(). Cost: a packet each way. Threads: the runner's. Errors: a program that is not there, fails, or takes
// too long; a helper that is gone loses what it had under way.
#pragma once

#include <array>
#include <atomic>

#include "agent/action_outlet.h"
#include "drivers/exec/client.h"

namespace weir {

class ExecOutlet final : public ActionOutlet {
public:
    ExecOutlet(const ExecOptions& options, const Clock& clock) : client_(options, clock) {}

    std::size_t parallel_max() const override { return 4; }
    Begun begin(const Action& action, std::uint32_t token) override;
    Duration patience(const Action& action) const override;
    void overdue(std::uint32_t token) override;
    bool hear(Ended& ended) override;
    MonotonicTime keep_up() override;
    int descriptor() const override { return client_.descriptor(); }

    // Any thread.
    std::uint64_t starts() const { return starts_; }
    std::uint64_t failures() const { return failures_; }
    std::uint64_t losses() const { return losses_; }

private:
    ExecClient client_;
    std::array<char, 160> why_{};
    std::atomic<std::uint64_t> starts_{0}, failures_{0}, losses_{0};
};

}  // namespace weir

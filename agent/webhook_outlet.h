// Alerts to web servers near by (drivers/webhook.h). An action is done when an answer of 2xx has come.
// Memory: Webhooks::need(). Cost: of libcurl. Threads: the runner's. Errors: without libcurl on this machine webhooks fail, and say so.
#pragma once

#include <memory>
#include <string>

#include "agent/action_outlet.h"
#include "drivers/webhook.h"

namespace weir {

class WebhookOutlet final : public ActionOutlet {
public:
    explicit WebhookOutlet(const Clock& clock);

    std::size_t parallel_max() const override { return Webhooks::parallel_max; }
    // action.texts: URL, the bearer's file, certificates, then headers.
    Begun begin(const Action& action, std::uint32_t token) override;
    bool hear(Ended& ended) override;
    MonotonicTime keep_up() override;
    int descriptor() const override { return webhooks_ ? webhooks_->descriptor() : -1; }

private:
    std::unique_ptr<Webhooks> webhooks_;
    WebhookOutcome outcome_;
};

}  // namespace weir

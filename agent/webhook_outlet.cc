#include "agent/webhook_outlet.h"

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr std::size_t texts_before_headers = 3;

}  // namespace

WebhookOutlet::WebhookOutlet(const Clock& clock) {
    Result<std::unique_ptr<Webhooks>> opened = Webhooks::open(clock);
    if (opened.ok())
        webhooks_ = std::move(*opened);
    else
        WEIR_LOG_ERROR("webhook", "libcurl cannot be loaded: install the package libcurl4; webhooks fail until then");
}

ActionOutlet::Begun WebhookOutlet::begin(const Action& action, std::uint32_t token) {
    if (!webhooks_ || action.count < texts_before_headers) return Begun::failed;
    WebhookRequest request;
    request.token = token;
    request.url = action.texts[0];
    request.bearer_file = action.texts[1];
    request.ca = action.texts[2];
    request.headers = std::span(action.texts).subspan(texts_before_headers, action.count - texts_before_headers);
    request.payload = action.payload;
    request.timeout = action.timeout;
    const Status begun = webhooks_->begin(request);
    if (begun.ok()) return Begun::under_way;
    if (begun.error() == Error::full) return Begun::later;
    WEIR_LOG_ERROR("webhook", "%s cannot be read, or is empty: no bearer, so nothing is sent", std::string(request.bearer_file).c_str());
    return Begun::failed;
}

bool WebhookOutlet::hear(Ended& ended) {
    if (!webhooks_ || !webhooks_->hear(outcome_)) return false;
    ended = {static_cast<std::uint32_t>(outcome_.token), outcome_.done, outcome_.why};
    return true;
}

MonotonicTime WebhookOutlet::keep_up() { return webhooks_ ? webhooks_->keep_up() : MonotonicTime{Duration::max()}; }

}  // namespace weir

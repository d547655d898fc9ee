#include "agent/status_page.h"

#include <algorithm>
#include <cstring>

#include "agent/base/log.h"
#include "agent/page_metrics.h"

namespace weir {
namespace {

constexpr std::string_view plain = "text/plain; charset=utf-8";

PageAccess access_of(const AgentConfig& config) {
    PageAccess access{config.page->listen, config.page->token, config.page->hosts};
    std::string own = process_host_name();
    for (char& c : own)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (!config.page->listen.is_loopback()) {
        access.hosts.push_back(own);
        access.hosts.push_back(own + ".local");
    }
    return access;
}

// Lines of text into the room; what does not fit is left out.
class Lines {
public:
    explicit Lines(std::span<char> room) : room_(room) {}
    void put(std::string_view text) {
        if (text.size() > room_.size() - used_) return;
        std::memcpy(room_.data() + used_, text.data(), text.size());
        used_ += text.size();
    }
    std::string_view text() const { return {room_.data(), used_}; }

private:
    std::span<char> room_;
    std::size_t used_ = 0;
};

PageAnswer text_answer(unsigned status, std::string_view body) {
    PageAnswer answer;
    answer.status = status;
    answer.type = plain;
    answer.body = body;
    return answer;
}

}  // namespace

PageServer::Params StatusPage::params_of(const Assembly& assembly) {
    PageServer::Params params;
    params.body_bytes = align_up(metrics_bytes_max(assembly), 4096);
    return params;
}

Bytes StatusPage::need(const Assembly& assembly) { return PageServer::need(params_of(assembly)); }

StatusPage::StatusPage(Arena& arena, const Assembly& assembly, Parts parts)
    : config_(*assembly.config().page),
      parts_(std::move(parts)),
      routes_(access_of(assembly.config())),
      server_(arena, params_of(assembly), routes_, nullptr) {
    add_routes();
}

void StatusPage::add_routes() {
    routes_.get("/healthz", [this](const PageRequest&, std::span<char> room) { return health(room); });
    routes_.get("/readyz", [this](const PageRequest&, std::span<char> room) { return ready(room); });
    routes_.get("/metrics", [this](const PageRequest&, std::span<char> room) { return metrics(room); });
}

void StatusPage::start() {
    std::string reason;
    const std::string& address = config_.listen.address;
    if (const Status started = server_.start(config_.listen, reason); !started.ok()) {
        WEIR_LOG_WARNING("page", "cannot listen on %s port %u (%s): there is no page and no /metrics; the agent goes on without", address.c_str(),
                         unsigned{config_.listen.port}, reason.c_str());
        return;
    }
    WEIR_LOG_INFO("page", "http://%s:%u/%s", address.find(':') == std::string::npos ? address.c_str() : ("[" + address + "]").c_str(),
                  unsigned{server_.port()}, config_.token.empty() ? "; without a token_file nobody can acknowledge there" : "");
}

// That the engine goes on. Brokers and bridges may be away for as long as they like.
PageAnswer StatusPage::health(std::span<char> room) const {
    const Duration since = parts_.since_progress();
    Lines lines(room);
    if (since <= progress_limit) {
        lines.put("ok\n");
        return text_answer(200, lines.text());
    }
    lines.put("the engine has not gone on for ");
    lines.put(std::to_string(since.us() / 1'000'000));
    lines.put(" s\n");
    return text_answer(503, lines.text());
}

PageAnswer StatusPage::ready(std::span<char> room) const {
    const PageAnswer healthy = health(room);
    if (healthy.status != 200) return healthy;
    const StatusParts status = parts_.status();
    Lines lines(room);
    bool ready = true;
    for (std::size_t i = 0; i < status.mqtt.size(); ++i) {
        if (status.mqtt[i]->counters().connected) continue;
        ready = false;
        lines.put("the broker is not connected: ");
        lines.put(status.config->mqtt[status.mqtt_owners[i].config].url);
        lines.put("\n");
    }
    if (ready) lines.put("ready\n");
    return text_answer(ready ? 200 : 503, lines.text());
}

PageAnswer StatusPage::metrics(std::span<char> room) const {
    MetricsWriter out(room);
    const StatusParts status = parts_.status();
    parts_.board->read([&](const StatusBoard& board) { write_metrics(out, board, status); });
    if (!out.ok()) WEIR_LOG_WARNING("page", "/metrics is cut: it is longer than its room of %zu bytes", room.size());
    PageAnswer answer;
    answer.type = MetricsWriter::content_type;
    answer.body = out.text();
    return answer;
}

}  // namespace weir

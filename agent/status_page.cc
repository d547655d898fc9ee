#include "agent/status_page.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "agent/base/log.h"
#include "agent/page/assets.h"
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

// Of new results, in one second, to those who watch.
constexpr Bytes told_bytes_max = Bytes{32} << 10;

PageAnswer json_answer(std::string_view text, std::span<char> room) {
    if (text.empty()) return PageAnswer::error(500, "the answer is larger than its room", room);
    PageAnswer answer;
    answer.body = text;
    return answer;
}

}  // namespace

PageServer::Params StatusPage::params_of(const Assembly& assembly) {
    PageServer::Params params;
    const Bytes longest = std::max({metrics_bytes_max(assembly), api_bytes_max(assembly) + told_bytes_max, RecentResults::ring_bytes(assembly) + (Bytes{16} << 10)});
    params.body_bytes = align_up(longest, 4096);
    params.event_bytes = 2 * (params.body_bytes + told_bytes_max);
    return params;
}

Bytes StatusPage::need(const Assembly& assembly) {
    return PageServer::need(params_of(assembly)) + RecentResults::need(assembly) + Arena::need<char>(RecentResults::ring_bytes(assembly));
}

StatusPage::StatusPage(Arena& arena, const Assembly& assembly, Parts parts)
    : config_(*assembly.config().page),
      assembly_(assembly),
      parts_(std::move(parts)),
      recent_(arena, assembly),
      scratch_(arena.take<char>(RecentResults::ring_bytes(assembly))),
      told_(recent_.streams()),
      sys_root_(sys_root()),
      routes_(access_of(assembly.config())),
      server_(arena, params_of(assembly), routes_, [this](EventFeed& feed, std::span<char> room) { tell(feed, room); }) {
    results_.reserve(RecentResults::ring_bytes(assembly) / 64);
    add_routes();
}

void StatusPage::add_routes() {
    routes_.get("/healthz", [this](const PageRequest&, std::span<char> room) { return health(room); });
    routes_.get("/readyz", [this](const PageRequest&, std::span<char> room) { return ready(room); });
    routes_.get("/metrics", [this](const PageRequest&, std::span<char> room) { return metrics(room); });
    add_assets(routes_);
    const auto get = [this](const char* path, Write write) {
        routes_.get(path, [this, write](const PageRequest&, std::span<char> room) { return json_answer(render(room, write), room); });
    };
    get("/api/v1/overview", write_overview);
    get("/api/v1/agent", write_agent);
    get("/api/v1/mqtt", write_connections);
    get("/api/v1/sources", write_sources);
    get("/api/v1/memory", write_memory);
    get("/api/v1/outbox", write_outbox);
    get("/api/v1/uplink", write_uplink);
    get("/api/v1/clock", write_clock);
    get("/api/v1/board", write_board);
    routes_.get("/api/v1/status", [this](const PageRequest&, std::span<char> room) { return status(room); });
    routes_.get("/api/v1/windows", [this](const PageRequest&, std::span<char> room) { return windows(room); });
    routes_.get("/api/v1/windows/{window}", [this](const PageRequest& request, std::span<char> room) { return window(request, room); });
    routes_.get("/api/v1/alerts", [this](const PageRequest&, std::span<char> room) { return alerts(room); });
    routes_.post("/api/v1/alerts/{alert}/ack", [this](const PageRequest& request, std::span<char> room) { return acknowledge(request, room); });
    routes_.get("/api/v1/events", [](const PageRequest&, std::span<char>) {
        PageAnswer answer;
        answer.kind = PageAnswer::Kind::events;
        return answer;
    });
}

template <typename With>
void StatusPage::view(With with) const {
    std::array<Temperature, temperatures_max> temperatures;
    const std::size_t zones = read_temperatures(sys_root_, temperatures);
    const ClockDiscipline clock = clock_discipline();
    const StatusParts status = parts_.status();
    const Duration since = parts_.since_progress();
    parts_.board->read([&](const StatusBoard& board) { with(ApiView{board, status, since, std::span(temperatures).first(zones), clock, !config_.token.empty()}); });
}

// Empty: there is not enough room.
std::string_view StatusPage::render(std::span<char> room, Write write) const {
    JsonWriter json(room);
    view([&](const ApiView& of) { write(json, of); });
    return json.ok() ? json.text() : std::string_view();
}

// What `weir status --json` says.
PageAnswer StatusPage::status(std::span<char> room) {
    const std::string_view text = parts_.answer("status json", room);
    return json_answer(text.starts_with("{\"error\"") ? std::string_view() : text, room);
}

std::vector<std::string_view>& StatusPage::read_recent(std::size_t stream, std::uint64_t& place) {
    results_.clear();
    recent_.read(stream, place, scratch_, results_);
    return results_;
}

// Every window, and of each key its last result.
PageAnswer StatusPage::windows(std::span<char> room) {
    JsonWriter json(room);
    bool whole = true;
    json.begin_object();
    json.key("windows");
    view([&](const ApiView& of) { write_windows(json, of); });
    json.key("latest");
    json.begin_object();
    const Bytes share = (room.size() - std::min<Bytes>(room.size(), json.text().size() + 1024)) / recent_.streams();
    for (std::size_t stream = 0; stream < recent_.alerts(); ++stream) {
        std::uint64_t place = 0;
        std::vector<std::string_view>& results = read_recent(stream, place);
        keep_last_of_each_key(results);
        json.key(recent_.name(stream));
        whole &= write_results(json, results, json.text().size() + share, 128);
    }
    json.end_object();
    json.key("whole");
    json.boolean(whole);
    json.end_object();
    return json_answer(json.ok() ? json.text() : std::string_view(), room);
}

// The last results of one, oldest first.
PageAnswer StatusPage::window(const PageRequest& request, std::span<char> room) {
    const std::string_view wanted = request.argument("window");
    std::size_t stream = 0;
    while (stream < recent_.alerts() && recent_.name(stream) != wanted) ++stream;
    if (stream == recent_.alerts()) return PageAnswer::error(404, "there is no such window", room);
    std::uint64_t place = 0;
    JsonWriter json(room);
    json.begin_object();
    json.key("name");
    json.text(wanted);
    json.key("results");
    (void)write_results(json, read_recent(stream, place), room.size(), 64);
    json.end_object();
    return json_answer(json.ok() ? json.text() : std::string_view(), room);
}

PageAnswer StatusPage::alerts(std::span<char> room) {
    JsonWriter json(room);
    json.begin_object();
    json.key("alerts");
    view([&](const ApiView& of) { write_alerts(json, of); });
    json.key("open");
    view([&](const ApiView& of) { write_open_alerts(json, of); });
    json.key("recent");
    std::uint64_t place = 0;
    (void)write_results(json, read_recent(recent_.alerts(), place), room.size(), 64);
    json.end_object();
    return json_answer(json.ok() ? json.text() : std::string_view(), room);
}

// What `weir ack ALERT [KEY]` asks of the control socket, and by the same way.
PageAnswer StatusPage::acknowledge(const PageRequest& request, std::span<char> room) {
    const std::string_view alert = request.argument("alert");
    const std::string_view key = request.argument("key");
    const auto is_word = [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7F; };
    if (!std::all_of(alert.begin(), alert.end(), is_word)) return PageAnswer::error(404, "there is no such alert", room);
    const std::string asked = "ack " + std::string(alert) + (key.empty() ? "" : " " + std::string(key));
    std::string said(parts_.answer(asked, room));
    while (said.ends_with('\n')) said.pop_back();
    constexpr std::string_view wrong = "error: ";
    if (said.starts_with(wrong)) return PageAnswer::error(said.find("there is no alert") != std::string::npos ? 404 : 409, said.substr(wrong.size()), room);
    JsonWriter json(room);
    json.begin_object();
    json.key("answer");
    json.text(said);
    json.end_object();
    return json_answer(json.ok() ? json.text() : std::string_view(), room);
}

// Once a second while somebody watches: what is new, then how all stands.
void StatusPage::tell(EventFeed& feed, std::span<char> room) {
    for (std::size_t stream = 0; stream < recent_.streams(); ++stream) {
        if (told_[stream] == recent_.newest(stream)) continue;
        const std::vector<std::string_view>& results = read_recent(stream, told_[stream]);
        JsonWriter json(room);
        // Whoever comes in now has asked for what lies before; what is too much is at /api/v1/windows/{window}.
        (void)write_results(json, results, std::min<Bytes>(room.size(), told_bytes_max / recent_.streams() + RecentResults::entry_bytes_max), 64);
        if (json.ok() && json.text().size() > 2) feed.say(stream == recent_.alerts() ? "alerts" : "results", json.text());
    }
    const std::string_view overview = render(room, write_overview);
    if (!overview.empty()) feed.say("overview", overview);
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

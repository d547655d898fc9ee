#include "drivers/webhook.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>
// The checks for the number of arguments, which would stand in the way of a table of functions.
#undef curl_easy_setopt
#undef curl_easy_getinfo
#undef curl_multi_setopt

namespace weir {
namespace {

constexpr long buffer_bytes = 16384;
constexpr std::size_t answer_bytes_max = 64 * 1024;
constexpr std::size_t bearer_bytes_max = 8192;

// As the plan counts it, estimated from above: what the library and its own libraries write on being loaded, four connections, TLS.
constexpr Bytes library_bytes = Bytes{1280} << 10;
constexpr Bytes tls_bytes = Bytes{3} << 20;

struct Curl {
    decltype(&::curl_global_init) global_init;
    decltype(&::curl_easy_init) easy_init;
    decltype(&::curl_easy_cleanup) easy_cleanup;
    decltype(&::curl_easy_reset) easy_reset;
    decltype(&::curl_easy_setopt) easy_setopt;
    decltype(&::curl_easy_getinfo) easy_getinfo;
    decltype(&::curl_easy_strerror) easy_strerror;
    decltype(&::curl_slist_append) slist_append;
    decltype(&::curl_slist_free_all) slist_free_all;
    decltype(&::curl_multi_init) multi_init;
    decltype(&::curl_multi_cleanup) multi_cleanup;
    decltype(&::curl_multi_setopt) multi_setopt;
    decltype(&::curl_multi_add_handle) multi_add_handle;
    decltype(&::curl_multi_remove_handle) multi_remove_handle;
    decltype(&::curl_multi_socket_action) multi_socket_action;
    decltype(&::curl_multi_info_read) multi_info_read;
    decltype(&::curl_multi_assign) multi_assign;

    bool load() {
        void* library = ::dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
        if (library == nullptr) library = ::dlopen("libcurl-gnutls.so.4", RTLD_NOW | RTLD_LOCAL);
        bool found = library != nullptr;
        const auto get = [&](auto& function, const char* name) {
            if (found) function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
            found = found && function != nullptr;
        };
        get(global_init, "curl_global_init");
        get(easy_init, "curl_easy_init");
        get(easy_cleanup, "curl_easy_cleanup");
        get(easy_reset, "curl_easy_reset");
        get(easy_setopt, "curl_easy_setopt");
        get(easy_getinfo, "curl_easy_getinfo");
        get(easy_strerror, "curl_easy_strerror");
        get(slist_append, "curl_slist_append");
        get(slist_free_all, "curl_slist_free_all");
        get(multi_init, "curl_multi_init");
        get(multi_cleanup, "curl_multi_cleanup");
        get(multi_setopt, "curl_multi_setopt");
        get(multi_add_handle, "curl_multi_add_handle");
        get(multi_remove_handle, "curl_multi_remove_handle");
        get(multi_socket_action, "curl_multi_socket_action");
        get(multi_info_read, "curl_multi_info_read");
        get(multi_assign, "curl_multi_assign");
        return found && global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
    }
};

// A secret of at most so many bytes; empty: there is none.
std::string first_line_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    std::string text(bearer_bytes_max, '\0');
    const ssize_t got = ::read(fd, text.data(), text.size());
    ::close(fd);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return text.substr(0, text.find_first_of("\r\n"));
}

}  // namespace

struct Webhooks::State {
    struct Call {
        CURL* handle = nullptr;
        curl_slist* headers = nullptr;
        bool busy = false;
        std::uint64_t token = 0;
        std::string url;
        std::string payload;
        std::size_t answer_bytes = 0;
    };

    explicit State(const Clock& with) : clock(with) {}
    bool make();
    ~State();
    void finish(Call& call, CURLcode code);
    void take_ends();

    static std::size_t discard(char*, std::size_t size, std::size_t count, void* call);
    static int on_socket(CURL*, curl_socket_t socket, int what, void* state, void* known);
    static int on_timer(CURLM*, long ms, void* state);

    const Clock& clock;
    Curl curl{};
    CURLM* multi = nullptr;
    int polled = -1;
    MonotonicTime due{Duration::max()};
    std::array<Call, parallel_max> calls;
    std::array<WebhookOutcome, parallel_max> outcomes;
    std::size_t outcome_count = 0;
};

bool Webhooks::State::make() {
    if (!curl.load()) return false;
    multi = curl.multi_init();
    polled = ::epoll_create1(EPOLL_CLOEXEC);
    if (multi == nullptr || polled < 0) return false;
    curl.multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, &State::on_socket);
    curl.multi_setopt(multi, CURLMOPT_SOCKETDATA, this);
    curl.multi_setopt(multi, CURLMOPT_TIMERFUNCTION, &State::on_timer);
    curl.multi_setopt(multi, CURLMOPT_TIMERDATA, this);
    curl.multi_setopt(multi, CURLMOPT_MAXCONNECTS, static_cast<long>(parallel_max));
    return std::all_of(calls.begin(), calls.end(), [&](Call& call) { return (call.handle = curl.easy_init()) != nullptr; });
}

Webhooks::State::~State() {
    for (Call& call : calls) {
        if (call.busy) curl.multi_remove_handle(multi, call.handle);
        if (call.handle != nullptr) curl.easy_cleanup(call.handle);
        if (call.headers != nullptr) curl.slist_free_all(call.headers);
    }
    if (multi != nullptr) curl.multi_cleanup(multi);
    if (polled >= 0) ::close(polled);
}

std::size_t Webhooks::State::discard(char*, std::size_t size, std::size_t count, void* data) {
    Call& call = *static_cast<Call*>(data);
    call.answer_bytes += size * count;
    return call.answer_bytes > answer_bytes_max ? 0 : size * count;
}

int Webhooks::State::on_socket(CURL*, curl_socket_t socket, int what, void* data, void* known) {
    State& state = *static_cast<State*>(data);
    epoll_event event{};
    event.data.fd = socket;
    if (what == CURL_POLL_REMOVE) return ::epoll_ctl(state.polled, EPOLL_CTL_DEL, socket, nullptr), 0;
    event.events = (what != CURL_POLL_OUT ? EPOLLIN : 0U) | (what != CURL_POLL_IN ? EPOLLOUT : 0U);
    ::epoll_ctl(state.polled, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, socket, &event);
    state.curl.multi_assign(state.multi, socket, data);
    return 0;
}

int Webhooks::State::on_timer(CURLM*, long ms, void* data) {
    State& state = *static_cast<State*>(data);
    state.due = ms < 0 ? MonotonicTime{Duration::max()} : state.clock.monotonic() + Duration::millis(ms);
    return 0;
}

void Webhooks::State::take_ends() {
    int left = 0;
    while (CURLMsg* const message = curl.multi_info_read(multi, &left)) {
        if (message->msg != CURLMSG_DONE) continue;
        const CURLcode code = message->data.result;
        const auto call = std::find_if(calls.begin(), calls.end(), [&](const Call& c) { return c.handle == message->easy_handle; });
        curl.multi_remove_handle(multi, message->easy_handle);
        if (call != calls.end()) finish(*call, code);
    }
}

void Webhooks::State::finish(Call& call, CURLcode code) {
    long status = 0;
    curl.easy_getinfo(call.handle, CURLINFO_RESPONSE_CODE, &status);
    const bool done = code == CURLE_OK && status >= 200 && status < 300;
    WebhookOutcome outcome{call.token, done, {}};
    if (!done) outcome.why = call.url + ": " + (code == CURLE_OK ? "HTTP " + std::to_string(status) : curl.easy_strerror(code));
    if (outcome_count < outcomes.size()) outcomes[outcome_count++] = std::move(outcome);
    curl.slist_free_all(call.headers);
    call.headers = nullptr;
    call.busy = false;
}

Bytes Webhooks::need(bool tls) { return library_bytes + (tls ? tls_bytes : 0); }

Webhooks::Webhooks(std::unique_ptr<State> state) : state_(std::move(state)) {}
Webhooks::~Webhooks() = default;

Result<std::unique_ptr<Webhooks>> Webhooks::open(const Clock& clock) {
    auto state = std::make_unique<State>(clock);
    if (!state->make()) return Error::missing;
    return std::unique_ptr<Webhooks>(new Webhooks(std::move(state)));
}

Status Webhooks::begin(const WebhookRequest& request) {
    State& state = *state_;
    const Curl& curl = state.curl;
    const auto free = std::find_if(state.calls.begin(), state.calls.end(), [](const State::Call& call) { return !call.busy; });
    if (free == state.calls.end() || state.outcome_count == state.outcomes.size()) return Error::full;
    State::Call& call = *free;
    std::string bearer;
    if (!request.bearer_file.empty() && (bearer = first_line_of(std::string(request.bearer_file))).empty()) return Error::missing;
    call.token = request.token;
    call.url = request.url;
    call.payload = request.payload;
    call.answer_bytes = 0;
    const auto add = [&](const std::string& header) {
        if (curl_slist* const longer = curl.slist_append(call.headers, header.c_str())) call.headers = longer;
    };
    add("Content-Type: application/json");
    add("Expect:");
    for (const std::string_view header : request.headers) add(std::string(header));
    if (!bearer.empty()) add("Authorization: Bearer " + bearer);
    curl.easy_reset(call.handle);
    const auto set = [&](CURLoption option, auto value) { curl.easy_setopt(call.handle, option, value); };
    const std::string ca(request.ca);
    set(CURLOPT_URL, call.url.c_str());
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_PROXY, "");
    set(CURLOPT_USERAGENT, "weir");
    set(CURLOPT_BUFFERSIZE, buffer_bytes);
    set(CURLOPT_UPLOAD_BUFFERSIZE, buffer_bytes);
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.us() / 1000));
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, call.payload.data());
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(call.payload.size()));
    set(CURLOPT_HTTPHEADER, call.headers);
    set(CURLOPT_WRITEFUNCTION, &State::discard);
    set(CURLOPT_WRITEDATA, &call);
    if (!ca.empty()) set(CURLOPT_CAINFO, ca.c_str());
    call.busy = true;
    if (curl.multi_add_handle(state.multi, call.handle) != CURLM_OK) state.finish(call, CURLE_OUT_OF_MEMORY);
    return {};
}

bool Webhooks::hear(WebhookOutcome& outcome) {
    State& state = *state_;
    if (state.outcome_count == 0) return false;
    outcome = std::move(state.outcomes[--state.outcome_count]);
    return true;
}

MonotonicTime Webhooks::keep_up() {
    State& state = *state_;
    int running = 0;
    std::array<epoll_event, 8> events;
    const int count = ::epoll_wait(state.polled, events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; ++i) {
        const unsigned what = events[static_cast<std::size_t>(i)].events;
        const int mask = ((what & EPOLLIN) ? CURL_CSELECT_IN : 0) | ((what & EPOLLOUT) ? CURL_CSELECT_OUT : 0) |
                         ((what & (EPOLLERR | EPOLLHUP)) ? CURL_CSELECT_ERR : 0);
        state.curl.multi_socket_action(state.multi, events[static_cast<std::size_t>(i)].data.fd, mask, &running);
    }
    if (state.clock.monotonic() >= state.due) {
        state.due = {Duration::max()};
        state.curl.multi_socket_action(state.multi, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    state.take_ends();
    return state.due;
}

int Webhooks::descriptor() const { return state_->polled; }

}  // namespace weir

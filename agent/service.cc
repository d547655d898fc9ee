#include "agent/service.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "agent/actions.h"
#include "agent/base/build_info.h"
#include "agent/base/log.h"
#include "agent/configuration_check.h"
#include "agent/control.h"
#include "agent/memory_limit.h"
#include "agent/out_of_memory.h"
#include "agent/pipeline.h"
#include "agent/receiver.h"
#include "agent/recovery.h"
#include "agent/remembered_filters.h"
#include "agent/service_manager.h"
#include "agent/status.h"
#include "agent/status_page.h"
#include "agent/table_watch.h"
#include "windows/result_merger.h"

namespace weir {
namespace {

constexpr Duration engine_wait_max = Duration::millis(500);
constexpr Duration store_wait_max = Duration::seconds(1);
constexpr Duration last_delivery_limit = Duration::seconds(2);
constexpr Duration drain_limit = Duration::seconds(2);
constexpr Duration last_alerts_limit = Duration::seconds(1);
constexpr Duration last_results_limit = Duration::seconds(1);
constexpr Duration looks_after = Duration::millis(250);
// An engine that takes no step for so long is stuck: it waits for nothing but the journal, half a second at a time.
constexpr Duration engine_stuck = Duration::seconds(10);

// Names a thread in the kernel's tables, so that `top -H` tells them apart.
template <typename Body>
std::thread named_thread(const char* name, Body body) {
    return std::thread([name, body = std::move(body)] {
        pthread_setname_np(pthread_self(), name);
        body();
    });
}

// The end of a message about a file that could not be used.
std::string what_to_do(Error error) {
    switch (error) {
        case Error::no_memory: return ": free memory on this machine, or lower agent.memory, and start again; nothing was changed";
        case Error::no_space: return ": make room there and start again; nothing was changed";
        case Error::io: return ": look at the medium and the kernel's log, and start again";
        default: return "";
    }
}

// One agent a run folder.
class RunLock {
public:
    explicit RunLock(const std::string& folder) {
        fd_ = ::open((folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        held_ = fd_ >= 0 && ::flock(fd_, LOCK_EX | LOCK_NB) == 0;
    }
    ~RunLock() {
        if (fd_ >= 0) ::close(fd_);
    }
    RunLock(const RunLock&) = delete;
    RunLock& operator=(const RunLock&) = delete;
    bool held() const { return held_; }

private:
    int fd_ = -1;
    bool held_ = false;
};

class Service {
public:
    Service(const Assembly& assembly, const PartOptions& options, const MemoryPlan& plan, const RunRequest& request)
        : assembly_(assembly),
          config_(assembly.config()),
          options_(options),
          plan_(plan),
          block_(arena_need(assembly, options)),
          arena_(block_.memory()),
          board_(assembly),
          request_(request),
          trials_(files_, config_.agent.state) {
        if (request.print)
            printer_ = std::make_unique<ResultPrinter>(STDOUT_FILENO, false, 6 * assembly.engine().record_size_max());
    }

    RunOutcome run();

private:
    bool make_folders();
    bool open_state();
    void make_connections();
    void start_threads();
    void limit_memory();
    bool wait_for_signal();
    bool look_after();
    bool look_at_trial();
    bool look_at_check();
    bool begin_trial(std::uint64_t configuration);
    void begin_reload();
    Health health() const;
    std::string_view answer_configuration(std::span<char> buffer);
    void say_of_reload(std::string_view state, std::string reason);
    void stop();
    void engine_loop();
    void store_loop();
    void store_once();
    MqttSource* connection(std::string_view name);
    bool publish(const std::string& connection, std::string_view topic, std::string_view payload, int qos, bool retain);
    MqttOutlet::Sent publish_alert(std::string_view connection, std::string_view topic, std::string_view payload, int qos, bool retain,
                                   std::uint32_t token);
    std::string_view answer(std::string_view request, std::span<char> buffer);
    StatusParts status_parts();
    void make_page();
    bool fail(const std::string& what) {
        std::fprintf(stderr, "weir: %s\n", what.c_str());
        return false;
    }

    const Assembly& assembly_;
    const AgentConfig& config_;
    const PartOptions& options_;
    const MemoryPlan& plan_;
    SystemClock clock_;
    SystemEntropy entropy_;
    SystemFiles files_;
    SystemNetwork network_;
    ArenaBlock block_;
    Arena arena_;
    StatusBoard board_;
    std::unique_ptr<RunLock> lock_;
    std::unique_ptr<ResultMerger> merger_;
    std::unique_ptr<Outbox> outbox_;
    Recovered recovered_;
    std::vector<Journal*> journals_;  // of recovered_, one a lane
    std::unique_ptr<ResultPrinter> printer_;
    std::unique_ptr<Actions> actions_;
    std::unique_ptr<ResultPublisher> results_;
    std::unique_ptr<Pipeline> pipeline_;
    std::vector<std::unique_ptr<TableWatch>> tables_;  // one a lane
    std::unique_ptr<UplinkClient> uplink_;
    std::unique_ptr<RememberedFilters> remembered_;
    std::vector<std::unique_ptr<Receiver>> receivers_;
    std::vector<MqttOptions> mqtt_options_;
    std::vector<std::unique_ptr<MqttSource>> mqtt_;
    std::unique_ptr<ControlServer> control_;
    std::unique_ptr<StatusPage> page_;
    std::thread engine_thread_;
    std::thread store_thread_;
    std::thread uplink_thread_;
    std::atomic<bool> engine_stopping_{false};
    std::atomic<bool> store_stopping_{false};
    std::uint64_t last_board_tick_ = 0;
    std::atomic<std::int64_t> engine_progress_us_{0};  // monotonic: when the engine last went on

    const RunRequest& request_;
    ServiceManager manager_;
    MonotonicTime next_alive_{};
    TrialFile trials_;
    std::optional<TrialWatch> watch_;
    std::unique_ptr<ConfigurationCheck> check_;
    std::mutex reload_mutex_;
    std::string_view reload_ = "idle";  // guarded by reload_mutex_, as these two are: what `weir apply` is told
    std::string_view trial_ = "none";
    std::string reload_reason_;
};

bool Service::make_folders() {
    for (const std::string& folder : {config_.agent.run, config_.agent.state})
        if (const Status made = files_.make_folders(folder); !made.ok())
            return fail(folder + " cannot be made (" + std::string(name(made.error())) +
                        "): make it, or set agent.run and agent.state to folders this user can write");
    lock_ = std::make_unique<RunLock>(config_.agent.run);
    if (!lock_->held()) return fail("another agent runs with " + config_.agent.run + ", or this user may not write there");
    return true;
}

bool Service::open_state() {
    OpenReport report;
    OutboxOptions options_of_outbox = options_.outbox;
    options_of_outbox.number_when_welcomed = true;
    if (options_of_outbox.coarsen) merger_ = std::make_unique<ResultMerger>(arena_, assembly_.engine());
    options_of_outbox.merger = merger_.get();
    Result<std::unique_ptr<Outbox>> outbox = Outbox::open(options_of_outbox, arena_, files_, entropy_, report);
    if (!outbox.ok())
        return fail(options_.outbox.path + " cannot be opened (" + std::string(name(outbox.error())) + ") " + report.reason +
                    what_to_do(outbox.error()));
    outbox_ = std::move(*outbox);
    if (report.set_aside)
        WEIR_LOG_ERROR("outbox", "the database could not be used (%s): it is now %s, and a new one has been begun",
                       report.reason.c_str(), report.set_aside_path.c_str());

    Result<std::unique_ptr<Actions>> actions = Actions::open(
        arena_, config_, files_, clock_, load_le<std::uint64_t>(outbox_->identity().incarnation.data()),
        [this](std::string_view connection, std::string_view topic, std::string_view payload, int qos, bool retain, std::uint32_t token) {
            return publish_alert(connection, topic, payload, qos, retain, token);
        });
    if (!actions.ok()) return fail(config_.agent.run + "/actions: " + std::string(name(actions.error())) + what_to_do(actions.error()));
    actions_ = std::move(*actions);

    Recovery recovery(assembly_, options_, files_, entropy_, clock_, *outbox_,
                      {config_.uplink.has_value(), report.fresh, &actions_->publisher()});
    std::string reason;
    if (const Status prepared = recovery.prepare(recovered_, reason); !prepared.ok())
        return fail(reason + what_to_do(prepared.error()));
    journals_.push_back(recovered_.journal.get());
    for (const auto& journal : recovered_.more_journals) journals_.push_back(journal.get());

    if (ResultPublisher::is_needed(assembly_))
        results_ = std::make_unique<ResultPublisher>(
            arena_, assembly_,
            [this](const std::string& connection, std::string_view topic, std::string_view payload, int qos, bool retain) {
                return publish(connection, topic, payload, qos, retain);
            });
    Pipeline::Options options;
    options.checkpoint = config_.agent.checkpoint;
    options.flush = config_.agent.flush;
    options.release_after_flush_only = options_.journal.durable;
    options.deliver = config_.uplink.has_value();
    options.staging_bytes = options_.outbox.staging_bytes;
    Pipeline::Parts parts;
    parts.journal = recovered_.journal.get();
    parts.checkpoints = recovered_.checkpoints.get();
    parts.outbox = outbox_.get();
    parts.printer = printer_.get();
    parts.publisher = &actions_->publisher();
    parts.results = results_.get();
    make_page();
    if (page_) parts.recent = &page_->recent();
    parts.clock = &clock_;
    pipeline_ = std::make_unique<Pipeline>(arena_, assembly_, Analysis::Options{}, options, parts, options_.configuration);
    if (const Status filled = recovery.fill(*pipeline_, recovered_, reason); !filled.ok())
        return fail("recovery failed: " + (reason.empty() ? "the crash checkpoint cannot be written" : reason) +
                    what_to_do(filled.error()));
    for (std::size_t lane = 0; lane < assembly_.lanes(); ++lane) {
        const Engine& engine = pipeline_->analysis_of(lane).engine();
        tables_.push_back(std::make_unique<TableWatch>(config_, files_, *journals_[lane], clock_, engine));
        tables_.back()->poll();  // before the first message
    }
    if (config_.uplink)
        uplink_ = std::make_unique<UplinkClient>(options_.uplink, arena_, *outbox_, network_, clock_, entropy_);
    return true;
}

void Service::make_connections() {
    remembered_ = std::make_unique<RememberedFilters>(files_, config_);
    mqtt_options_ = options_.mqtt;
    for (std::size_t i = 0; i < mqtt_options_.size(); ++i) {
        mqtt_options_[i].on_published = [this](std::uint32_t token, bool delivered) { actions_->delivered(token, delivered); };
        mqtt_options_[i].remembered = remembered_->of(mqtt_options_[i].client_id);
        const PartOptions::MqttOwner owner = options_.mqtt_owners[i];
        const unsigned sampling_level = pipeline_->analysis_of(owner.lane).sampling_level(owner.config);
        receivers_.push_back(std::make_unique<Receiver>(assembly_, journals_, owner.config, owner.lane, clock_, sampling_level));
        mqtt_.push_back(std::make_unique<MqttSource>(mqtt_options_[i], *receivers_[i], clock_, entropy_));
    }
    for (const std::string& id : remembered_->others(mqtt_options_))
        WEIR_LOG_WARNING("mqtt", "the broker may still keep a session for %s, which this configuration does not use: what it queues there is not "
                                 "counted; connect once with that client id and a clean session to end it", id.c_str());
    remembered_->store(mqtt_options_, true);
}

void Service::start_threads() {
    pipeline_->store_runs();
    engine_thread_ = named_thread("weir-engine", [this] { engine_loop(); });
    store_thread_ = named_thread("weir-store", [this] { store_loop(); });
    if (uplink_) uplink_thread_ = named_thread("weir-uplink", [this] { uplink_->run(); });
    actions_->start();
    if (results_) results_->start();
    Result<std::unique_ptr<ControlServer>> control = ControlServer::start(
        control_path(config_), [this](std::string_view request, std::span<char> buffer) { return answer(request, buffer); });
    if (control.ok())
        control_ = std::move(*control);
    else
        WEIR_LOG_WARNING("control", "%s cannot be made (%s): `weir status` will not work; a socket's path has 107 bytes at most",
                         control_path(config_).c_str(), std::string(name(control.error())).c_str());
    engine_progress_us_ = clock_.monotonic().since_start.us();
    if (page_) page_->start();
}

void Service::limit_memory() {
    const Bytes mapped = plan_.mapped();
    const Bytes limit = plan_.budget > mapped ? plan_.budget - mapped : 0;
    if (limit_private_bytes(limit).ok())
        WEIR_LOG_INFO("memory", "budget %.1f MiB: %.1f mapped, private memory limited to %.1f, %.1f in use",
                      static_cast<double>(plan_.budget) / 1048576, static_cast<double>(mapped) / 1048576,
                      static_cast<double>(limit) / 1048576, static_cast<double>(private_bytes_now()) / 1048576);
    else
        WEIR_LOG_WARNING("memory", "the limit could not be set: the budget is not enforced");
}

void Service::engine_loop() {
    while (!engine_stopping_) {
        pipeline_->step(engine_wait_max);
        engine_progress_us_ = clock_.monotonic().since_start.us();
        if (printer_ && !printer_->status().ok())
            WEIR_LOG_ERROR("print", "standard output takes no more results (%s)", std::string(name(printer_->status().error())).c_str());
        if (pipeline_->counters().ticks != last_board_tick_) {
            last_board_tick_ = pipeline_->counters().ticks;
            board_.take(*pipeline_);
        }
    }
    pipeline_->catch_up();
    if (printer_) printer_->flush();
}

void Service::store_once() {
    const std::optional<FlashCheckpoint> flash = pipeline_->flash_due();
    const Status committed = outbox_->commit(flash ? &*flash : nullptr, pipeline_.get());
    if (flash) pipeline_->flash_done(committed.ok());
    if (!committed.ok())
        WEIR_LOG_ERROR("outbox", "cannot write to flash (%s): results wait in memory, windows and alerts go on",
                       std::string(name(committed.error())).c_str());
}

void Service::store_loop() {
    auto next_sync = std::chrono::steady_clock::now();
    while (!store_stopping_) {
        outbox_->wait(store_wait_max);
        if (store_stopping_) break;
        store_once();
        for (const auto& tables : tables_) tables->poll();
        if (options_.journal.durable && std::chrono::steady_clock::now() >= next_sync) {
            for (Journal* journal : journals_)
                if (!journal->sync().ok()) WEIR_LOG_ERROR("journal", "cannot be synced to its disk");
            next_sync = std::chrono::steady_clock::now() + std::chrono::microseconds(config_.agent.journal.sync.us());
        }
    }
}

// In lane 0. Null: there is none, as has been said where it was read.
MqttSource* Service::connection(std::string_view name) {
    for (std::size_t i = 0; i < std::min(config_.mqtt.size(), mqtt_.size()); ++i)
        if (config_.mqtt[i].name == name) return mqtt_[i].get();
    return nullptr;
}

bool Service::publish(const std::string& name, std::string_view topic, std::string_view payload, int qos, bool retain) {
    MqttSource* const to = connection(name);
    return to == nullptr || to->publish(topic, as_byte_span(payload), qos, retain).ok();
}

MqttOutlet::Sent Service::publish_alert(std::string_view name, std::string_view topic, std::string_view payload, int qos, bool retain,
                                        std::uint32_t token) {
    MqttSource* const to = connection(name);
    if (to == nullptr) return MqttOutlet::Sent::nowhere;
    return to->publish(topic, as_byte_span(payload), qos, retain, token).ok() ? MqttOutlet::Sent::under_way : MqttOutlet::Sent::later;
}

std::string_view Service::answer(std::string_view request, std::span<char> buffer) {
    if (request.starts_with("alert fire ")) {
        const std::string said = actions_->fire(config_, request.substr(sizeof "alert fire " - 1), clock_.wall());
        const std::size_t size = std::min(said.size(), buffer.size());
        std::copy(said.begin(), said.begin() + static_cast<std::ptrdiff_t>(size), buffer.begin());
        return {buffer.data(), size};
    }
    if (request == "configuration") return answer_configuration(buffer);
    if (request == "reload") {
        ::kill(::getpid(), SIGHUP);
        return "ok\n";
    }
    return board_.answer(request, status_parts(), buffer);
}

StatusParts Service::status_parts() {
    StatusParts parts;
    parts.config = &config_;
    parts.journal = recovered_.journal.get();
    parts.outbox = outbox_.get();
    parts.uplink = uplink_.get();
    parts.actions = actions_.get();
    parts.results = results_.get();
    parts.more_journals.assign(journals_.begin() + 1, journals_.end());
    for (const auto& source : mqtt_) parts.mqtt.push_back(source.get());
    parts.mqtt_owners = options_.mqtt_owners;
    parts.clock = &clock_;
    parts.memory_budget = plan_.budget;
    parts.memory_planned = plan_.total();
    parts.plan = &plan_;
    for (const auto& tables : tables_) parts.tables.push_back(tables.get());
    for (const auto& receiver : receivers_) {
        parts.oversized_messages += receiver->oversized();
        parts.retained_skipped += receiver->retained();
    }
    return parts;
}

void Service::make_page() {
    if (!config_.page) return;
    StatusPage::Parts parts;
    parts.board = &board_;
    parts.status = [this] { return status_parts(); };
    parts.since_progress = [this] { return clock_.monotonic().since_start - Duration::micros(engine_progress_us_); };
    parts.answer = [this](std::string_view request, std::span<char> buffer) { return answer(request, buffer); };
    page_ = std::make_unique<StatusPage>(arena_, assembly_, std::move(parts));
}

// True: start again.
bool Service::wait_for_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    const timespec pause{0, static_cast<long>(looks_after.us() * 1000)};
    for (;;) {
        const int signal = ::sigtimedwait(&signals, nullptr, &pause);
        if (look_after()) return true;
        if (signal < 0) continue;
        if (signal == SIGHUP) {
            for (const auto& tables : tables_) tables->look_again();
            outbox_->wake();
            begin_reload();
            continue;
        }
        WEIR_LOG_INFO("agent", "stopping");
        return false;
    }
}

// Four times a second. True: start again.
bool Service::look_after() {
    const MonotonicTime now = clock_.monotonic();
    if (manager_.watchdog() && now >= next_alive_ && health().engine_goes) {
        manager_.alive();
        next_alive_ = now + Duration::micros(manager_.watchdog()->us() / 4);
    }
    return look_at_trial() || look_at_check();
}

Health Service::health() const {
    Health health;
    health.engine_goes = clock_.monotonic().since_start - Duration::micros(engine_progress_us_) < engine_stuck;
    health.mqtt_connected = std::all_of(mqtt_.begin(), mqtt_.end(), [](const auto& m) { return m->counters().connected; });
    health.uplink_connected = uplink_ && uplink_->status().state == UplinkState::streaming;
    return health;
}

bool Service::look_at_trial() {
    if (!watch_) return false;
    const TrialWatch::Verdict verdict = watch_->look(health(), clock_.monotonic());
    const std::lock_guard lock(reload_mutex_);
    reload_reason_ = watch_->complaint();
    if (verdict == TrialWatch::Verdict::open) return false;
    if (verdict == TrialWatch::Verdict::healthy) {
        trials_.end();
        watch_.reset();
        trial_ = "none";
        WEIR_LOG_INFO("agent", "the configuration is healthy: its trial is over");
        return false;
    }
    Trial trial = *request_.trial;
    trial.refused = true;
    trial.reason = watch_->complaint() + " within " + std::to_string(config_.agent.trial.us() / 1'000'000) + " s";
    WEIR_LOG_ERROR("agent", "the configuration is taken back: %s", trial.reason.c_str());
    watch_.reset();
    return trials_.write(trial).ok();
}

void Service::begin_reload() {
    if (check_) return;  // it will see what is there now, or a later SIGHUP does
    WEIR_LOG_INFO("agent", "SIGHUP: the files of tables are read again, and %s", request_.path.c_str());
    check_ = std::make_unique<ConfigurationCheck>(request_.path);
    say_of_reload("checking", "");
}

bool Service::look_at_check() {
    if (!check_ || !check_->done()) return false;
    const std::optional<std::uint64_t> configuration = check_->configuration();
    check_.reset();
    if (!configuration) {
        WEIR_LOG_ERROR("agent", "%s cannot be run, as told above: the configuration that runs goes on", request_.path.c_str());
        say_of_reload("refused", "it has errors, which the agent's log tells");
        return false;
    }
    if (*configuration == configuration_hash(config_)) {
        WEIR_LOG_INFO("agent", "%s says what runs already", request_.path.c_str());
        if (request_.trial && request_.trial->refused) trials_.end();
        say_of_reload("same", "");
        return false;
    }
    if (begin_trial(*configuration)) return true;
    WEIR_LOG_ERROR("agent", "%s cannot be written: the configuration that runs goes on", config_.agent.state.c_str());
    say_of_reload("refused", config_.agent.state + " cannot be written");
    return false;
}

bool Service::begin_trial(std::uint64_t configuration) {
    Trial trial;
    trial.configuration = configuration;
    trial.previous = explain(config_, false);
    const Health now = health();
    trial.mqtt = now.mqtt_connected;
    trial.uplink = now.uplink_connected;
    // One trial behind the other: what the first would have gone back to is what is known to work.
    if (watch_) trial = {configuration, 0, false, request_.trial->mqtt, request_.trial->uplink, "", request_.trial->previous};
    if (!trials_.write(trial).ok()) return false;
    WEIR_LOG_INFO("agent", "the configuration has changed: stopping, and starting with it");
    manager_.reloading();
    return true;
}

void Service::say_of_reload(std::string_view state, std::string reason) {
    const std::lock_guard lock(reload_mutex_);
    reload_ = state;
    if (!watch_ && trial_ == "none") reload_reason_ = std::move(reason);
}

std::string_view Service::answer_configuration(std::span<char> buffer) {
    const std::lock_guard lock(reload_mutex_);
    char absolute[PATH_MAX];
    const int size = std::snprintf(buffer.data(), buffer.size(), "path %s\nconfiguration %s\nreload %.*s\ntrial %.*s\nreason %s\n",
                                   ::realpath(request_.path.c_str(), absolute) != nullptr ? absolute : request_.path.c_str(),
                                   configuration_text(configuration_hash(config_)).c_str(), static_cast<int>(reload_.size()),
                                   reload_.data(), static_cast<int>(trial_.size()), trial_.data(), reload_reason_.c_str());
    return {buffer.data(), std::min<std::size_t>(static_cast<std::size_t>(size), buffer.size() - 1)};
}

// Downstream parts outlive upstream ones: nothing that was taken in is left unsaved.
void Service::stop() {
    // A second signal ends the process at once; the journal and the checkpoint are its state.
    std::thread([] {
        sigset_t signals;
        sigemptyset(&signals);
        for (int signal : {SIGTERM, SIGINT}) sigaddset(&signals, signal);
        int signal = 0;
        ::sigwait(&signals, &signal);
        ::_exit(1);
    }).detach();

    // The last events may raise an alert, which wants the connection.
    for (const auto& receiver : receivers_) receiver->close();
    const MonotonicTime drained_by = clock_.monotonic() + drain_limit;
    for (std::size_t lane = 0; lane < journals_.size(); ++lane) {
        const std::uint64_t newest = journals_[lane]->newest_sequence();
        while (pipeline_->done_position(lane) < newest && clock_.monotonic() < drained_by)
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    actions_->stop(last_alerts_limit);
    if (results_) results_->stop(last_results_limit);
    for (std::size_t i = 0; i < mqtt_.size(); ++i)
        mqtt_[i]->stop(options_.mqtt_owners[i].lane > 0
                           ? std::nullopt
                           : std::optional(MqttPublication{"weir/" + config_.agent.id + "/status", R"({"state":"offline"})", 1, true}));
    if (!mqtt_.empty()) {
        const bool settled = std::all_of(mqtt_.begin(), mqtt_.end(), [](const auto& m) { return m->filters_settled(); });
        if (settled) remembered_->store(mqtt_options_, false);
    }
    engine_stopping_ = true;
    for (Journal* journal : journals_) journal->wake();
    engine_thread_.join();
    store_stopping_ = true;
    outbox_->wake();
    store_thread_.join();
    store_once();  // a flash checkpoint that was pending frees its slot
    pipeline_->request_flash();
    if (!pipeline_->checkpoint().ok()) WEIR_LOG_ERROR("checkpoint", "the last checkpoint could not be written");
    store_once();
    if (uplink_) {
        const MonotonicTime limit = clock_.monotonic() + last_delivery_limit;
        while (clock_.monotonic() < limit && outbox_->counters().rows > 0 &&
               uplink_->status().state == UplinkState::streaming) {
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
            store_once();
        }
        uplink_->stop();
        uplink_thread_.join();
        store_once();
    }
    control_.reset();
    if (page_) page_->stop();
    if (!outbox_->close().ok()) WEIR_LOG_ERROR("outbox", "cannot be closed in order; it will be recovered at the next start");
}

RunOutcome Service::run() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);

    if (!make_folders() || !open_state()) return {1};
    make_connections();
    board_.take(*pipeline_);
    if (request_.trial && request_.trial->refused) {
        trial_ = "refused";
        reload_reason_ = request_.trial->reason;
    } else if (request_.trial) {
        watch_.emplace(*request_.trial, config_.agent.trial, clock_.monotonic());
        trial_ = "open";
    }
    start_threads();
    limit_memory();
    for (std::size_t i = 0; i < mqtt_.size(); ++i) {
        Problem problem;
        if (!mqtt_[i]->start(problem).ok()) {
            fail("mqtt: " + problem.what);
            stop();
            return {1};
        }
    }
    on_out_of_memory(OutOfMemory::waits);
    WEIR_LOG_INFO("agent", "%s: weir %s is running", config_.agent.id.c_str(), std::string(version()).c_str());
    manager_.ready(config_.agent.id + " runs configuration " + configuration_text(configuration_hash(config_)));
    const bool again = wait_for_signal();
    if (!again) manager_.stopping();
    on_out_of_memory(OutOfMemory::ends);
    stop();
    return {0, again};
}

}  // namespace

std::string control_path(const AgentConfig& config) { return config.agent.run + "/control"; }

RunOutcome run_service(const Assembly& assembly, const PartOptions& options, const MemoryPlan& plan, const RunRequest& request) {
    Service service(assembly, options, plan, request);
    return service.run();
}

}  // namespace weir

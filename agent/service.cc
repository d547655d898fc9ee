#include "agent/service.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>

#include "agent/alert_publisher.h"
#include "agent/base/build_info.h"
#include "agent/base/log.h"
#include "agent/control.h"
#include "agent/memory_limit.h"
#include "agent/out_of_memory.h"
#include "agent/pipeline.h"
#include "agent/recovery.h"
#include "agent/status.h"
#include "agent/table_watch.h"
#include "windows/result_merger.h"
#include "agent/thinning.h"

namespace weir {
namespace {

constexpr Duration engine_wait_max = Duration::millis(500);
constexpr Duration store_wait_max = Duration::seconds(1);
constexpr auto ring_full_pause = std::chrono::milliseconds(1);
constexpr Duration last_delivery_limit = Duration::seconds(2);
constexpr Duration drain_limit = Duration::seconds(2);
constexpr Duration last_alerts_limit = Duration::seconds(1);
constexpr Duration last_results_limit = Duration::seconds(1);

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

// From Paho's receive thread into the journal.
class Receiver final : public MqttHandler {
public:
    Receiver(Journal& journal, std::uint16_t link, const MqttConfig& mqtt, const Clock& clock, unsigned sampling_level)
        : journal_(journal), link_(link), name_(mqtt.name.empty() ? "mqtt" : "mqtt." + mqtt.name), clock_(clock),
          message_max_(mqtt.max_message), thinning_(journal, link, sampling_level, mqtt.overflow == MqttConfig::Overflow::sample) {}

    bool ready() override { return !closed_ && !journal_.above_high_mark(); }

    bool on_message(const MqttMessage& message) override {
        if (message.retained) {  // a state told to a new subscriber: the event itself was counted when it came
            ++retained_;
            note(IntakeDrop::retained);
            return true;
        }
        if (message.payload.size() > message_max_ || message.topic.size() > topic_bytes_max) {
            ++oversized_;
            WEIR_LOG_WARNING(name_.c_str(), "a message of %zu bytes is above max_message: counted and dropped",
                             message.payload.size());
            note(IntakeDrop::oversized);
            return true;
        }
        JournalEntry entry;
        entry.arrival = clock_.wall();
        entry.clock_trusted = clock_.wall_trusted();
        entry.link = link_;
        entry.connection = connection_;
        entry.packet_id = message.packet_id;
        entry.qos = static_cast<std::uint8_t>(message.qos);
        entry.dup = message.duplicate;
        entry.topic = message.topic;
        entry.payload = message.payload;
        if (!thinning_.keep(entry.arrival, entry.clock_trusted)) entry.kind = EntryKind::shed;
        const Result<Journal::Appended> appended = append(entry);
        if (!appended.ok()) {
            ++oversized_;
            note(IntakeDrop::oversized);
        } else if (appended->duplicate) {
            note(IntakeDrop::duplicates);
        }
        return true;
    }
    void on_connected(bool session_present) override {
        ++connection_;
        if (!session_present) journal_.forget_session(link_);
    }
    void on_disconnected(std::string_view) override {}
    void on_subscribed(std::string_view, int) override {}
    void on_subscription_refused(std::string_view filter) override {
        WEIR_LOG_ERROR(name_.c_str(), "the broker refused the subscription to %.*s: no message will come from there",
                       static_cast<int>(filter.size()), filter.data());
    }
    void on_silence(Duration silent) override {
        WEIR_LOG_WARNING(name_.c_str(), "connected, but no message for %lld s: subscribing again",
                         static_cast<long long>(silent.us() / 1000000));
    }

    // Nothing more is read; what was read ahead still comes.
    void close() { closed_ = true; }
    std::uint64_t oversized() const { return oversized_; }
    std::uint64_t retained() const { return retained_; }

private:
    static constexpr Bytes topic_bytes_max = 1024;

    Result<Journal::Appended> append(const JournalEntry& entry) {
        for (;;) {
            const Result<Journal::Appended> appended = journal_.append(entry);
            if (appended.ok() || appended.error() != Error::full) return appended;
            // The high mark leaves room for what was read ahead; without the gate, wait for the engine, which
            // runs until the connections have stopped.
            std::this_thread::sleep_for(ring_full_pause);
        }
    }
    // What is acknowledged without being journaled is counted from the journal, too: so a kill does not change the count.
    void note(IntakeDrop drop) {
        const auto payload = Intake::write_drop(drop);
        JournalEntry entry;
        entry.kind = EntryKind::connection;
        entry.arrival = clock_.wall();
        entry.clock_trusted = clock_.wall_trusted();
        entry.link = link_;
        entry.connection = connection_;
        entry.payload = payload;
        (void)append(entry).ok();
    }

    Journal& journal_;
    const std::uint16_t link_;
    const std::string name_;
    const Clock& clock_;
    const Bytes message_max_;
    Thinning thinning_;
    std::atomic<std::uint32_t> connection_{0};
    std::atomic<std::uint64_t> oversized_{0};
    std::atomic<std::uint64_t> retained_{0};
    std::atomic<bool> closed_{false};
};

// The filters that were ever subscribed to and may live on in the broker's session, one a line a connection.
class RememberedFilters {
public:
    RememberedFilters(Files& files, const AgentConfig& config) : files_(files), path_(config.agent.state + "/subscriptions") {
        const Result<std::string> text = files_.read(path_, 1 << 20);
        readable_ = text.ok() || text.error() == Error::missing;
        if (!readable_)
            WEIR_LOG_WARNING("mqtt", "%s cannot be read (%s): filters that were removed stay subscribed until a later start",
                             path_.c_str(), std::string(name(text.error())).c_str());
        if (!text.ok()) return;
        for (std::size_t at = 0; at < text->size();) {
            const std::size_t end = std::min(text->find('\n', at), text->size());
            const std::string line = text->substr(at, end - at);
            if (const std::size_t tab = line.find('\t'); tab != std::string::npos)
                lines_.emplace_back(line.substr(0, tab), line.substr(tab + 1));
            at = end + 1;
        }
    }
    std::vector<std::string> of(const std::string& client_id) const {
        std::vector<std::string> filters;
        for (const auto& [owner, filter] : lines_)
            if (owner == client_id) filters.push_back(filter);
        return filters;
    }
    // With what was remembered, or once that has been unsubscribed, without.
    void store(const std::vector<MqttOptions>& connections, bool with_remembered) {
        if (!readable_) return;  // what it holds is not lost
        std::vector<std::pair<std::string, std::string>> all;
        if (with_remembered) all = lines_;
        for (const MqttOptions& connection : connections)
            for (const MqttFilter& filter : connection.filters) {
                const std::pair<std::string, std::string> line(connection.client_id, filter.filter);
                if (std::find(all.begin(), all.end(), line) == all.end()) all.push_back(line);
            }
        std::string text;
        for (const auto& [owner, filter] : all) text += owner + "\t" + filter + "\n";
        if (!files_.replace(path_, as_byte_span(text), true).ok())
            WEIR_LOG_WARNING("mqtt", "%s cannot be written: filters removed later will stay subscribed", path_.c_str());
    }

private:
    Files& files_;
    std::string path_;
    bool readable_ = true;
    std::vector<std::pair<std::string, std::string>> lines_;
};

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
          board_(assembly) {
        if (request.print)
            printer_ = std::make_unique<ResultPrinter>(STDOUT_FILENO, false, 6 * assembly.engine().record_size_max());
    }

    int run();

private:
    bool make_folders();
    bool open_state();
    void make_connections();
    void start_threads();
    void limit_memory();
    void wait_for_signal();
    void stop();
    void engine_loop();
    void store_loop();
    void store_once();
    bool publish(const std::string& connection, std::string_view topic, std::string_view payload, int qos, bool retain);
    std::string_view answer(std::string_view request, std::span<char> buffer);
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
    std::unique_ptr<ResultPrinter> printer_;
    std::unique_ptr<AlertPublisher> publisher_;
    std::unique_ptr<ResultPublisher> results_;
    std::unique_ptr<Pipeline> pipeline_;
    std::unique_ptr<TableWatch> tables_;
    std::unique_ptr<UplinkClient> uplink_;
    std::unique_ptr<RememberedFilters> remembered_;
    std::vector<std::unique_ptr<Receiver>> receivers_;
    std::vector<MqttOptions> mqtt_options_;
    std::vector<std::unique_ptr<MqttSource>> mqtt_;
    std::unique_ptr<ControlServer> control_;
    std::thread engine_thread_;
    std::thread store_thread_;
    std::thread uplink_thread_;
    std::atomic<bool> engine_stopping_{false};
    std::atomic<bool> store_stopping_{false};
    std::uint64_t last_board_tick_ = 0;
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

    Recovery recovery(assembly_, options_, files_, entropy_, clock_, *outbox_,
                      {config_.uplink.has_value(), report.fresh});
    std::string reason;
    if (const Status prepared = recovery.prepare(recovered_, reason); !prepared.ok())
        return fail(reason + what_to_do(prepared.error()));

    publisher_ = std::make_unique<AlertPublisher>(
        arena_, config_.agent.id,
        [this](const std::string& connection, std::string_view topic, std::string_view payload, int qos, bool retain) {
            return publish(connection, topic, payload, qos, retain);
        });
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
    parts.publisher = publisher_.get();
    parts.results = results_.get();
    parts.clock = &clock_;
    pipeline_ = std::make_unique<Pipeline>(arena_, assembly_, Analysis::Options{}, options, parts, options_.configuration);
    if (const Status filled = recovery.fill(*pipeline_, recovered_, reason); !filled.ok())
        return fail("recovery failed: " + (reason.empty() ? "the crash checkpoint cannot be written" : reason) +
                    what_to_do(filled.error()));
    tables_ = std::make_unique<TableWatch>(config_, files_, *recovered_.journal, clock_, pipeline_->analysis().engine());
    tables_->poll();  // before the first message
    if (config_.uplink)
        uplink_ = std::make_unique<UplinkClient>(options_.uplink, arena_, *outbox_, network_, clock_, entropy_);
    return true;
}

void Service::make_connections() {
    remembered_ = std::make_unique<RememberedFilters>(files_, config_);
    mqtt_options_ = options_.mqtt;
    for (std::size_t i = 0; i < mqtt_options_.size(); ++i) {
        mqtt_options_[i].remembered = remembered_->of(mqtt_options_[i].client_id);
        receivers_.push_back(std::make_unique<Receiver>(*recovered_.journal, static_cast<std::uint16_t>(i),
                                                        config_.mqtt[i], clock_, pipeline_->analysis().sampling_level(i)));
        mqtt_.push_back(std::make_unique<MqttSource>(mqtt_options_[i], *receivers_[i], clock_, entropy_));
    }
    remembered_->store(mqtt_options_, true);
}

void Service::start_threads() {
    pipeline_->store_runs();
    engine_thread_ = named_thread("weir-engine", [this] { engine_loop(); });
    store_thread_ = named_thread("weir-store", [this] { store_loop(); });
    if (uplink_) uplink_thread_ = named_thread("weir-uplink", [this] { uplink_->run(); });
    publisher_->start();
    if (results_) results_->start();
    Result<std::unique_ptr<ControlServer>> control = ControlServer::start(
        control_path(config_), [this](std::string_view request, std::span<char> buffer) { return answer(request, buffer); });
    if (control.ok())
        control_ = std::move(*control);
    else
        WEIR_LOG_WARNING("control", "%s cannot be made (%s): `weir status` will not work; a socket's path has 107 bytes at most",
                         control_path(config_).c_str(), std::string(name(control.error())).c_str());
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
        tables_->poll();
        if (options_.journal.durable && std::chrono::steady_clock::now() >= next_sync) {
            if (!recovered_.journal->sync().ok()) WEIR_LOG_ERROR("journal", "cannot be synced to its disk");
            next_sync = std::chrono::steady_clock::now() + std::chrono::microseconds(config_.agent.journal.sync.us());
        }
    }
}

bool Service::publish(const std::string& connection, std::string_view topic, std::string_view payload, int qos,
                      bool retain) {
    for (std::size_t i = 0; i < mqtt_.size(); ++i)
        if (config_.mqtt[i].name == connection) return mqtt_[i]->publish(topic, as_byte_span(payload), qos, retain).ok();
    return true;  // nowhere to publish to: it has been logged
}

std::string_view Service::answer(std::string_view request, std::span<char> buffer) {
    StatusParts parts;
    parts.config = &config_;
    parts.journal = recovered_.journal.get();
    parts.outbox = outbox_.get();
    parts.uplink = uplink_.get();
    parts.publisher = publisher_.get();
    parts.results = results_.get();
    for (const auto& source : mqtt_) parts.mqtt.push_back(source.get());
    parts.clock = &clock_;
    parts.memory_budget = plan_.budget;
    parts.memory_planned = plan_.total();
    parts.tables = tables_.get();
    for (const auto& receiver : receivers_) {
        parts.oversized_messages += receiver->oversized();
        parts.retained_skipped += receiver->retained();
    }
    return board_.answer(request, parts, buffer);
}

void Service::wait_for_signal() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    for (;;) {
        int signal = 0;
        if (::sigwait(&signals, &signal) != 0) continue;
        if (signal == SIGHUP) {
            WEIR_LOG_WARNING("agent", "SIGHUP: the files of tables are read again; the configuration is read at start only, state is kept");
            tables_->look_again();
            outbox_->wake();
            continue;
        }
        WEIR_LOG_INFO("agent", "stopping");
        return;
    }
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
    const std::uint64_t newest = recovered_.journal->newest_sequence();
    const MonotonicTime drained_by = clock_.monotonic() + drain_limit;
    while (pipeline_->done_position() < newest && clock_.monotonic() < drained_by)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    publisher_->stop(last_alerts_limit);
    if (results_) results_->stop(last_results_limit);
    for (std::size_t i = 0; i < mqtt_.size(); ++i)
        mqtt_[i]->stop(MqttPublication{"weir/" + config_.agent.id + "/status", R"({"state":"offline"})", 1, true});
    if (!mqtt_.empty()) {
        const bool settled = std::all_of(mqtt_.begin(), mqtt_.end(), [](const auto& m) { return m->filters_settled(); });
        if (settled) remembered_->store(mqtt_options_, false);
    }
    engine_stopping_ = true;
    recovered_.journal->wake();
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
    if (!outbox_->close().ok()) WEIR_LOG_ERROR("outbox", "cannot be closed in order; it will be recovered at the next start");
}

int Service::run() {
    sigset_t signals;
    sigemptyset(&signals);
    for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, signal);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    ::signal(SIGPIPE, SIG_IGN);

    if (!make_folders() || !open_state()) return 1;
    make_connections();
    board_.take(*pipeline_);
    start_threads();
    limit_memory();
    for (std::size_t i = 0; i < mqtt_.size(); ++i) {
        Problem problem;
        if (!mqtt_[i]->start(problem).ok()) {
            fail("mqtt: " + problem.what);
            stop();
            return 1;
        }
    }
    on_out_of_memory(OutOfMemory::waits);
    WEIR_LOG_INFO("agent", "%s: weir %s is running", config_.agent.id.c_str(), std::string(version()).c_str());
    wait_for_signal();
    on_out_of_memory(OutOfMemory::ends);
    stop();
    return 0;
}

}  // namespace

std::string control_path(const AgentConfig& config) { return config.agent.run + "/control"; }

int run_service(const Assembly& assembly, const PartOptions& options, const MemoryPlan& plan, const RunRequest& request) {
    Service service(assembly, options, plan, request);
    return service.run();
}

}  // namespace weir

#include "agent/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "agent/alert_list.h"
#include "agent/apply_command.h"
#include "agent/assembly.h"
#include "agent/base/build_info.h"
#include "agent/base/clock.h"
#include "agent/base/nearest.h"
#include "agent/config_units.h"
#include "agent/configuration_check.h"
#include "agent/control.h"
#include "agent/init.h"
#include "agent/memory_plan.h"
#include "agent/record.h"
#include "agent/replay.h"
#include "agent/rule_command.h"
#include "agent/service.h"
#include "agent/sketch_command.h"
#include "agent/state_command.h"
#include "agent/table_file.h"
#include "drivers/broker_check.h"
#include "uplink/certificate.h"
#include "uplink/tls.h"

namespace weir {
namespace {

constexpr const char* general_help = R"(weir measures a stream where it flows: MQTT in, windows and sketches, results in Kafka.

usage: weir COMMAND ...

  run CONFIG              run the agent
  check CONFIG            check a configuration with the very code that `run` uses
  plan CONFIG             what every part will use, in bytes, before it runs
  replay CONFIG FILE      put a file of payloads through the configuration's windows
  test FILE...            run cases beside the rules: events in, alerts out
  record CONFIG           what just happened, as a file that `replay` and `test` take
  apply FILE              check FILE, give it to the running agent, take it back if that is not healthy
  init URL FILTER         listen to a broker for 30 seconds and write a configuration
  status CONFIG           what a running agent says of itself
  why CONFIG WINDOW       why a window is empty, or late
  alert fire CONFIG NAME  do what an alert does, once, as a test
  state CONFIG            what an agent has kept: show it, verify it, export its outbox
  sketch VERB ...         make, merge and look at DataSketches' sketches: build, merge, inspect

`weir COMMAND --help` tells more. `weir --version` prints the version.
Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration.
)";

struct Command {
    const char* name;
    const char* help;
    std::vector<const char*> operands;  // as the help calls them, those that may be left out in brackets and last
    std::set<std::string> flags;    // --flag
    std::set<std::string> options;  // --option VALUE
    int (*run)(const struct Invocation&);
};

struct Invocation {
    std::vector<std::string> operands;
    std::set<std::string> flags;
    std::map<std::string, std::string> options;

    bool has(const std::string& flag) const { return flags.count(flag) > 0; }
    std::string option(const std::string& name) const {
        const auto found = options.find(name);
        return found == options.end() ? std::string() : found->second;
    }
};

// A configuration, loaded and assembled, or every reason why not on standard error.
struct Loaded {
    AgentConfig config;
    std::vector<ConfigProblem> problems;
    std::unique_ptr<Assembly> assembly;
    std::unique_ptr<PartOptions> options;
    MemoryPlan plan;

    bool ok() const {
        return std::none_of(problems.begin(), problems.end(), [](const ConfigProblem& p) { return !p.warning; });
    }
    void tell() const {
        if (!problems.empty()) std::fputs(render_problems(config, problems).c_str(), stderr);
    }
};

enum class Purpose { run, look };  // look: somebody else's configuration, nothing is read or connected

// The file at path, or text in its place.
std::unique_ptr<Loaded> load(const std::string& path, Purpose purpose, bool print = false, const std::string* text = nullptr) {
    static SystemFiles files;
    ConfigContext context;
    context.files = &files;
    context.environment = process_environment();
    context.host_name = process_host_name();
    context.read_common_name = certificate_common_name;
    context.read_secrets = purpose == Purpose::run;
    context.need_connections = purpose == Purpose::run;

    auto loaded = std::make_unique<Loaded>();
    ConfigLoad load = text != nullptr ? parse_config(*text, path, context) : load_config(path, context);
    loaded->config = std::move(load.config);
    loaded->problems = std::move(load.problems);
    if (!loaded->ok()) return loaded;
    loaded->assembly = Assembly::make(loaded->config, loaded->problems);
    if (!loaded->assembly) return loaded;
    if (purpose == Purpose::run) check_tables(loaded->config, files, loaded->problems);
    loaded->options = std::make_unique<PartOptions>(part_options(*loaded->assembly));
    loaded->plan = make_plan(*loaded->assembly, *loaded->options, print);
    return loaded;
}

bool terminal(int descriptor) { return ::isatty(descriptor) == 1; }

// ---- run ------------------------------------------------------------------------------------------

constexpr const char* run_help = R"(usage: weir run CONFIG [--print]

Runs the agent until SIGTERM or SIGINT. CONFIG is a TOML file; DIR/weir.d/*.toml beside DIR/weir.toml are merged over it.
A configuration whose plan does not fit agent.memory is refused. Logs go to standard error.

  --print   write results to standard output as JSON lines, as `replay` does. Without an [uplink]
            this makes Weir a local analyser: weir run weir.toml --print | jq .
            After a kill, results since the last checkpoint (5 s) are printed again: window, start, end,
            revision and key tell them. Results that go up the uplink are never repeated.

SIGHUP reads CONFIG again: it is checked first, and one with an error changes nothing. Then the agent stops in order and starts with
it, as the same process; windows that it does not touch go on. If what was connected before is not connected again within agent.trial
(2 minutes), the configuration before runs again. `weir apply` does the same and waits for the outcome.

The first SIGTERM stops in order: what was taken in is counted, state is kept. A second one stops at once; the journal
and the checkpoint in agent.run then are the state.
)";

// After a reload that was taken back its file may still be there: the configuration before it runs until somebody edits it.
std::unique_ptr<Loaded> previous_of_failed_trial(const Loaded& loaded, const std::string& path, bool print, RunRequest& request) {
    static SystemFiles files;
    TrialFile file(files, loaded.config.agent.state);
    std::optional<Trial> trial = file.read();
    if (!trial) return nullptr;
    if (trial->configuration != configuration_hash(loaded.config)) {
        file.end();
        return nullptr;
    }
    if (!trial->refused && ++trial->starts < trial_starts_max) {
        (void)file.write(*trial);
        request.trial = std::move(trial);
        return nullptr;
    }
    if (!trial->refused) {
        trial->refused = true;
        trial->reason = "it ended " + std::to_string(trial_starts_max - 1) + " times while it was on trial";
        (void)file.write(*trial);
    }
    std::unique_ptr<Loaded> previous = load(path, Purpose::run, print, &trial->previous);
    if (previous->ok()) check_plan(previous->plan, previous->problems);
    if (!previous->ok()) {
        WEIR_LOG_ERROR("agent", "%s was taken back (%s), but the configuration before it can no longer be run: it stays", path.c_str(),
                       trial->reason.c_str());
        previous->tell();
        file.end();
        return nullptr;
    }
    WEIR_LOG_ERROR("agent", "%s was taken back: %s. The configuration before it runs until that file is edited", path.c_str(),
                   trial->reason.c_str());
    request.trial = std::move(trial);
    return previous;
}

int run_run(const Invocation& invocation) {
    const std::string& path = invocation.operands[0];
    const bool print = invocation.has("print");
    std::unique_ptr<Loaded> loaded = load(path, Purpose::run, print);
    if (loaded->ok()) check_plan(loaded->plan, loaded->problems);
    loaded->tell();
    if (!loaded->ok()) return exit_configuration;
    set_log_format(loaded->config.agent.log_format);
    set_log_level(loaded->config.agent.log_level);
    RunRequest request;
    request.print = print;
    request.path = path;
    if (std::unique_ptr<Loaded> previous = previous_of_failed_trial(*loaded, path, print, request)) loaded = std::move(previous);
    const RunOutcome outcome = run_service(*loaded->assembly, *loaded->options, loaded->plan, request);
    if (!outcome.again) return outcome.exit_code;
    loaded.reset();
    // The same process, so that whoever watches it sees no end.
    const char* const arguments[] = {"weir", "run", path.c_str(), print ? "--print" : nullptr, nullptr};
    ::execv("/proc/self/exe", const_cast<char* const*>(arguments));
    std::fprintf(stderr, "weir: cannot start again for the new configuration: %s\n", std::strerror(errno));
    return exit_failed;
}

// ---- check ----------------------------------------------------------------------------------------

constexpr const char* check_help = R"(usage: weir check CONFIG [--connect] [--explain] [--hash]

Loads, compiles and plans the configuration as `run` would, and says everything that stands against it: file, line, column,
what was expected, the nearest name. Certificates and password files are read, too.

  --connect   also try the MQTT brokers: connection, credentials, each subscription, and whether the broker
              would keep messages for an agent that is away (mosquitto's defaults keep 1,000)
  --explain   print the whole effective configuration, defaults written out, a comment a key
  --hash      print its hash only: that of the metrics, of the greeting to the bridge and of `weir apply`

Exit code 0: it can be run. 78: it cannot. 1: with --connect, a broker could not be used.
)";

// True when nothing but warnings came up.
bool check_connection(const AgentConfig& config, const PartOptions::MqttOwner& owner, const MqttOptions& options) {
    SystemEntropy entropy;
    const std::string label = connection_title(config, owner);
    std::printf("%s: trying %s\n", label.c_str(), options.url.c_str());
    std::fflush(stdout);
    const BrokerReport report = check_broker(options, {}, entropy);
    if (!report.connected) {
        std::printf("%s: error: %s\n", label.c_str(), report.connect_problem.c_str());
        return false;
    }
    bool good = true;
    for (const BrokerReport::Filter& filter : report.filters) {
        if (filter.granted_qos < 0) {
            good = false;
            std::printf("%s: error: the broker refuses the subscription to %s: is the user allowed to read it?\n",
                        label.c_str(), filter.filter.c_str());
        } else {
            std::printf("%s: %s granted with QoS %d\n", label.c_str(), filter.filter.c_str(), filter.granted_qos);
        }
    }
    if (!report.queue_measured)
        std::printf("%s: warning: could not find out how many messages the broker keeps for an absent agent: %s\n",
                    label.c_str(), report.queue_problem.c_str());
    else if (report.queue_returned < report.queue_sent)
        std::printf("%s: warning: of %u messages sent while the client was away the broker kept %u: events will be lost when the\n"
                    "  agent is down for longer. Install board/mosquitto/weir.conf, which raises the broker's limits.\n",
                    label.c_str(), report.queue_sent, report.queue_returned);
    else
        std::printf("%s: the broker keeps messages for an absent agent (%u of %u came back)\n", label.c_str(),
                    report.queue_returned, report.queue_sent);
    return good;
}

// Whether the bundle for the bridge can be used: the very code of the uplink, and the dates.
void check_certificate(const UplinkConfig& uplink, std::vector<ConfigProblem>& problems) {
    SystemEntropy entropy;
    const SystemClock clock;
    std::string reason;
    const TlsFiles files{uplink.tls.ca, uplink.tls.cert, uplink.tls.key, uplink.tls.crl};
    const auto context = TlsContext::load(TlsRole::client, files, entropy, reason);
    if (!context.ok())
        problems.push_back({uplink.at, "uplink.tls: " + reason});
    else if (clock.wall_trusted() && (*context)->own_expiry() <= clock.wall())
        problems.push_back({uplink.at, "uplink.tls.cert: " + uplink.tls.cert + " has expired: enrol the agent anew"});
}

int run_check(const Invocation& invocation) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::run);
    if (loaded->ok()) check_plan(loaded->plan, loaded->problems);
    if (loaded->ok() && loaded->config.uplink) check_certificate(*loaded->config.uplink, loaded->problems);
    loaded->tell();
    if (!loaded->ok()) return exit_configuration;
    if (invocation.has("explain")) {
        std::fputs(explain(loaded->config).c_str(), stdout);
    } else if (invocation.has("hash")) {
        std::printf("%s\n", configuration_text(configuration_hash(loaded->config)).c_str());
    } else {
        std::printf("%s: good: %zu sources, %zu windows, %zu alerts, %.1f of %.1f MiB\n", invocation.operands[0].c_str(),
                    loaded->config.sources.size(), loaded->config.windows.size(), loaded->config.alerts.size(),
                    static_cast<double>(loaded->plan.total()) / 1048576,
                    static_cast<double>(loaded->plan.budget) / 1048576);
    }
    bool connected = true;
    if (invocation.has("connect"))
        for (std::size_t i = 0; i < loaded->options->mqtt.size(); ++i)
            connected = check_connection(loaded->config, loaded->options->mqtt_owners[i], loaded->options->mqtt[i]) && connected;
    return connected ? exit_done : exit_failed;
}

// ---- plan -----------------------------------------------------------------------------------------

constexpr const char* plan_help = R"(usage: weir plan CONFIG [--json]

Prints what every part will use, in bytes, the total and the budget (agent.memory), computed by the code that will
allocate it; and the bytes a day that go to flash. "mapped" parts are files on tmpfs: memory, too.

  --json   as one JSON object

Exit code 0: it fits. 78: it does not, or the configuration is wrong.
)";

int run_plan(const Invocation& invocation) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::look);
    if (!loaded->ok()) {
        loaded->tell();
        return exit_configuration;
    }
    std::fputs((invocation.has("json") ? render_plan_json(loaded->plan) : render_plan(loaded->plan)).c_str(), stdout);
    std::fflush(stdout);
    check_plan(loaded->plan, loaded->problems);
    loaded->tell();
    return loaded->ok() ? exit_done : exit_configuration;
}

// ---- replay ---------------------------------------------------------------------------------------

constexpr const char* replay_help = R"(usage: weir replay CONFIG FILE [--alerts [--json]] [--source NAME] [--topic TOPIC] [--sketches] [--scores DIR] [--lanes N]

Puts FILE through the configuration's windows and prints one JSON object a result. No broker is needed, nothing is
written but standard output. FILE ("-" is standard input) holds one payload of the source's format a line:

    PAYLOAD
    TOPIC<TAB>PAYLOAD
    ARRIVAL<TAB>TOPIC<TAB>PAYLOAD        ARRIVAL in ms since 1970, or ISO 8601

A CSV file begins with a line of column names. Where no topic is given, a column that the topic would give is taken from a
field of its name, or is null. At the end of the input every window closes. What was late, undecodable or folded is
told on standard error.

  --alerts        when each alert would have fired, instead of results: a line whenever one is raised or cleared (in event
                  time, with its key and values), and at the end how often, the median and the longest. No action is run
  --json          with --alerts: one JSON object a line
  --source NAME   which source the lines belong to; needed when the topics do not say it
  --topic TOPIC   the topic of lines that name none
  --sketches      sketches too, in base64, in their DataSketches format
  --scores DIR    what the detector of an [[alert]] with anomaly says of each row, to DIR/FILE (with more such alerts than
                  one: DIR/ALERT/FILE): timestamp,anomaly_score,value,expected,low,high and the key
  --lanes N       1 to 8 engines, each on a thread of its own. Topic filters go to them in turn; groups that span lanes are
                  put together when a window closes. The CPU time of each is told on standard error
)";

int run_replay_command(const Invocation& invocation) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::look);
    loaded->tell();
    if (!loaded->ok()) return exit_configuration;
    ReplayRequest request;
    request.path = invocation.operands[1];
    request.source = invocation.option("source");
    request.topic = invocation.option("topic");
    request.sketches = invocation.has("sketches");
    request.alerts = invocation.has("alerts");
    request.json = invocation.has("json");
    if (request.json && !request.alerts) {
        std::fprintf(stderr, "weir: replay: --json goes with --alerts; results are JSON anyway\n");
        return exit_usage;
    }
    request.scores = invocation.option("scores");
    if (const std::string lanes = invocation.option("lanes"); !lanes.empty()) {
        request.lanes = lanes.size() == 1 ? static_cast<std::size_t>(lanes[0] - '0') : 0;
        if (request.lanes < 1 || request.lanes > replay_lanes_max) {
            std::fprintf(stderr, "weir: replay: --lanes takes a number from 1 to %zu, found '%s'\n", replay_lanes_max, lanes.c_str());
            return exit_usage;
        }
    }
    request.show_progress = terminal(STDERR_FILENO);
    Problem problem;
    const Status done = run_replay(loaded->config, request, problem);
    if (done.ok() || done.error() == Error::closed) return exit_done;
    std::fprintf(stderr, "weir: replay: %s\n", problem.what.empty() ? std::string(name(done.error())).c_str() : problem.what.c_str());
    return exit_failed;
}

// ---- record ---------------------------------------------------------------------------------------

constexpr const char* record_help = R"(usage: weir record CONFIG [--last 10m] > FILE

Writes what the agent of this machine took in of late, out of its journal: one message a line, ARRIVAL<TAB>TOPIC<TAB>PAYLOAD,
as `weir replay` and `weir test` take it. Where a byte would break the line, a # stands behind ARRIVAL, and \n, \r, \t,
\\ and \xHH stand for bytes. A running agent is not disturbed; if none runs, what it had is still there.

    weir record weir.toml --last 5m > odd.tsv && weir replay weir.toml odd.tsv --alerts

  --last SPAN   how far back from the newest entry ("90s", "10m", "1h"): 10m. The journal reaches back as far as
                agent.journal.size has room; where that is less, standard error says so
)";

int run_record_command(const Invocation& invocation) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::look);
    if (!loaded->ok()) {
        loaded->tell();
        return exit_configuration;
    }
    RecordRequest request;
    if (const std::string last = invocation.option("last"); !last.empty()) {
        const Result<Duration> span = parse_duration(last);
        if (!span.ok() || *span <= Duration()) {
            std::fprintf(stderr, "weir: record: --last takes a span such as 90s, 10m or 1h, found '%s'\n", last.c_str());
            return exit_usage;
        }
        request.last = *span;
    }
    SystemFiles files;
    RecordReport report;
    Problem problem;
    const Status done = run_record(loaded->config, files, request, report, problem);
    if (!done.ok() && done.error() != Error::closed) {
        std::fprintf(stderr, "weir: record: %s\n", problem.what.empty() ? std::string(name(done.error())).c_str() : problem.what.c_str());
        return exit_failed;
    }
    std::fprintf(stderr, "weir: record: %llu messages", static_cast<unsigned long long>(report.messages));
    if (report.messages > 0) std::fprintf(stderr, " from %s to %s", text_of(report.first).c_str(), text_of(report.newest).c_str());
    if (report.shed > 0) std::fprintf(stderr, "; %llu more were not kept (overflow = \"sample\")", static_cast<unsigned long long>(report.shed));
    if (!report.reaches_back)
        std::fprintf(stderr, "; the journal (%s) reaches back no further: a greater agent.journal.size would", format_size(report.ring_bytes).c_str());
    std::fputc('\n', stderr);
    return exit_done;
}

// ---- init -----------------------------------------------------------------------------------------

constexpr const char* init_help = R"(usage: weir init URL FILTER [--seconds N] [--username NAME --password-file FILE] [--ca FILE] > weir.toml

Listens to the broker at URL (mqtt://HOST[:PORT] or mqtts://...) for 30 seconds, learns topic template, columns, types
and the unit of time from the messages that match FILTER, and writes a configuration to standard output.

    weir init mqtt://192.168.1.10 'city/#' > weir.toml && weir check weir.toml
)";

class Listener final : public MqttHandler {
public:
    explicit Listener(InitLearner& learner) : learner_(learner) {}
    bool ready() override { return true; }
    bool on_message(const MqttMessage& message) override {
        const std::lock_guard lock(mutex_);
        learner_.add(message.topic, as_text(message.payload), clock_.wall());
        return true;
    }
    void on_connected(bool) override { connected_ = true; }
    void on_disconnected(std::string_view reason) override {
        const std::lock_guard lock(mutex_);
        reason_ = std::string(reason);
    }
    void on_subscribed(std::string_view, int) override {}
    void on_subscription_refused(std::string_view) override { refused_ = true; }
    void on_silence(Duration) override {}

    std::mutex& mutex() { return mutex_; }
    bool connected() const { return connected_; }
    bool refused() const { return refused_; }

private:
    std::mutex mutex_;
    InitLearner& learner_;
    SystemClock clock_;
    std::atomic<bool> connected_{false};
    std::atomic<bool> refused_{false};
    std::string reason_;
};

int run_init(const Invocation& invocation) {
    int seconds = 30;
    if (const std::string given = invocation.option("seconds"); !given.empty()) {
        seconds = std::atoi(given.c_str());
        if (seconds < 1 || seconds > 3600) {
            std::fprintf(stderr, "weir: init: --seconds takes a number from 1 to 3600, not '%s'\n", given.c_str());
            return exit_usage;
        }
    }
    SystemEntropy entropy;
    SystemClock clock;
    SystemFiles files;
    MqttOptions options;
    options.url = invocation.operands[0];
    options.filters = {{invocation.operands[1], 0}};
    char suffix[17];
    std::snprintf(suffix, sizeof suffix, "%016llx", static_cast<unsigned long long>(entropy.word()));
    options.client_id = std::string("weir-init-") + suffix;
    options.username = invocation.option("username");
    options.tls.ca = invocation.option("ca");
    if (const std::string path = invocation.option("password-file"); !path.empty()) {
        const Result<std::string> password = files.read(path, 4096);
        if (!password.ok()) {
            std::fprintf(stderr, "weir: init: %s cannot be read: %s\n", path.c_str(), std::string(name(password.error())).c_str());
            return exit_failed;
        }
        options.password = password->substr(0, password->find('\n'));
    }
    Problem problem;
    if (!MqttSource::check(options, problem).ok()) {
        std::fprintf(stderr, "weir: init: %s\n", problem.what.c_str());
        return exit_usage;
    }

    InitLearner learner;
    Listener listener(learner);
    {
        MqttSource source(options, listener, clock, entropy);
        if (!source.start(problem).ok()) {
            std::fprintf(stderr, "weir: init: %s\n", problem.what.c_str());
            return exit_failed;
        }
        for (int second = 0; second < seconds; ++second) {
            std::this_thread::sleep_for(std::chrono::seconds(1));
            const std::lock_guard lock(listener.mutex());
            if (terminal(STDERR_FILENO))
                std::fprintf(stderr, "\rlistening: %d of %d s, %llu messages", second + 1, seconds,
                             static_cast<unsigned long long>(learner.messages()));
        }
        if (terminal(STDERR_FILENO)) std::fputc('\n', stderr);
        source.stop();
    }
    if (!listener.connected()) {
        std::fprintf(stderr, "weir: init: no connection to %s: see the lines above for the reason\n", options.url.c_str());
        return exit_failed;
    }
    if (listener.refused()) std::fprintf(stderr, "weir: init: the broker refused the subscription to %s\n", invocation.operands[1].c_str());
    const Result<std::string> text = learner.configuration({invocation.operands[0], invocation.operands[1]}, problem);
    if (!text.ok()) {
        std::fprintf(stderr, "weir: init: %s\n", problem.what.c_str());
        return exit_failed;
    }
    std::fputs(text->c_str(), stdout);
    return exit_done;
}

// ---- status, why ----------------------------------------------------------------------------------

constexpr const char* status_help = R"(usage: weir status CONFIG [--json]

Asks the running agent (through its socket in agent.run) what comes in, what is dropped and why, where the watermarks
stand, what waits in the outbox, and how the uplink is.

  --json   every counter, as one JSON object
)";

constexpr const char* why_help = R"(usage: weir why CONFIG WINDOW

Walks the way of WINDOW's events through the running agent (received, decoded, where, time, grouped, open, emitted) and
names the first stage at which they end.
)";

int ask(const Invocation& invocation, const std::string& request) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::look);
    if (!loaded->ok()) {
        loaded->tell();
        return exit_configuration;
    }
    const std::string path = control_path(loaded->config);
    const Result<std::string> answer = ask_control(path, request);
    if (!answer.ok()) {
        if (answer.error() == Error::missing)
            std::fprintf(stderr, "weir: no agent is running with %s (start it with `weir run %s`)\n",
                         loaded->config.agent.run.c_str(), invocation.operands[0].c_str());
        else
            std::fprintf(stderr, "weir: %s: %s\n", path.c_str(), std::string(name(answer.error())).c_str());
        return exit_failed;
    }
    const bool failed = answer->starts_with("error:");
    std::fputs(answer->c_str(), failed ? stderr : stdout);
    return failed ? exit_failed : exit_done;
}

int run_status(const Invocation& invocation) { return ask(invocation, invocation.has("json") ? "status json" : "status"); }
constexpr const char* ack_help = R"(usage: weir ack CONFIG ALERT [KEY]

Acknowledges what stands of ALERT, for KEY (as `weir status` says it) or for every key: somebody has seen it. The running agent keeps that through a
crash, says it once (state "acknowledged", with the alert's id), and forgets it with the clear.
)";

int run_ack(const Invocation& invocation) {
    std::string request = "ack " + invocation.operands[1];
    if (invocation.operands.size() > 2) request += " " + invocation.operands[2];
    return ask(invocation, request);
}

int run_why(const Invocation& invocation) { return ask(invocation, "why " + invocation.operands[1]); }

// ---- alert ----------------------------------------------------------------------------------------

constexpr const char* alert_help = R"(usage: weir alert fire CONFIG NAME

Has the running agent do everything that alert NAME would do, once, as a test: the JSON says "test": true, {NAME} of a key
expands to "test", nothing is published retained. No state changes: it is neither raised nor cleared. Each entry
of `do` is done, whatever its `on`.
)";

int run_alert(const Invocation& invocation) {
    if (invocation.operands[0] != "fire") {
        std::fprintf(stderr, "weir: alert %s: expected `weir alert fire CONFIG NAME`\n", invocation.operands[0].c_str());
        return exit_usage;
    }
    Invocation of_agent;
    of_agent.operands = {invocation.operands[1]};
    return ask(of_agent, "alert fire " + invocation.operands[2]);
}

// ---- apply ----------------------------------------------------------------------------------------

constexpr const char* apply_help = R"(usage: weir apply FILE

Gives the running agent a configuration. FILE is checked as `weir check` does; the agent's own file is kept beside itself as
*.previous and replaced by FILE; the agent takes it over and keeps its state: windows and alerts that FILE does not touch go on.
Then it is on trial: if what was connected before is not connected again within agent.trial (2 minutes), the agent goes back to
the configuration before, and the file is put back. FILE may be the agent's own file, edited: then it is only taken over.

Waits for the outcome and tells what happens meanwhile. Exit code 0: it runs, and is healthy. 1: taken back, or no agent runs.
78: FILE cannot be run; nothing was changed.
)";

int run_apply_command(const Invocation& invocation) {
    const std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::run);
    if (loaded->ok()) check_plan(loaded->plan, loaded->problems);
    loaded->tell();
    if (!loaded->ok()) return exit_configuration;
    return run_apply({invocation.operands[0], configuration_hash(loaded->config), control_path(loaded->config), loaded->config.agent.trial});
}

// ---- state ----------------------------------------------------------------------------------------

constexpr const char* state_help = R"(usage: weir state CONFIG [--json] [--export FILE]

Shows what an agent has kept: its journal, the crash checkpoint (both in agent.run, unless the journal is on disk), and the
database with outbox and flash checkpoint (agent.state); and what is in them: open windows, raised alerts, results that wait.
Every checksum is tested. Nothing is ever written to any of it, and nothing is asked of a running agent.

  --export FILE   write the outbox's results and alerts to a new FILE, one JSON object a line, in the order in which they
                  would be sent, each as the bridge writes it to Kafka. They stay in the outbox.
  --json          the summary as one JSON object

While an agent runs it has the database to itself: sizes and the state on tmpfs are shown, `weir status` tells the rest.
Exit code 1 if anything is damaged: what it is, and what a start will do about it, is in the output.
)";

int run_state_command(const Invocation& invocation) {
    // The agent's name may stand in its certificate; a copy of the state elsewhere has none.
    std::unique_ptr<Loaded> loaded = load(invocation.operands[0], Purpose::run);
    if (!loaded->ok()) loaded = load(invocation.operands[0], Purpose::look);
    if (!loaded->ok()) {
        loaded->tell();
        return exit_configuration;
    }
    return run_state(loaded->config, {invocation.operands[0], invocation.has("json"), invocation.option("export")});
}

const std::vector<Command>& commands() {
    static const std::vector<Command> all = {
        {"run", run_help, {"CONFIG"}, {"print"}, {}, run_run},
        {"check", check_help, {"CONFIG"}, {"connect", "explain", "hash"}, {}, run_check},
        {"plan", plan_help, {"CONFIG"}, {"json"}, {}, run_plan},
        {"replay", replay_help, {"CONFIG", "FILE"}, {"sketches", "alerts", "json"}, {"source", "topic", "scores", "lanes"}, run_replay_command},
        {"record", record_help, {"CONFIG"}, {}, {"last"}, run_record_command},
        {"init", init_help, {"URL", "FILTER"}, {}, {"seconds", "username", "password-file", "ca"}, run_init},
        {"apply", apply_help, {"FILE"}, {}, {}, run_apply_command},
        {"status", status_help, {"CONFIG"}, {"json"}, {}, run_status},
        {"why", why_help, {"CONFIG", "WINDOW"}, {}, {}, run_why},
        {"alert", alert_help, {"fire", "CONFIG", "NAME"}, {}, {}, run_alert},
        {"ack", ack_help, {"CONFIG", "ALERT", "[KEY]"}, {}, {}, run_ack},
        {"state", state_help, {"CONFIG"}, {"json"}, {"export"}, run_state_command},
    };
    return all;
}

int print_version() {
    std::printf("weir %s\n", std::string(version()).c_str());
    return exit_done;
}

int usage(const std::string& what, const char* help) {
    std::fprintf(stderr, "weir: %s\n\n%s", what.c_str(), help);
    return exit_usage;
}

int invoke(const Command& command, const std::vector<std::string>& arguments) {
    Invocation invocation;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--help" || argument == "-h") {
            std::fputs(command.help, stdout);
            return exit_done;
        }
        if (argument == "--version") return print_version();
        if (!argument.starts_with("--")) {
            invocation.operands.push_back(argument);
            continue;
        }
        const std::size_t equals = argument.find('=');
        const std::string option = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
        if (command.flags.count(option) > 0 && equals == std::string::npos) {
            invocation.flags.insert(option);
        } else if (command.options.count(option) > 0) {
            if (equals != std::string::npos)
                invocation.options[option] = argument.substr(equals + 1);
            else if (i + 1 < arguments.size())
                invocation.options[option] = arguments[++i];
            else
                return usage(std::string(command.name) + ": --" + option + " needs a value", command.help);
        } else {
            return usage(std::string(command.name) + ": unknown option '" + argument + "'", command.help);
        }
    }
    const auto needed = std::count_if(command.operands.begin(), command.operands.end(), [](const char* operand) { return *operand != '['; });
    if (invocation.operands.size() < static_cast<std::size_t>(needed) || invocation.operands.size() > command.operands.size()) {
        std::string expected;
        for (const char* operand : command.operands) expected += std::string(" ") + operand;
        std::string given;
        for (const std::string& operand : invocation.operands) given += " " + operand;
        return usage(std::string(command.name) + ": expected" + expected + ", given" + (given.empty() ? " nothing" : given),
                     command.help);
    }
    return command.run(invocation);
}

}  // namespace

int run_command(const std::vector<std::string>& arguments) {
    if (arguments.empty()) {
        std::fputs(general_help, stderr);
        return exit_usage;
    }
    const std::string& first = arguments[0];
    if (first == "--help" || first == "-h" || first == "help") {
        std::fputs(general_help, stdout);
        return exit_done;
    }
    if (first == "--version") return print_version();
    if (first == "test") return run_rule_command({arguments.begin() + 1, arguments.end()});
    if (first == "sketch") return run_sketch_command({arguments.begin() + 1, arguments.end()});
    for (const Command& command : commands())
        if (first == command.name) return invoke(command, arguments);
    std::vector<std::string> names;
    for (const Command& command : commands()) names.emplace_back(command.name);
    names.emplace_back("sketch");
    names.emplace_back("test");
    const std::string_view near = nearest_word(first, names);
    return usage("unknown command '" + first + "'" + (near.empty() ? "" : ": did you mean '" + std::string(near) + "'?"),
                 general_help);
}

}  // namespace weir

// weir-bridge: the command line. Each command is a function; exit codes 0 done, 1 failed, 2 usage,
// 78 bad configuration.
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/build_info.h"
#include "agent/base/files.h"
#include "agent/base/log.h"
#include "agent/base/log_line.h"
#include "uplink/bridge/check.h"
#include "uplink/bridge/config.h"
#include "uplink/bridge/enrol.h"
#include "uplink/bridge/kafka_ledger.h"
#include "uplink/bridge/server.h"

namespace weir {
namespace {

enum Exit { exit_done = 0, exit_failed = 1, exit_usage = 2, exit_config = 78 };

constexpr const char* help_text = R"(weir-bridge: takes the results of Weir agents into Kafka, each exactly once

  weir-bridge run CONFIG      serve agents until SIGTERM
  weir-bridge check CONFIG    try certificates, brokers, rights and topics; say what to create
  weir-bridge enrol ID        make a certificate for an agent (or sign its request)
  weir-bridge enrol --server NAME[,NAME...]
                              make the bridge's own certificate

`weir-bridge COMMAND --help` says more. From nothing to a running bridge:

  weir-bridge enrol --server bridge.example.org --out bridge
  weir-bridge enrol junction-017 --out junction-017      # copy this folder to the agent
  cat > bridge/bridge.toml <<'END'
  [bridge]
  listen   = "0.0.0.0:7400"
  tls.ca   = "ca.pem"
  tls.cert = "bridge.example.org.pem"
  tls.key  = "bridge.example.org.key"
  [kafka]
  brokers  = "kafka:9092"
  END
  weir-bridge check bridge/bridge.toml && weir-bridge run bridge/bridge.toml

Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration.
)";

constexpr const char* run_help = R"(weir-bridge run CONFIG [--mock] [--mock-address-file FILE] [--ready-file FILE]

Serves agents until SIGTERM or SIGINT: then it reads no more, commits what it has, acknowledges it and
ends with 0 (at most 10 s; a second signal ends at once: nothing is lost, agents send again).
It waits for Kafka if Kafka is not there, and makes missing topics unless create_topics = false.
Once agents can connect it prints one line to standard output: listening on ADDRESS:PORT

  --mock                     use librdkafka's cluster inside this process, for demonstrations (also:
                             brokers = "mock"); prints: mock kafka at ADDRESS[,ADDRESS...]
  --mock-address-file FILE   write that address to FILE too
  --ready-file FILE          write "ADDRESS:PORT" to FILE when agents can connect

CONFIG, with defaults:
  [bridge]
  listen        = "0.0.0.0:7400"   # port 0: one that is free
  tls.ca        = "ca.pem"         # needed; relative to this file
  tls.cert      = "bridge.pem"     # needed
  tls.key       = "bridge.key"     # needed
  tls.crl       = "revoked.pem"    # certificates that are no longer believed; default: none
  name          = the host's name
  max_agents    = 1000
  advertise     = "b1.example.org:7400"   # where agents reach this bridge; it then shares them with others
  [kafka]
  brokers       = "k1:9092,k2:9092"  # needed
  topic         = "weir.results"
  alerts        = "weir.alerts"
  marks         = "weir.marks"     # compacted; how far each agent's records are committed
  value         = "json"           # or "protobuf" (wire.proto's Result)
  create_topics = true
  options       = { "security.protocol" = "SASL_SSL" }   # handed to librdkafka
${VAR} and ${VAR:-default} are replaced inside strings.

With `advertise` several bridges share the agents: Kafka's consumer-group protocol gives
each partition of the marks topic to one of them, and the others send its agents there. Without it only one bridge serves a marks topic: a second one takes over, and the
first ends with 1. (Do not mix the two on one topic.)
)";

constexpr const char* check_help = R"(weir-bridge check CONFIG

Tries all that `run` needs, without serving: the configuration, the certificates and their dates, the
brokers and the login, the topics with their cleanup.policy, and the right to write transactions.
Prints a line for each and the exact command where something is to be created. Exit code 0: ready.
)";

constexpr const char* enrol_help = R"(weir-bridge enrol ID [--csr FILE] [--out DIR] [--ca DIR] [--days N]
weir-bridge enrol --server NAME[,NAME...] [--csr FILE] [--out DIR] [--ca DIR] [--days N]

Makes a certificate (EC P-256) signed by the authority in --ca, which is made if there is none, and puts
ID.pem, ID.key (mode 0600) and ca.pem into --out. Nothing is overwritten.

  ID             the agent's id, which becomes the certificate's common name: letters, digits, . _ -
  --server NAME  for a bridge: the names and addresses by which agents reach it; the first names the files
  --csr FILE     sign this request (PEM or DER) instead of making a key: the key stays where it was made.
                 openssl ecparam -name prime256v1 -genkey -noout -out ID.key
                 openssl req -new -key ID.key -subj /CN=ID -out ID.csr
  --out DIR      default .
  --ca DIR       default weir-ca. Keep its ca.key safe: who has it can be any agent
  --days N       validity, default 3650
)";

int usage(const char* what, const char* text) {
    std::fprintf(stderr, "weir-bridge: %s\n\n%s", what, text);
    return exit_usage;
}

// What a command was called with: options it knows, and the rest.
class Arguments {
public:
    explicit Arguments(std::span<char*> all) : rest_(all.begin(), all.end()) {}

    bool flag(std::string_view name) {
        for (auto it = rest_.begin(); it != rest_.end(); ++it)
            if (*it == name) return rest_.erase(it), true;
        return false;
    }
    // false: the option is there without its value.
    bool option(std::string_view name, std::string& into) {
        for (auto it = rest_.begin(); it != rest_.end(); ++it) {
            if (it->starts_with(std::string(name) + "=")) {
                into = it->substr(name.size() + 1);
                rest_.erase(it);
                return !into.empty();
            }
            if (*it != name) continue;
            if (it + 1 == rest_.end()) return false;
            into = it[1];
            rest_.erase(it, it + 2);
            return true;
        }
        return true;
    }
    // The one argument left; nullopt: none, several, or an unknown option.
    std::optional<std::string> single() const {
        if (rest_.size() != 1 || rest_.front().starts_with("-")) return std::nullopt;
        return rest_.front();
    }
    bool empty() const { return rest_.empty(); }

private:
    std::vector<std::string> rest_;
};

int bad_config(const std::string& failure) {
    std::fprintf(stderr, "%s\n", failure.c_str());
    return exit_config;
}

int fail(const std::string& failure) {
    std::fprintf(stderr, "weir-bridge: %s\n", failure.c_str());
    return exit_failed;
}

bool write_file(const std::string& path, const std::string& text) {
    SystemFiles files;
    return path.empty() || files.replace(path, as_byte_span(text + "\n"), false).ok();
}

// SIGTERM and SIGINT as a descriptor; blocked in every thread made after.
int take_signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

bool signalled(int signals) {
    signalfd_siginfo info{};
    return read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info);
}

// A descriptor an agent.
void raise_descriptor_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

struct RunOptions {
    std::string config;
    bool mock = false;
    std::string mock_address_file;
    std::string ready_file;
};

std::unique_ptr<MockCluster> start_mock(BridgeConfig& config, const RunOptions& options, std::string& failure) {
    auto mock = MockCluster::start(config.kafka, failure);
    if (!mock) return nullptr;
    config.kafka.brokers = mock->address();
    std::printf("mock kafka at %s\n", mock->address().c_str());
    std::fflush(stdout);
    if (write_file(options.mock_address_file, mock->address())) return mock;
    failure = options.mock_address_file + " cannot be written";
    return nullptr;
}

int serve(const BridgeConfig& config, bool own_mock, const RunOptions& options, int signals) {
    const SystemClock clock;
    SystemEntropy entropy;
    std::string failure;
    // Address and certificates first: what is wrong here should show before Kafka is waited for.
    const auto server = Server::open(config, clock, entropy, failure);
    if (!server) return fail(failure);
    bool stopped = false;
    auto ledger = KafkaLedger::open(config, own_mock, [&] { return stopped = stopped || signalled(signals); }, failure);
    if (!ledger) return stopped ? exit_done : fail(failure);
    if (!server->listen(failure)) return fail(failure);
    const std::string address = config.host + ":" + std::to_string(server->port());
    std::printf("listening on %s\n", address.c_str());
    std::fflush(stdout);
    if (!write_file(options.ready_file, address)) return fail(options.ready_file + " cannot be written");
    WEIR_LOG_INFO("bridge", "%s %s listening on %s", config.name.c_str(), std::string(version()).c_str(), address.c_str());
    WEIR_LOG_INFO("bridge", "at most %u agents, their connections at most %llu MiB", config.max_agents,
                  static_cast<unsigned long long>((session_bytes_max * config.max_agents) >> 20));
    const int code = server->run(*ledger, signals, ServerLimits{});
    // A thread that waits for Kafka cannot be called back; what it has not committed is not acknowledged.
    if (!ledger->drain(Duration::seconds(2))) _exit(code);
    return code;
}

int run_command(Arguments arguments) {
    RunOptions options;
    options.mock = arguments.flag("--mock");
    if (!arguments.option("--mock-address-file", options.mock_address_file) ||
        !arguments.option("--ready-file", options.ready_file))
        return usage("an option lacks its value", run_help);
    const auto path = arguments.single();
    if (!path) return usage("run needs one configuration file", run_help);
    LoadedConfig loaded = load_config(*path);
    if (!loaded.config) return bad_config(loaded.failure);
    const int signals = take_signals();
    raise_descriptor_limit();
    if (!options.mock && loaded.config->kafka.brokers != "mock") return serve(*loaded.config, false, options, signals);
    std::string failure;
    const auto mock = start_mock(*loaded.config, options, failure);
    return mock ? serve(*loaded.config, true, options, signals) : fail(failure);
}

int check_command(const Arguments& arguments) {
    const auto path = arguments.single();
    if (!path) return usage("check needs one configuration file", check_help);
    const LoadedConfig loaded = load_config(*path);
    if (!loaded.config) return bad_config(loaded.failure);
    return check_bridge(*loaded.config) == 0 ? exit_done : exit_failed;
}

std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> parts;
    for (std::size_t start = 0; start <= text.size();) {
        const std::size_t comma = std::min(text.find(',', start), text.size());
        parts.push_back(text.substr(start, comma - start));
        start = comma + 1;
    }
    return parts;
}

int enrol_command(Arguments arguments) {
    EnrolRequest request;
    std::string servers;
    std::string days = std::to_string(request.days);
    if (!arguments.option("--server", servers) || !arguments.option("--csr", request.request_file) ||
        !arguments.option("--out", request.out) || !arguments.option("--ca", request.authority) ||
        !arguments.option("--days", days))
        return usage("an option lacks its value", enrol_help);
    const auto [end, error] = std::from_chars(days.data(), days.data() + days.size(), request.days);
    if (error != std::errc() || end != days.data() + days.size() || request.days < 1 || request.days > 20000)
        return usage("--days must be a whole number from 1 to 20000", enrol_help);
    if (servers.empty()) {
        const auto id = arguments.single();
        if (!id) return usage("enrol needs one ID, or --server", enrol_help);
        request.id = *id;
    } else {
        if (!arguments.empty()) return usage("--server takes its names itself", enrol_help);
        request.names = split(servers);
        request.id = request.names.front();
    }
    Problem problem;
    const auto done = enrol(request, problem);
    if (!done) return fail(problem.what);
    if (done->authority_made)
        std::fprintf(stderr, "a new authority was made in %s: keep its ca.key safe\n", request.authority.c_str());
    for (const std::string& path : done->written) std::printf("%s\n", path.c_str());
    return exit_done;
}

int main_of(std::span<char*> all) {
    if (all.size() < 2) return usage("which command?", help_text);
    const std::string_view command = all[1];
    Arguments arguments(all.subspan(2));
    if (command == "--version" || arguments.flag("--version")) {
        std::printf("weir-bridge %s\n", std::string(version()).c_str());
        return exit_done;
    }
    const bool help = arguments.flag("--help") || arguments.flag("-h");
    const auto say = [](const char* text) { return std::fputs(text, stdout), exit_done; };
    if (command == "--help" || command == "-h" || command == "help") return say(help_text);
    if (command == "run") return help ? say(run_help) : run_command(arguments);
    if (command == "check") return help ? say(check_help) : check_command(arguments);
    if (command == "enrol") return help ? say(enrol_help) : enrol_command(arguments);
    return usage(("unknown command \"" + std::string(command) + "\"").c_str(), help_text);
}

}  // namespace
}  // namespace weir

int main(int count, char** arguments) {
    weir::look_for_journal();
    return weir::main_of(std::span(arguments, static_cast<std::size_t>(count)));
}

#include "uplink/bridge/check.h"

#include <sys/stat.h>

#include <cstdio>

#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "uplink/bridge/kafka_client.h"
#include "uplink/tls.h"

namespace weir {
namespace {

constexpr Duration ask_limit = Duration::seconds(10);
constexpr Duration expiry_warning = Duration::seconds(std::int64_t{30} * 86400);

class Checker {
public:
    explicit Checker(const BridgeConfig& config) : config_(config) {}

    int run() {
        good("configuration " + config_.path);
        certificates();
        kafka();
        std::printf("%s\n", failures_ == 0 ? "ready: `weir-bridge run` will work" : "not ready");
        return failures_;
    }

private:
    void good(const std::string& what) { std::printf("ok    %s\n", what.c_str()); }
    void warn(const std::string& what) { std::printf("warn  %s\n", what.c_str()); }
    void fail(const std::string& what, const std::string& remedy = {}) {
        std::printf("FAIL  %s\n", what.c_str());
        if (!remedy.empty()) std::printf("      %s\n", remedy.c_str());
        ++failures_;
    }

    void certificates() {
        SystemEntropy entropy;
        std::string reason;
        const auto tls = TlsContext::load(TlsRole::server, config_.tls, entropy, reason);
        if (!tls.ok())
            return fail(reason, "make them: weir-bridge enrol --server NAME[,NAME...]");
        good("certificate " + config_.tls.certificate + " of \"" + std::string((*tls)->own_name()) + "\" and its key");
        const SystemClock clock;
        const Duration left = (*tls)->own_expiry() - clock.wall();
        const std::string days = std::to_string(left.ms() / 86400000) + " days";
        if (left <= Duration{})
            fail("the certificate has expired", "make a new one: weir-bridge enrol --server NAME[,NAME...]");
        else if (left < expiry_warning)
            warn("the certificate expires in " + days);
        else
            good("it is valid for " + days);
        struct stat info {};
        if (stat(config_.tls.key.c_str(), &info) == 0 && (info.st_mode & (S_IROTH | S_IWOTH)) != 0)
            warn(config_.tls.key + " can be read by everybody: chmod 600");
    }

    void kafka() {
        if (config_.kafka.brokers == "mock") return good("Kafka: librdkafka's mock cluster, for demonstrations only");
        std::string failure;
        const auto client = make_client(RD_KAFKA_PRODUCER, config_.kafka, {}, failure);
        if (!client) return fail("[kafka] options: " + failure);
        const Result<int> any = partition_count(client.get(), config_.kafka.topic, AutoCreate::no, ask_limit, failure);
        if (!any.ok())
            return fail("brokers " + config_.kafka.brokers + ": " + failure,
                        "see the lines of kafka above: refused is a wrong address or port; a handshake or SASL failure is "
                        "[kafka] options (security.protocol, sasl.*, ssl.ca.location)");
        good("brokers " + config_.kafka.brokers + " answer");
        topic(client.get(), config_.kafka.topic, false);
        topic(client.get(), config_.kafka.alerts, false);
        topic(client.get(), config_.kafka.marks, true);
        transactions();
    }

    void topic(rd_kafka_t* client, const std::string& name, bool compacted) {
        std::string failure;
        const Result<int> count = partition_count(client, name, AutoCreate::no, ask_limit, failure);
        if (!count.ok()) return fail("topic " + name + ": " + failure);
        if (*count == 0) return missing(name, compacted);
        good("topic " + name + ": " + std::to_string(*count) + " partitions");
        if (!compacted) return;
        const std::string policy = cleanup_policy(client, name, ask_limit, failure);
        if (policy.empty())
            warn("cleanup.policy of " + name + " is unknown (" + failure + "); it must be compact");
        else if (policy != "compact")
            fail("cleanup.policy of " + name + " is \"" + policy + "\": marks would expire, and records repeat",
                 "kafka-configs.sh --bootstrap-server " + config_.kafka.brokers + " --alter --entity-type topics "
                 "--entity-name " + name + " --add-config cleanup.policy=compact");
        else
            good("topic " + name + " is compacted");
    }

    void missing(const std::string& name, bool compacted) {
        const std::string remedy = "kafka-topics.sh --bootstrap-server " + config_.kafka.brokers + " --create --topic " +
                                   name + " --partitions 4" + (compacted ? " --config cleanup.policy=compact" : "");
        if (config_.kafka.create_topics)
            warn("topic " + name + " does not exist; `run` will make it, or: " + remedy);
        else
            fail("topic " + name + " does not exist, and create_topics is false", remedy);
    }

    void transactions() {
        std::string failure;
        // Not an id that `run` uses: that would fence a bridge at work.
        const auto client = make_client(RD_KAFKA_PRODUCER, config_.kafka,
                                        {{"transactional.id", "weir-bridge-" + config_.kafka.marks + "-check"}}, failure);
        if (!client) return fail("[kafka] options: " + failure);
        const KafkaOwned<rd_kafka_error_t> error(rd_kafka_init_transactions(client.get(), milliseconds(ask_limit)));
        if (error)
            fail(std::string("transactions: ") + rd_kafka_error_string(error.get()),
                 "the bridge's user needs Write and Describe on TransactionalId weir-bridge-" + config_.kafka.marks +
                     "-* (prefixed) and IdempotentWrite on the cluster");
        else
            good("transactions as weir-bridge-" + config_.kafka.marks + "-*");
    }

    const BridgeConfig& config_;
    int failures_ = 0;
};

}  // namespace

int check_bridge(const BridgeConfig& config) { return Checker(config).run(); }

}  // namespace weir

#include "drivers/broker_check.h"

#include <atomic>
#include <chrono>
#include <thread>

#include "drivers/connect_probe.h"
#include "drivers/paho.h"
#include "drivers/socket_gate.h"

namespace weir {

namespace {

using Steady = std::chrono::steady_clock;
constexpr auto settle = std::chrono::seconds(1);

std::string random_name(Entropy& entropy) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(entropy.word()));
    return text;
}

const std::string& server_name(const MqttOptions& options, const MqttUrl& url) {
    return url.tls && !options.tls.server_name.empty() ? options.tls.server_name : url.host;
}

// Never shut: only resolves the server's name to the URL's host.
class NameGate final : public socket_gate::Gate {
public:
    NameGate(const MqttOptions& options, const MqttUrl& url) {
        socket_gate::add(*this, {server_name(options, url), url.host, url.port, false, options.max_message});
    }
    ~NameGate() override { socket_gate::remove(*this); }
    bool open() override { return true; }
};

// One connection that waits for every answer, until the common deadline.
class Session {
public:
    Session(const MqttOptions& options, const MqttUrl& url, const std::string& client_id, Steady::time_point deadline)
        : options_(options), url_(url), deadline_(deadline), paho_(paho_url(url, server_name(options, url)), client_id) {
        options_.will.reset();  // this is no agent that could be missed
        paho_.set_message_callback([this](mqtt::const_message_ptr) { ++received_; });
    }

    PahoOutcome connect(bool clean) { return finish(paho_.connect(paho_connect_options(options_, url_, clean))); }
    int subscribe(const std::string& filter, int qos) {
        const mqtt::token_ptr token = paho_.subscribe(filter, qos);
        finish(token);
        return token->is_complete() ? granted_qos(*token) : -1;
    }
    bool publish(const std::string& topic, unsigned count) {
        for (unsigned i = 0; i < count; ++i) {
            // Paho holds at most 100 that are not yet sent.
            if (i % 50 == 0 && !all_delivered()) return false;
            paho_.publish(topic, "weir check", 10, 1, false);
        }
        return all_delivered();
    }
    void disconnect() { finish(paho_.disconnect(1000)); }
    // Waits for expected messages, or until none has come for a while.
    unsigned receive(unsigned expected) {
        unsigned before = received_;
        for (Steady::time_point since = Steady::now(); received_ < expected && Steady::now() < deadline_ && Steady::now() - since < settle;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
            if (received_ != before) since = Steady::now();
            before = received_;
        }
        return received_;
    }

private:
    bool all_delivered() {
        while (Steady::now() < deadline_ && !paho_.get_pending_delivery_tokens().empty())
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        return paho_.get_pending_delivery_tokens().empty();
    }
    std::chrono::milliseconds left() const {
        return std::max(std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Steady::now()), std::chrono::milliseconds(1));
    }
    PahoOutcome finish(const mqtt::token_ptr& token) {
        try {
            return token->wait_for(left()) ? PahoOutcome{} : PahoOutcome{-1, "no answer in time"};
        } catch (const mqtt::exception& e) {
            return {e.get_return_code(), e.get_message()};
        }
    }

    MqttOptions options_;
    MqttUrl url_;
    Steady::time_point deadline_;
    mqtt::async_client paho_;
    std::atomic<unsigned> received_{0};
};

void measure_queue(const MqttOptions& mqtt, const MqttUrl& url, const BrokerCheckOptions& options, Entropy& entropy,
                   Steady::time_point deadline, BrokerReport& report) {
    const std::string id = "weir-check-" + random_name(entropy);
    const std::string topic = options.private_topic.empty() ? "weir/check/" + random_name(entropy) : options.private_topic;
    Session absent(mqtt, url, id, deadline);
    if (absent.connect(false).code != 0) {
        report.queue_problem = "the second connection was refused";
        return;
    }
    const int granted = absent.subscribe(topic, 1);
    absent.disconnect();
    Session sender(mqtt, url, id + "-sender", deadline);
    if (granted != 1)
        report.queue_problem = "no right to subscribe to '" + topic + "' with QoS 1";
    else if (sender.connect(true).code != 0 || !sender.publish(topic, options.queue_messages))
        report.queue_problem = "the messages could not be published to '" + topic + "'";
    if (report.queue_problem.empty() && absent.connect(false).code == 0) {
        report.queue_sent = options.queue_messages;
        report.queue_returned = absent.receive(options.queue_messages);
        report.queue_measured = true;
        absent.disconnect();
    }
    sender.disconnect();
    if (absent.connect(true).code == 0) absent.disconnect();  // a clean session removes the stored one
}

}  // namespace

BrokerReport check_broker(const MqttOptions& mqtt, const BrokerCheckOptions& options, Entropy& entropy) {
    BrokerReport report;
    Problem problem;
    const Result<MqttUrl> url = MqttUrl::parse(mqtt.url, problem);
    if (!url.ok()) {
        report.connect_problem = problem.what;
        return report;
    }
    const auto deadline = Steady::now() + std::chrono::microseconds(options.limit.us());
    try {
        const NameGate gate(mqtt, *url);
        Session session(mqtt, *url, "weir-check-" + random_name(entropy), deadline);
        const PahoOutcome connected = session.connect(true);
        report.connected = connected.code == 0;
        if (!report.connected) {
            report.connect_problem = connack_reason(connected.code);
            if (report.connect_problem.empty()) report.connect_problem = probe_connection(*url, mqtt.tls, Duration::seconds(3));
            if (report.connect_problem.empty()) report.connect_problem = connected.text;
            return report;
        }
        for (const MqttFilter& filter : mqtt.filters) {
            const int granted = session.subscribe(filter.filter, filter.qos);
            report.filters.push_back({filter.filter, granted >= 0 && granted <= 2 ? granted : -1});
        }
        session.disconnect();
        if (options.measure_queue) measure_queue(mqtt, *url, options, entropy, deadline, report);
    } catch (const std::exception& e) {
        (report.connected ? report.queue_problem : report.connect_problem) = e.what();
    }
    return report;
}

}  // namespace weir

#include "drivers/paho.h"

namespace weir {

std::string paho_url(const MqttUrl& url, const std::string& host) {
    const std::string bracketed = host.find(':') != std::string::npos ? "[" + host + "]" : host;
    return (url.tls ? "ssl://" : "tcp://") + bracketed + ":" + std::to_string(url.port);
}

mqtt::connect_options paho_connect_options(const MqttOptions& options, const MqttUrl& url, bool clean_session) {
    mqtt::connect_options connect;
    connect.set_mqtt_version(MQTTVERSION_3_1_1);
    connect.set_clean_session(clean_session);
    connect.set_automatic_reconnect(false);
    connect.set_keep_alive_interval(static_cast<int>(options.keepalive.us() / 1000000));
    connect.set_connect_timeout(static_cast<int>(options.connect_limit.us() / 1000000));
    connect.set_max_inflight(static_cast<int>(options.max_inflight) + 1);  // and the farewell
    if (!options.username.empty()) connect.set_user_name(options.username);
    if (!options.password.empty()) connect.set_password(options.password);
    if (const auto& will = options.will)
        connect.set_will(mqtt::will_options(will->topic, will->payload.data(), will->payload.size(), will->qos, will->retain));
    if (!url.tls) return connect;
    // Paho's default method negotiates the best version; the security level forbids TLS 1.0 and 1.1, SHA-1 in
    // signatures and RSA below 2,048 bits. It is set here, since an OpenSSL may be built with a lower one.
    mqtt::ssl_options ssl;
    if (!options.tls.ca.empty()) ssl.set_trust_store(options.tls.ca);
    if (!options.tls.cert.empty()) ssl.set_key_store(options.tls.cert);
    if (!options.tls.key.empty()) ssl.set_private_key(options.tls.key);
    ssl.set_enable_server_cert_auth(true);
    ssl.set_verify(true);
    ssl.set_enabled_cipher_suites("DEFAULT:@SECLEVEL=2");
    connect.set_ssl(std::move(ssl));
    return connect;
}

PahoOutcome paho_outcome(mqtt::token& token) {
    try {
        token.wait();
        return {};
    } catch (const mqtt::exception& e) {
        return {e.get_return_code() == 0 ? -1 : e.get_return_code(), e.get_message()};
    }
}

int granted_qos(mqtt::token& token) {
    if (const PahoOutcome outcome = paho_outcome(token); outcome.code != 0) return outcome.code;
    try {
        const mqtt::subscribe_response response = token.get_subscribe_response();
        const auto& codes = response.get_reason_codes();
        return codes.empty() ? refused_subscription : static_cast<int>(codes.front());
    } catch (const std::exception&) {  // the connection ended with the answer
        return -1;
    }
}

std::string connack_reason(int code) {
    switch (code) {
        case 1: return "the broker does not speak MQTT 3.1.1";
        case 2: return "the broker refused the client id";
        case 3: return "the broker is not available";
        case 4: return "the broker refused the user name or password";
        case 5: return "the broker says: not authorized";
        default: return {};
    }
}

}  // namespace weir

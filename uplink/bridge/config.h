// The bridge's configuration: one TOML file, read once at start.
// Memory: start-up only; allocates. Cost: O(file). Threads: a plain value.
// Errors: the first thing wrong, as "FILE:LINE:COLUMN: what, what was expected". Unknown keys are errors
// that name the nearest known one. ${VAR} and ${VAR:-default} are replaced inside strings; relative paths
// are relative to the file that names them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "uplink/tls.h"

namespace weir {

enum class ValueForm : std::uint8_t { json, protobuf };

struct KafkaConfig {
    std::string brokers;  // "mock": librdkafka's embedded mock cluster
    std::string topic = "weir.results";
    std::string alerts = "weir.alerts";
    std::string marks = "weir.marks";
    ValueForm value = ValueForm::json;
    bool create_topics = true;
    std::map<std::string, std::string> options;  // handed to librdkafka as they are
};

struct BridgeConfig {
    std::string path;  // of the file, for messages
    std::string name;  // in logs and in the owner's mark; default: the host name
    std::string host = "0.0.0.0";
    std::uint16_t port = 7400;  // 0: one that is free
    TlsFiles tls;
    std::uint32_t max_agents = 1000;
    std::string advertise;  // HOST:PORT for agents; empty: this bridge serves all, alone
    KafkaConfig kafka;
};

// The configuration, or, as failure, one line (more with hints) for the person who wrote it.
struct LoadedConfig {
    std::optional<BridgeConfig> config;
    std::string failure;
};

// REQUIRES: nothing of text; path is only named in messages and anchors relative paths.
LoadedConfig parse_config(std::string_view text, const std::string& path);
LoadedConfig load_config(const std::string& path);

// "HOST:PORT" or "[V6]:PORT".
bool split_address(std::string_view text, std::string& host, std::uint16_t& port);

}  // namespace weir

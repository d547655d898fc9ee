// What the tests of the composition share: a configuration in text, assembled; outputs collected as text.
#pragma once

#include <stdlib.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/analysis.h"
#include "agent/assembly.h"
#include "agent/base/json_writer.h"

namespace weir {

inline constexpr const char* small_config = R"toml(
[agent]
id = "a1"
[mqtt]
url = "mqtt://127.0.0.1"
[[source]]
name = "loops"
topics = ["city/{site}/loop/{lane:int}"]
columns = { speed = "float", vid = "string" }
time = { field = "ts", lateness = "2s" }
partition = "site"
[[window]]
name = "w"
from = "loops"
by = ["site"]
size = "1m"
max_groups = 8
select = { n = "count()", mean = "mean(speed)" }
[[alert]]
name = "slow"
from = "w"
when = "mean < 20.0"
clear = "mean > 30.0"
)toml";

struct Assembled {
    SystemFiles files;
    ConfigLoad load;
    std::vector<ConfigProblem> problems;
    std::unique_ptr<Assembly> assembly;

    explicit Assembled(const std::string& text) {
        ConfigContext context;
        context.files = &files;
        load = parse_config(text, "/nowhere/weir.toml", context);
        problems = load.problems;
        if (load.ok()) assembly = Assembly::make(load.config, problems);
        if (!assembly) fputs(render_problems(load.config, problems).c_str(), stderr);
    }
};

inline std::string json_of(const Record& record) {
    std::vector<char> buffer(1 << 16);
    JsonWriter json(buffer);
    write_record(json, record, {});
    return std::string(json.text());
}

// Every output as "SEQUENCE JSON".
struct Collected final : OutputSink {
    std::vector<std::string> results;
    std::vector<std::string> alerts;
    void result(const Record& record) override { results.push_back(std::to_string(record.sequence) + " " + json_of(record)); }
    void alert(const AlertTransition&, const Record& record) override {
        alerts.push_back(std::to_string(record.sequence) + " " + json_of(record));
    }
};

// A payload with the bytes behind it that a codec may read.
class Padded {
public:
    explicit Padded(const std::string& text) : text_(text + std::string(payload_padding, '\0')), size_(text.size()) {}
    ByteSpan bytes() const { return as_byte_span({text_.data(), size_}); }

private:
    std::string text_;
    std::size_t size_;
};

inline std::string event(std::int64_t ts_ms, double speed) {
    char text[128];
    snprintf(text, sizeof text, R"({"ts":%lld,"speed":%.17g,"vid":"v1"})", static_cast<long long>(ts_ms), speed);
    return text;
}

class TemporaryFolder {
public:
    TemporaryFolder() {
        char path[] = "/tmp/weir-agent-test-XXXXXX";
        path_ = mkdtemp(path);
    }
    ~TemporaryFolder() { (void)!system(("rm -rf '" + path_ + "'").c_str()); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

}  // namespace weir

// What the tests of the configuration share: files in memory, a context, and texts to start from.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/config.h"

namespace weir {

class MemoryFiles final : public Files {
public:
    std::map<std::string, std::string> content;

    Result<std::unique_ptr<MappedFile>> map(const std::string&, Bytes) override {
        return Error::unsupported;
    }
    Result<Bytes> size(const std::string& path) override {
        if (!content.contains(path)) return Error::missing;
        return content[path].size();
    }
    Result<std::string> read(const std::string& path, Bytes size_max) override {
        if (!content.contains(path)) return Error::missing;
        if (content[path].size() > size_max) return Error::out_of_range;
        return content[path];
    }
    Status replace(const std::string&, ByteSpan, bool) override { return Error::unsupported; }
    Status rename(const std::string&, const std::string&) override { return Error::unsupported; }
    Status remove(const std::string&) override { return Error::unsupported; }
    Status make_folders(const std::string&) override { return Error::unsupported; }
    Result<std::vector<std::string>> list(const std::string& folder) override {
        std::vector<std::string> names;
        for (const auto& [path, text] : content) {
            const std::string prefix = folder + "/";
            if (path.starts_with(prefix) && path.find('/', prefix.size()) == std::string::npos) {
                names.push_back(path.substr(prefix.size()));
            }
        }
        if (names.empty()) return Error::missing;
        return names;
    }
};

// DESIGN section 4: the smallest useful configuration.
inline constexpr std::string_view smallest_config = R"toml([mqtt]
url = "mqtt://192.168.1.10"
[[source]]
name    = "loops"
topics  = ["city/{site}/loop/{lane}"]
columns = { speed = "float" }
[[window]]
name   = "site_minute"
from   = "loops"
by     = ["site"]
size   = "1m"
select = { n = "count()", p85 = "quantile(speed, 0.85)" }
)toml";

// The full one of DESIGN section 4, without the parts that this release does not have.
inline constexpr std::string_view full_config = R"toml([agent]
id           = "junction-017"
memory       = "24MiB"
state        = "/var/lib/weir"
run          = "/run/weir"
journal      = { size = "4MiB", on = "disk", sync = "1s" }
checkpoint   = "5s"
flush        = "5m"
flash_budget = "200MiB/day"

[mqtt]
url           = "mqtts://broker:8883"
username      = "weir"
password_file = "${CREDENTIALS_DIRECTORY}/mqtt"
tls.ca        = "ca.pem"
max_message   = "256KiB"

[mqtt.plant]
url = "mqtt://[fe80::1]:1884/"

[[source]]
name      = "loops"
topics    = ["city/{site}/loop/{lane:int}"]
qos       = 1
format    = "json"
columns.speed  = "float"
columns.vid    = "string"
columns.kind   = "string"
columns.length = { path = "/vehicle/length", type = "float", numbers_in_strings = true }
time.field      = "ts"
time.unit       = "ms"
time.lateness   = "2s"
time.idle       = "30s"
time.max_future = "1m"
partition       = "site"
max_partitions  = 1024

[[source]]
name       = "machines"
connection = "plant"
topics     = ["plant/+/csv", "hall/#"]
qos        = 0
format     = "csv"
csv.fields = ["at", "temperature"]
columns    = { temperature = "float" }
time       = { field = "at", lateness = "10s" }

[[window]]
name       = "site_minute"
from       = "loops"
where      = "speed > 0.0 && speed < 250.0"
by         = ["site", "lane"]
size       = "1m"
max_groups = 512
late       = { allow = "30s", then = "revise" }
select.vehicles = "count()"
select.mean     = "mean(speed)"
select.p85      = "quantile(speed, 0.85)"
select.unique   = "distinct(vid)"
select.top      = "top(vid, 10)"
select.trucks   = "count(kind == 'truck') / count()"

[[window]]
name   = "heat"
from   = "machines"
size   = "500ms"
select = { hottest = "max(temperature)" }

[[alert]]
name     = "congestion"
from     = "site_minute"
when     = "p85 < 20.0 && vehicles > 30"
clear    = "p85 > 30.0"
missing  = "keep"
severity = "critical"
do       = [{ mqtt = { topic = "alerts/{site}", retain = true }, on = ["raise", "clear"] }, { mqtt = { topic = "log", connection = "plant", qos = 0 }, on = ["raise"] }]

[[alert]]
name = "hot"
from = "heat"
when = "hottest > 80.0"

[uplink]
url     = "tls://bridge.example.org:7400"
tls.ca  = "ca.pem"
tls.cert = "junction-017.pem"
tls.key = "junction-017.key"
outbox  = "32MiB"
on_full = "stop"
rate    = "64KiB/s"

[page]
listen     = "0.0.0.0:8780"
token_file = "page.token"
hosts      = ["Gate.example.org"]
)toml";

struct ConfigFixture {
    ConfigFixture() {
        files.content["/etc/weir/ca.pem"] = "ca";
        files.content["/etc/weir/junction-017.pem"] = "junction-017";
        files.content["/etc/weir/junction-017.key"] = "key";
        files.content["/run/credentials/mqtt"] = "secret\n";
        files.content["/etc/weir/page.token"] = "0123456789abcdef\n";
        context.files = &files;
        context.environment["CREDENTIALS_DIRECTORY"] = "/run/credentials";
        context.host_name = "raspberrypi";
        context.read_common_name = [](std::string_view pem) -> Result<std::string> {
            if (pem == "broken") return Error::invalid;
            return std::string(pem);
        };
    }

    ConfigLoad parse(std::string_view text) {
        return parse_config(std::string(text), "/etc/weir/weir.toml", context);
    }
    // A configuration in which part has been replaced.
    ConfigLoad parse(std::string_view text, std::string_view part, std::string_view by) {
        std::string changed(text);
        const std::size_t at = changed.find(part);
        return parse(at == std::string::npos ? "# the part to replace is not there = "
                                             : changed.replace(at, part.size(), by));
    }
    static std::string rendered(const ConfigLoad& load) {
        return render_problems(load.config, load.problems);
    }
    // Some problem's text holds words, at this line if one is given.
    static bool says(const ConfigLoad& load, std::string_view words, std::uint32_t line = 0) {
        for (const ConfigProblem& problem : load.problems) {
            if (problem.what.find(words) != std::string::npos &&
                (line == 0 || problem.at.line == line))
                return true;
        }
        return false;
    }

    MemoryFiles files;
    ConfigContext context;
};

}  // namespace weir

#include "agent/rule_command.h"

#include <algorithm>
#include <filesystem>

#include "agent/commands.h"
#include "agent/rule_run.h"

namespace weir {
namespace {

constexpr Bytes file_bytes_max = 1 << 20;

constexpr const char* rule_help = R"(usage: weir test FILE... [--show]

Runs cases: events in, alerts and results out, for those who write rules. No broker, no clock, no action. A FILE:

    config = "traffic.toml"                    # the rules, beside this file
    start  = "2026-01-05T08:00:00Z"            # all times count from it; this is the default

    [[case]]
    name   = "slow and full is congestion"
    events = [
        { at = "1s", site = "s1", lane = 1, speed = 12.0, repeat = 30, every = "1s" },
        { at = "70s", site = "s1", lane = 1, speed = 50.0 },
    ]
    expect = [
        { alert = "congestion", key = { site = "s1" }, at = "1m" },
        { window = "lanes", key = { lane = 1 }, at = "1m", values = { vehicles = 30 }, when = "p85 < 20.0" },
    ]
    expect_none = [{ alert = "congestion", state = "cleared", within = "90s" }]

events        a row each: `at` and the source's columns. Written as a message in the source's own format.
  at            when it happens: a time after the start ("90s"), or a date
  arrives       when it comes, if later
  source        whose row it is, if there are several sources
  repeat, every so many rows, so far apart (1s). {n} in a string counts them
  payload, topic  instead of columns, the message itself; {time} in it is the time of the event in the source's unit
  row           a table of columns, for those that have one of these names
file          instead of events: lines as `weir replay` takes them and `weir record` writes them. The start is then the
              first ARRIVAL unless given. ARRIVAL may be +90s, after the start, with {time} in the payload
until         time goes on to here, silent, and windows close as they would live. Without it all close at the end
expect        each takes one of what came out, in any order:
  alert         an alert that is raised, or state = "cleared"
  window        a result of a window or a pattern
  key, values   what must be equal; numbers to six digits
  when          a condition on a result's values
  at            when: of a result, its end. within = "5m" or ["4m", "6m"] gives a span; without both any time
expect_none   what must not come beside what is expected: names of alerts, tables as above, or true: no other alert at all

  --show   everything that came out of each case, with which to write expectations

Exit codes: 0 all passed, 1 a case failed, 2 usage, 78 a file or its configuration is wrong.
)";

ConfigContext context_of(SystemFiles& files) {
    ConfigContext context;
    context.files = &files;
    context.environment = process_environment();
    context.host_name = process_host_name();
    context.read_secrets = false;
    context.need_connections = false;
    return context;
}

bool bad(const ConfigProblems& problems) {
    return std::any_of(problems.begin(), problems.end(), [](const ConfigProblem& problem) { return !problem.warning; });
}

struct Totals {
    std::size_t cases = 0;
    std::size_t failed = 0;
};

class RuleFile {
public:
    RuleFile(const std::string& path, bool show, const RuleStreams& streams) : path_(path), show_(show), streams_(streams) {}

    int run(Totals& totals) {
        const Result<std::string> text = files_.read(path_, file_bytes_max);
        if (!text.ok()) {
            std::fprintf(streams_.err, "weir: test: cannot read %s (%s)\n", path_.c_str(), std::string(name(text.error())).c_str());
            return exit_configuration;
        }
        here_.files.push_back({path_, *text});
        ConfigNode root;
        if (!read_toml(here_.files, 0, process_environment(), root, problems_)) return wrong();
        const ConfigString config = read_rule_config(root, problems_);
        if (bad(problems_)) return wrong();
        if (!load(config.text)) return exit_configuration;
        const RuleTest test = read_rule_test(root, path_, *assembly_, problems_);
        if (bad(problems_)) return wrong();
        int worst = exit_done;
        for (const RuleCase& one : test.cases) {
            const RuleOutcome outcome = run_rule_case(one, *assembly_, problems_);
            if (bad(problems_)) return wrong();
            ++totals.cases;
            totals.failed += outcome.passed() ? 0 : 1;
            if (!outcome.passed()) worst = exit_failed;
            tell(one, outcome);
        }
        return worst;
    }

private:
    int wrong() {
        std::fputs(render_problems(here_, problems_).c_str(), streams_.err);
        return exit_configuration;
    }

    bool load(const std::string& config) {
        namespace fs = std::filesystem;
        const fs::path path = fs::path(config).is_absolute() ? fs::path(config) : fs::path(path_).parent_path() / config;
        ConfigLoad loaded = load_config(path.string(), context_of(files_));
        config_ = std::move(loaded.config);
        std::vector<ConfigProblem> problems = std::move(loaded.problems);
        if (!bad(problems)) assembly_ = Assembly::make(config_, problems, 1);
        if (bad(problems)) std::fputs(render_problems(config_, problems).c_str(), streams_.err);
        return assembly_ != nullptr;
    }

    void tell(const RuleCase& one, const RuleOutcome& outcome) {
        std::fprintf(streams_.out, "%s:%u: %s: %s\n", path_.c_str(), one.place.line, one.name.c_str(), outcome.passed() ? "ok" : "FAILED");
        for (const RuleFailure& failure : outcome.failures) {
            std::string text = failure.text;
            for (std::size_t at = text.find('\n'); at != std::string::npos; at = text.find('\n', at + 1)) text.insert(at + 1, "    ");
            std::fprintf(streams_.out, "  line %u:\n    %s\n", failure.place.line, text.c_str());
        }
        if (!outcome.passed() || show_)
            for (const std::string& note : outcome.notes) std::fprintf(streams_.out, "  note: %s\n", note.c_str());
        if (show_)
            for (const std::string& output : outcome.outputs) std::fprintf(streams_.out, "  %s\n", output.c_str());
    }

    const std::string path_;
    const bool show_;
    const RuleStreams& streams_;
    SystemFiles files_;
    AgentConfig here_;  // for its files: what problems point into
    ConfigProblems problems_;
    AgentConfig config_;
    std::unique_ptr<Assembly> assembly_;
};

}  // namespace

int run_rule_command(const std::vector<std::string>& arguments, const RuleStreams& streams) {
    bool show = false;
    std::vector<std::string> paths;
    for (const std::string& argument : arguments) {
        if (argument == "--help" || argument == "-h") {
            std::fputs(rule_help, streams.out);
            return exit_done;
        }
        if (argument == "--show") {
            show = true;
        } else if (argument.starts_with("--")) {
            std::fprintf(streams.err, "weir: test: unknown option '%s'\n\n%s", argument.c_str(), rule_help);
            return exit_usage;
        } else {
            paths.push_back(argument);
        }
    }
    if (paths.empty()) {
        std::fprintf(streams.err, "weir: test: expected FILE, given nothing\n\n%s", rule_help);
        return exit_usage;
    }
    Totals totals;
    int worst = exit_done;
    for (const std::string& path : paths) worst = std::max(worst, RuleFile(path, show, streams).run(totals));
    std::fprintf(streams.out, "%zu case%s, %zu failed\n", totals.cases, totals.cases == 1 ? "" : "s", totals.failed);
    return worst;
}

}  // namespace weir

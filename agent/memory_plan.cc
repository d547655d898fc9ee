#include "agent/memory_plan.h"

#include <algorithm>
#include <array>
#include <cstdarg>
#include <cstdio>

#include "agent/action_runner.h"
#include "agent/alert_publisher.h"
#include "agent/base/build_info.h"
#include "agent/base/json_writer.h"
#include "agent/control.h"
#include "agent/memory_limit.h"
#include "agent/pipeline.h"
#include "agent/result_printer.h"
#include "agent/result_publisher.h"
#include "agent/status_page.h"
#include "agent/table_watch.h"
#include "drivers/exec/client.h"
#include "drivers/webhook.h"
#include "uplink/tls.h"
#include "windows/result_merger.h"

namespace weir {
namespace {

// Measured with `weir status` after start: what the C and C++ libraries, their relocations and the heap's own
// bookkeeping take before any part of ours does.
constexpr Bytes process_bytes = Bytes{1792} << 10;
constexpr unsigned threads_without_uplink = 5;  // main, engine, store, actions, control
constexpr unsigned threads_of_uplink = 1;
constexpr Bytes tick_room = 1024;               // in each journal of several lanes
constexpr unsigned threads_of_paho = 3;         // receive, send, and the watchdog of each connection

// Rows and, once they are acknowledged, what that frees.
constexpr std::uint64_t commits_a_close = 2;
constexpr std::uint64_t seconds_a_day = 86400;

constexpr std::uint64_t row_overhead = 64;  // of a row on flash

constexpr Bytes record_bytes_least = Bytes{48} << 10;
constexpr Bytes staging_bytes_least = Bytes{256} << 10;
constexpr Bytes staging_bytes_most = Bytes{2} << 20;

std::uint64_t closes_a_day(const WindowSpec& window) {
    if (window.calendar != CalendarUnit::none) return window.calendar == CalendarUnit::day ? 2 : 26;
    // How many rows will come, and how short the gaps will be that they ask for, nobody knows.
    if (window.count > 0 && window.max_wait == Duration()) return 0;
    const std::int64_t gap = window.session_gap.empty() ? window.session.us() : window.session_max.us();
    // Of a key at most one session a gap.
    const Duration apart = window.every > Duration() ? window.every : window.size;
    const std::int64_t us = std::max<std::int64_t>({apart.us(), gap, window.max_wait.us(), 1});
    return static_cast<std::uint64_t>(std::int64_t{86400} * 1000000 / us) + 1;
}

// With at most so many groups a window in use; with a bridge, or behind one that is away until the outbox is full.
std::uint64_t flash_a_day(const Assembly& assembly, const PartOptions& options, std::uint64_t groups_max, bool full = false) {
    const AgentConfig& config = assembly.config();
    FlashLoad load;
    std::uint64_t all_groups = 0;
    std::uint64_t used_groups = 0;
    for (std::size_t w = 0; w < assembly.engine().windows(); ++w) {
        const WindowSpec& window = assembly.engine().window(w);
        const std::uint64_t groups = std::min<std::uint64_t>(window.max_groups, groups_max);
        all_groups += window.max_groups;
        used_groups += groups;
        if (!config.uplink) continue;
        // Events that are told apart make as many records again at most.
        const bool aside = window.late_then == LateThen::side && window.late_allow > Duration();
        const std::uint64_t closes = closes_a_day(window) * (aside ? 2 : 1);
        load.commits += commits_a_close * closes;
        load.rows += closes * groups;
        load.row_bytes += closes * groups * assembly.engine().record_size_max(w);
        if (full && config.uplink->coarsen && assembly.engine().keeps_state(w)) load.coarsened_rows += closes * groups;
    }
    // How many matches there will be nobody knows; their rows are left out.
    for (std::size_t p = 0; p < assembly.engine().patterns(); ++p) {
        all_groups += assembly.engine().pattern(p).max_groups;
        used_groups += std::min<std::uint64_t>(assembly.engine().pattern(p).max_groups, groups_max);
    }
    const auto flush_us = static_cast<std::uint64_t>(std::max<std::int64_t>(config.agent.flush.us(), 1));
    const std::uint64_t flushes = seconds_a_day * 1000000 / flush_us;
    const std::uint64_t state = Pipeline::state_bytes_max(assembly);
    load.commits += flushes;
    load.checkpoint_bytes = flushes * (all_groups == 0 ? state : state * used_groups / all_groups) +
                            flushes * config.agent.lanes * Journal::horizon_bytes(options.journal);
    return Outbox::flash_bytes(load);
}

// One result a key of each window that coarsening merges; the others by name.
void plan_outbox(const Assembly& assembly, MemoryPlan& plan) {
    const EnginePlan& engine = assembly.engine();
    plan.outbox_bytes = assembly.config().uplink->outbox;
    plan.outbox_coarsens = assembly.config().uplink->coarsen;
    plan.outbox_stops = assembly.config().uplink->on_full == OnFull::stop;
    for (std::size_t w = 0; w < engine.windows(); ++w) {
        if (engine.keeps_state(w))
            plan.outbox_one_a_key_bytes += (engine.window(w).max_groups + 1) * (engine.record_size_max(w) + row_overhead);
        else
            plan.outbox_not_merged.push_back(engine.window(w).name);
    }
    for (std::size_t p = 0; p < engine.patterns(); ++p) plan.outbox_not_merged.push_back(engine.pattern(p).name);
}

std::string format_bytes(double bytes) {
    std::array<char, 32> text;
    if (bytes >= 10 * 1048576.0)
        std::snprintf(text.data(), text.size(), "%.1f MiB", bytes / 1048576);
    else
        std::snprintf(text.data(), text.size(), "%.1f KiB", bytes / 1024);
    return text.data();
}

void append(std::string& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
void append(std::string& out, const char* format, ...) {
    std::array<char, 512> line;
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(line.data(), line.size(), format, arguments);
    va_end(arguments);
    out += line.data();
}

bool has_https_webhook(const AgentConfig& config) {
    for (const AlertConfig& alert : config.alerts)
        for (const ActionConfig& action : alert.actions)
            if (action.kind == ActionKind::webhook && action.webhook.url.text.starts_with("https://")) return true;
    return false;
}

std::string of_lanes(std::size_t lanes) { return lanes == 1 ? "" : ", " + std::to_string(lanes) + " lanes"; }

// Of one connection, its part of a lane.
MqttOptions mqtt_options(const Assembly& assembly, const MqttConfig& mqtt, std::size_t lane) {
    const AgentConfig& config = assembly.config();
    MqttOptions out;
    out.url = mqtt.url;
    out.client_id = lane_client_id(mqtt, lane);
    out.username = mqtt.username;
    out.password = mqtt.password;
    out.tls = {mqtt.tls.ca, mqtt.tls.cert, mqtt.tls.key, mqtt.tls.server_name};
    out.keepalive = mqtt.keep_alive;
    out.silence = mqtt.silence;
    out.max_message = mqtt.max_message;
    if (lane == 0) {
        const std::string status_topic = "weir/" + config.agent.id + "/status";
        out.will = {status_topic, R"({"state":"lost"})", 1, true};
        out.birth = {status_topic, R"({"state":"online","version":")" + std::string(version()) + "\"}", 1, true};
    }
    for (std::size_t source = 0; source < config.sources.size(); ++source) {
        if (config.sources[source].connection != mqtt.name) continue;
        const std::vector<TopicTemplate>& topics = assembly.codecs()[source].topics;
        for (std::size_t topic = 0; topic < topics.size(); ++topic)
            if (assembly.lane_of(source, topic) == lane) out.filters.push_back({topics[topic].subscription(), config.sources[source].qos});
    }
    return out;
}

}  // namespace

PartOptions part_options(const Assembly& assembly) {
    const AgentConfig& config = assembly.config();
    PartOptions options;
    options.configuration = explain(config, false);

    const Bytes topic_bytes_max = 1024;
    std::uint32_t inflight = 0;
    for (const MqttConfig& mqtt : config.mqtt) inflight = std::max(inflight, mqtt.max_inflight);
    options.journal.ring_bytes = config.agent.journal.size;
    options.journal.message_bytes_max = assembly.max_message() + topic_bytes_max;
    // A lane may be given what another's connection brings: where the broker's session is from before topics moved.
    options.journal.links = static_cast<std::uint16_t>(std::max<std::size_t>(config.mqtt.size(), 1) * config.agent.lanes);
    options.journal.tick_bytes = config.agent.lanes > 1 ? tick_room : 0;
    options.journal.read_ahead_bytes = std::max<std::size_t>(config.mqtt.size(), 1) * (Bytes{64} << 10);  // those of the lane
    // Never fewer than max_inflight, which 65,535 bounds.
    options.journal.horizon_rows =
        static_cast<std::uint16_t>(std::max(inflight, std::clamp<std::uint32_t>(inflight * 4, 64, 4096)));
    options.journal.durable = config.agent.journal.on == JournalMedium::disk;

    // At least what an earlier configuration may have left in the outbox.
    const Bytes record = std::max(record_bytes_least, Pipeline::record_bytes_max(assembly));
    options.outbox.path = config.agent.state + "/weir.db";
    options.outbox.record_bytes_max = record;
    // What one close of every window can emit at once; beyond the most, the engine waits for the store thread.
    Bytes closing = 0;
    for (std::size_t w = 0; w < assembly.engine().windows(); ++w)
        closing += (assembly.engine().window(w).max_groups + 1) * (assembly.engine().record_size_max(w) + 128);
    for (std::size_t p = 0; p < assembly.engine().patterns(); ++p)
        closing += assembly.engine().pattern(p).max_groups * (assembly.engine().pattern_record_size_max(p) + 128);
    options.outbox.staging_bytes =
        config.uplink ? std::clamp(align_up(closing / 7 * 8, 4096), std::max(staging_bytes_least, 4 * record), std::max(staging_bytes_most, 4 * record))
                      : staging_bytes_least + 2 * record;
    options.outbox.send_bytes = std::max<Bytes>(Bytes{64} << 10, record + 64);
    options.outbox.numbered_bytes_max = std::max<Bytes>(Bytes{256} << 10, 4 * record);
    if (config.uplink)
        options.outbox.backlog_bytes_max = std::clamp<Bytes>(static_cast<Bytes>(std::min<std::uint64_t>(config.uplink->rate_per_second, Bytes{1} << 30)),
                                                             2 * record, options.outbox.numbered_bytes_max);
    options.outbox.checkpoint_bytes_max =
        Pipeline::checkpoint_content_max(assembly, options.configuration, options.journal, 0);
    if (config.uplink) {
        options.outbox.on_full = config.uplink->on_full;
        options.outbox.coarsen = config.uplink->coarsen;
        options.outbox.groups_max = ResultMerger::groups_max(assembly.engine());
        options.outbox.bytes_max = static_cast<Bytes>(config.uplink->outbox) + options.outbox.checkpoint_bytes_max;
        options.uplink.host = config.uplink->host;
        options.uplink.port = config.uplink->port;
        options.uplink.server_name = config.uplink->tls.server_name;
        options.uplink.tls = {config.uplink->tls.ca, config.uplink->tls.cert, config.uplink->tls.key,
                              config.uplink->tls.crl};
        options.uplink.agent = config.agent.id;
        options.uplink.software = std::string("weir ") + std::string(version());
        options.uplink.configuration = configuration_hash(config);
        options.uplink.record_bytes_max = record;
        options.uplink.rate_bytes_per_second = static_cast<Bytes>(config.uplink->rate_per_second);
    } else {
        options.outbox.bytes_max = (Bytes{1} << 20) + 2 * options.outbox.checkpoint_bytes_max;
    }
    options.checkpoint_content = Pipeline::checkpoint_content_max(
        assembly, options.configuration, options.journal, options.outbox.staging_bytes + (Bytes{16} << 10));

    for (std::size_t lane = 0; lane < config.agent.lanes; ++lane)
        for (std::size_t i = 0; i < config.mqtt.size(); ++i) {
            MqttOptions connection = mqtt_options(assembly, config.mqtt[i], lane);
            if (lane > 0 && connection.filters.empty()) continue;
            options.mqtt.push_back(std::move(connection));
            options.mqtt_owners.push_back({i, lane});
        }
    return options;
}

std::string connection_title(const AgentConfig& config, const PartOptions::MqttOwner& owner) {
    const std::string& name = config.mqtt[owner.config].name;
    return "mqtt" + (name.empty() ? "" : "." + name) + (owner.lane == 0 ? "" : ", lane " + std::to_string(owner.lane));
}

Bytes MemoryPlan::total() const {
    Bytes sum = 0;
    for (const PlanPart& part : parts) sum += part.bytes;
    return sum;
}

Bytes MemoryPlan::mapped() const {
    Bytes sum = 0;
    for (const PlanPart& part : parts)
        if (part.mapped) sum += part.bytes;
    return sum;
}

Bytes arena_need(const Assembly& assembly, const PartOptions& options) {
    Bytes total = Pipeline::need(assembly) + AlertPublisher::need() + ActionRunner::need() + ResultPublisher::need(assembly) + Outbox::need(options.outbox);
    if (options.outbox.coarsen) total += ResultMerger::need(assembly.engine());
    if (assembly.config().uplink) total += UplinkClient::need(options.uplink);
    if (assembly.config().page) total += StatusPage::need(assembly);
    return total;
}

MemoryPlan make_plan(const Assembly& assembly, const PartOptions& options, bool print) {
    const AgentConfig& config = assembly.config();
    MemoryPlan plan;
    plan.budget = config.agent.memory;
    const std::size_t lanes = config.agent.lanes;
    for (const EnginePlan::Part& part : assembly.engine().parts()) plan.parts.push_back({part.name + of_lanes(lanes), part.bytes * lanes});
    if (lanes > 1)
        for (const EnginePlan::Part& part : LaneMerger::parts(assembly.engine(), lanes)) plan.parts.push_back({part.name, part.bytes});
    const auto add = [&](std::string name, Bytes bytes, bool mapped = false) {
        plan.parts.push_back({std::move(name), bytes, mapped});
    };
    if (assembly.engine().expression_memory() > 0) add("expressions", lanes * assembly.engine().expression_memory());
    if (!config.alerts.empty()) {
        add("alerts: state", Alerts::need(assembly));
        add("alerts: conditions", assembly.condition_memory());
        if (Anomalies::need(assembly) > 0) add("alerts: detectors", Anomalies::need(assembly));
    }
    add("actions: queues", ActionQueue::file_bytes(), true);
    add("actions: buffers", AlertPublisher::need() + ActionRunner::need());
    if (config.has_action(ActionKind::webhook)) add("actions: libcurl", Webhooks::need(has_https_webhook(config)));
    if (config.has_action(ActionKind::exec)) add("actions: weir-exec", ExecClient::need());
    const bool publishes = ResultPublisher::is_needed(assembly);
    if (publishes) add("publish: queue", ResultPublisher::need(assembly));
    add("batches" + of_lanes(lanes), Pipeline::need(assembly) - lanes * Engine::need(assembly.engine()) - Alerts::need(assembly) -
                                         Anomalies::need(assembly) - (lanes > 1 ? LaneMerge::need(assembly) : 0));
    add("decoders" + of_lanes(lanes), lanes * Analysis::codecs_need(assembly));
    if (lanes > 1) add("queues behind lanes", LaneGroup::heap_need(assembly) - lanes * Analysis::codecs_need(assembly));
    if (!config.tables.empty()) add("tables: reading a file", lanes * TableWatch::need(config));
    add("journal" + of_lanes(lanes), lanes * Journal::need(options.journal), true);
    add("crash checkpoint, two copies", CheckpointFile::need(options.checkpoint_content), true);
    add("outbox: staging and send buffers", Outbox::need(options.outbox));
    if (options.outbox.coarsen) add("outbox: merging results", ResultMerger::need(assembly.engine()));
    add("outbox: SQLite", Outbox::sqlite_bytes(options.outbox));
    if (config.uplink) {
        add("uplink: buffers", UplinkClient::need(options.uplink));
        add("uplink: mbedTLS", tls_session_bytes + 2 * tls_context_bytes);  // the second while new files are read
    }
    for (std::size_t i = 0; i < options.mqtt.size(); ++i)
        add(connection_title(config, options.mqtt_owners[i]) + ": Paho" +
                (config.mqtt[options.mqtt_owners[i].config].tls_on ? " and OpenSSL" : ""),
            MqttSource::need(options.mqtt[i]));
    if (print) add("printer", ResultPrinter::need(6 * assembly.engine().record_size_max()));
    add("control socket", control_answer_bytes_max);
    if (config.page) {
        add("page: answers and events", StatusPage::need(assembly));
        add("page: HTTP connections", PageServer::library_bytes());
    }
    const unsigned threads = threads_without_uplink + (config.uplink ? threads_of_uplink : 0) +
                             (publishes ? 1 : 0) + (config.page ? 1 : 0) + (options.mqtt.empty() ? 0 : threads_of_paho) +
                             (lanes > 1 ? static_cast<unsigned>(lanes + options.mqtt.size() - config.mqtt.size()) : 0);
    add("thread stacks", threads * thread_stack_bytes);
    add("process", process_bytes);

    plan.sketch_bytes = assembly.engine().sketch_bytes();
    plan.sketch_bytes_max = assembly.engine().sketch_bytes_max();
    plan.flash_bytes_per_day_max = flash_a_day(assembly, options, UINT64_MAX);
    plan.flash_bytes_per_day_one_group = flash_a_day(assembly, options, 1);
    plan.flash_bytes_per_day_full = flash_a_day(assembly, options, UINT64_MAX, true);
    plan.flash_budget_per_day = config.agent.flash_budget_per_day;
    if (config.uplink) plan.uplink_rate_per_second = config.uplink->rate_per_second;
    if (config.uplink) plan_outbox(assembly, plan);
    if (config.uplink)
        for (std::size_t w = 0; w < assembly.engine().windows(); ++w)
            plan.uplink_bytes_per_second_max += closes_a_day(assembly.engine().window(w)) *
                                                assembly.engine().window(w).max_groups *
                                                assembly.engine().record_size_max(w) / seconds_a_day;
    return plan;
}

void check_plan(const MemoryPlan& plan, std::vector<ConfigProblem>& problems) {
    if (!plan.fits()) {
        const PlanPart* largest = &plan.parts.front();
        for (const PlanPart& part : plan.parts)
            if (part.bytes > largest->bytes) largest = &part;
        problems.push_back({{}, "the plan takes " + format_bytes(static_cast<double>(plan.total())) +
                                    ", agent.memory allows " + format_bytes(static_cast<double>(plan.budget)) +
                                    "; the largest part is '" + largest->name + "' with " +
                                    format_bytes(static_cast<double>(largest->bytes)) +
                                    ": lower max_groups, journal.size or the number of sketches, or raise agent.memory"});
    }
    if (plan.flash_bytes_per_day_one_group > plan.flash_budget_per_day)
        problems.push_back({{}, "even with one group a window this writes " +
                                    format_bytes(static_cast<double>(plan.flash_bytes_per_day_one_group)) +
                                    " a day to flash, agent.flash_budget allows " +
                                    format_bytes(static_cast<double>(plan.flash_budget_per_day)) +
                                    ": make windows or agent.flush longer, or raise the budget"});
}

std::string render_plan(const MemoryPlan& plan) {
    std::size_t width = 12;
    for (const PlanPart& part : plan.parts) width = std::max(width, part.name.size());
    const int w = static_cast<int>(width);
    std::string out;
    append(out, "%-*s  %12s\n", w, "part", "bytes");
    for (const PlanPart& part : plan.parts)
        append(out, "%-*s  %12zu%s\n", w, part.name.c_str(), part.bytes, part.mapped ? "  mapped" : "");
    append(out, "%-*s  %12zu  %s\n", w, "total", plan.total(), format_bytes(static_cast<double>(plan.total())).c_str());
    append(out, "%-*s  %12zu  %s, %s\n", w, "budget", plan.budget, format_bytes(static_cast<double>(plan.budget)).c_str(),
           plan.fits() ? "it fits" : "it does NOT fit");
    if (plan.sketch_bytes < plan.sketch_bytes_max)
        append(out, "\nsketches      %s to grow in; with every group's at full size they would take %s; beyond, precision falls\n",
               format_bytes(static_cast<double>(plan.sketch_bytes)).c_str(),
               format_bytes(static_cast<double>(plan.sketch_bytes_max)).c_str());
    append(out, "\nflash a day   %s with every group in use, %s with one a window; budget %s\n",
           format_bytes(static_cast<double>(plan.flash_bytes_per_day_max)).c_str(),
           format_bytes(static_cast<double>(plan.flash_bytes_per_day_one_group)).c_str(),
           format_bytes(static_cast<double>(plan.flash_budget_per_day)).c_str());
    if (plan.flash_bytes_per_day_full > plan.flash_bytes_per_day_max)
        append(out, "              %s while the outbox is full and coarsens, with every group in use: an estimate from above%s\n",
               format_bytes(static_cast<double>(plan.flash_bytes_per_day_full)).c_str(),
               plan.flash_bytes_per_day_full > plan.flash_budget_per_day ? "; more than the budget" : "");
    if (plan.uplink_rate_per_second > 0)
        append(out, "uplink        %s/s with every group in use, before compression; rate %s/s\n",
               format_bytes(static_cast<double>(plan.uplink_bytes_per_second_max)).c_str(),
               format_bytes(static_cast<double>(plan.uplink_rate_per_second)).c_str());
    if (plan.outbox_coarsens) {
        const bool fits = plan.outbox_one_a_key_bytes * 10 <= plan.outbox_bytes * 7;
        append(out, "outbox        when it fills up neighbouring results become one; with every group in use one a key takes at most %s of %s%s\n",
               format_bytes(static_cast<double>(plan.outbox_one_a_key_bytes)).c_str(),
               format_bytes(static_cast<double>(plan.outbox_bytes)).c_str(),
               fits ? ", so an outage costs resolution, not results" : plan.outbox_stops ? ": beyond that new results are refused" : ": beyond that the oldest go");
        std::string names;
        for (const std::string& name : plan.outbox_not_merged) names += (names.empty() ? "" : ", ") + name;
        if (!names.empty())
            append(out, "              not merged, by their kind: %.300s; of these %s\n", names.c_str(),
                   plan.outbox_stops ? "new ones are refused when it is full" : "the oldest go when it is full");
    }
    return out;
}

std::string render_plan_json(const MemoryPlan& plan) {
    std::vector<char> buffer(4096 + (plan.parts.size() + plan.outbox_not_merged.size()) * 256);
    JsonWriter json(buffer);
    const auto put = [&](std::string_view key, std::uint64_t value) {
        json.key(key);
        json.natural(value);
    };
    json.begin_object();
    json.key("parts");
    json.begin_array();
    for (const PlanPart& part : plan.parts) {
        json.begin_object();
        json.key("name");
        json.text(part.name);
        put("bytes", part.bytes);
        json.key("mapped");
        json.boolean(part.mapped);
        json.end_object();
    }
    json.end_array();
    put("total_bytes", plan.total());
    put("budget_bytes", plan.budget);
    json.key("fits");
    json.boolean(plan.fits());
    put("sketch_bytes", plan.sketch_bytes);
    put("sketch_bytes_max", plan.sketch_bytes_max);
    put("flash_bytes_per_day", plan.flash_bytes_per_day_max);
    put("flash_bytes_per_day_one_group", plan.flash_bytes_per_day_one_group);
    put("flash_bytes_per_day_full", plan.flash_bytes_per_day_full);
    put("flash_budget_per_day", plan.flash_budget_per_day);
    json.key("outbox_coarsens");
    json.boolean(plan.outbox_coarsens);
    put("outbox_bytes", plan.outbox_bytes);
    put("outbox_one_a_key_bytes", plan.outbox_one_a_key_bytes);
    json.key("outbox_not_merged");
    json.begin_array();
    for (const std::string& name : plan.outbox_not_merged) json.text(name);
    json.end_array();
    json.end_object();
    return std::string(json.text()) + "\n";
}

}  // namespace weir

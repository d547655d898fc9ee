#include "agent/page_api.h"

#include <algorithm>

#include "agent/alerts.h"
#include "agent/base/build_info.h"
#include "agent/json_put.h"
#include "agent/memory_limit.h"

namespace weir {
namespace {

void put_bool(JsonWriter& json, std::string_view key, bool value) {
    json.key(key);
    json.boolean(value);
}
void put_real(JsonWriter& json, std::string_view key, double value) {
    json.key(key);
    json.real(value);
}

template <typename Items, typename Write>
void put_array(JsonWriter& json, std::string_view key, const Items& items, Write write) {
    json.key(key);
    json.begin_array();
    for (const auto& item : items) {
        json.begin_object();
        write(item);
        json.end_object();
    }
    json.end_array();
}

std::uint64_t count(const WindowStatus& status, WindowCounter which) { return status.counters[static_cast<std::size_t>(which)]; }

void put_counters(JsonWriter& json, const WindowStatus& status) {
    json.key("counters");
    json.begin_object();
    for (std::size_t i = 0; i < window_counters; ++i) put(json, name(static_cast<WindowCounter>(i)), status.counters[i]);
    json.end_object();
}

// What is used of a part of the plan, where something counts it.
void put_used(JsonWriter& json, const PlanPart& part, const ApiView& view) {
    if (part.name.starts_with("journal")) {
        std::uint64_t used = view.parts.journal->stats().used;
        for (Journal* journal : view.parts.more_journals) used += journal->stats().used;
        put(json, "used_bytes", used);
        return;
    }
    for (const WindowSnapshot& window : view.board.windows())
        if (part.name.starts_with("window " + window.name + ": groups") && window.status.cells_max > 0) {
            put(json, "used_bytes", std::uint64_t{part.bytes} * std::min(window.status.cells, window.status.cells_max) / window.status.cells_max);
            return;
        }
}

std::string_view key_of(std::string_view result) {
    constexpr std::string_view from = "\"key\":", to = ",\"values\":";
    const std::size_t begin = result.find(from);
    const std::size_t end = result.find(to);
    return begin == std::string_view::npos || end == std::string_view::npos || end < begin ? std::string_view() : result.substr(begin, end - begin);
}

}  // namespace

Bytes api_bytes_max(const Assembly& assembly) {
    const AgentConfig& config = assembly.config();
    return (Bytes{12} << 10) + config.sources.size() * ((Bytes{2} << 10) + config.agent.lanes * partitions_shown * 192) +
           (assembly.engine().windows() + assembly.engine().patterns()) * 2048 + config.alerts.size() * 512 + AlertBoard::open_max * 384 +
           config.mqtt.size() * config.agent.lanes * 1024;
}

void write_agent(JsonWriter& json, const ApiView& view) {
    json.begin_object();
    put(json, "id", view.parts.config->agent.id);
    put(json, "version", version());
    put(json, "epoch", view.board.epoch());
    put(json, "sequence", view.board.sequence());
    put(json, "messages", view.board.messages());
    put(json, "unknown_topic", view.board.unrouted());
    put(json, "results", view.board.pipeline().results);
    put(json, "early_results", view.board.pipeline().provisional);
    put(json, "alert_transitions", view.board.pipeline().alerts);
    put_real(json, "since_progress_seconds", view.since_progress.as_seconds());
    put_bool(json, "adds_up", view.board.adds_up());
    put_bool(json, "can_acknowledge", view.can_acknowledge);
    json.end_object();
}

void write_connections(JsonWriter& json, const ApiView& view) {
    json.begin_array();
    for (std::size_t i = 0; i < view.parts.mqtt.size(); ++i) {
        const PartOptions::MqttOwner& owner = view.parts.mqtt_owners[i];
        const MqttCounters counters = view.parts.mqtt[i]->counters();
        json.begin_object();
        put(json, "name", view.parts.config->mqtt[owner.config].name);
        put(json, "lane", owner.lane);
        put(json, "url", view.parts.config->mqtt[owner.config].url);
        put_bool(json, "connected", counters.connected);
        put(json, "messages", counters.messages);
        put(json, "bytes", counters.bytes);
        put(json, "connections", counters.connections);
        put(json, "failed_connections", counters.failed_connections);
        put(json, "lost_connections", counters.lost_connections);
        put(json, "refused_subscriptions", counters.refused_subscriptions);
        json.end_object();
    }
    json.end_array();
}

void write_sources(JsonWriter& json, const ApiView& view) {
    json.begin_array();
    for (const SourceSnapshot& source : view.board.sources()) {
        json.begin_object();
        put(json, "name", source.name);
        put(json, "messages", source.decode.messages);
        put(json, "bytes", source.decode.bytes);
        put(json, "events", source.decode.events);
        std::uint64_t rejected = 0;
        json.key("rejected");
        json.begin_object();
        for (std::size_t i = 0; i < decode_reasons; ++i) {
            put(json, name(static_cast<DecodeReason>(i)), source.decode.by_reason[i]);
            rejected += source.decode.by_reason[i];
        }
        json.end_object();
        put(json, "rejected_total", rejected);
        put(json, "future", source.status.counters[static_cast<std::size_t>(SourceCounter::future)]);
        put(json, "watermark", source.status.watermark);
        put_real(json, "lateness_seconds", source.status.lateness.as_seconds());
        put(json, "partition_count", source.status.partitions);
        put(json, "active_partitions", source.status.active_partitions);
        put(json, "holder", std::string_view(source.holder_text.data(), source.holder_size));
        put_bool(json, "waits_for_aligned", source.status.waits);
        put_array(json, "partitions", std::span(source.partitions).first(source.partitions_used), [&](const PartitionStatus& partition) {
            put(json, "name", partition.name());
            put(json, "watermark", partition.watermark);
            put(json, "newest", partition.newest);
            put_bool(json, "active", partition.active);
        });
        json.end_object();
    }
    json.end_array();
}

void write_windows(JsonWriter& json, const ApiView& view) {
    json.begin_array();
    for (std::size_t i = 0; i < view.board.windows().size(); ++i) {
        const WindowSnapshot& window = view.board.windows()[i];
        json.begin_object();
        put(json, "name", window.name);
        if (const WindowConfig* const config = view.parts.config->find_window(window.name); config != nullptr) {
            put(json, "from", config->from.text);
            json.key("by");
            json.begin_array();
            for (const ConfigString& by : config->by) json.text(by.text);
            json.end_array();
            put_real(json, "size_seconds", config->size.as_seconds());
            json.key("select");
            json.begin_array();
            for (const SelectConfig& select : config->select) {
                json.begin_object();
                put(json, "name", select.name);
                put(json, "expression", select.expression.text);
                json.end_object();
            }
            json.end_array();
        }
        put(json, "open_intervals", window.status.open_intervals);
        put(json, "groups", window.status.cells);
        put(json, "groups_max", window.status.cells_max);
        put(json, "emitted", count(window.status, WindowCounter::emitted));
        put(json, "late", count(window.status, WindowCounter::late));
        put_counters(json, window.status);
        json.end_object();
    }
    json.end_array();
}

void write_alerts(JsonWriter& json, const ApiView& view) {
    json.begin_array();
    for (std::size_t i = 0; i < view.board.alerts().size(); ++i) {
        const AlertSnapshot& alert = view.board.alerts()[i];
        const AlertConfig& config = view.parts.config->alerts[i];
        json.begin_object();
        put(json, "name", alert.name);
        put(json, "from", config.from.text);
        put(json, "severity", name(config.severity));
        put(json, "raised", alert.raised);
        json.end_object();
    }
    json.end_array();
}

void write_open_alerts(JsonWriter& json, const ApiView& view) { view.board.open_alerts().put(json); }

void write_memory(JsonWriter& json, const ApiView& view) {
    const Bytes mapped = view.parts.plan->mapped();
    json.begin_object();
    put(json, "budget_bytes", view.parts.memory_budget);
    put(json, "planned_bytes", view.parts.memory_planned);
    put(json, "used_bytes", private_bytes_now() + mapped);
    put(json, "private_bytes", private_bytes_now());
    put(json, "mapped_bytes", mapped);
    put(json, "resident_bytes", resident_bytes_now());
    put_array(json, "parts", view.parts.plan->parts, [&](const PlanPart& part) {
        put(json, "name", part.name);
        put(json, "bytes", part.bytes);
        put_bool(json, "mapped", part.mapped);
        put_used(json, part, view);
    });
    json.end_object();
}

void write_outbox(JsonWriter& json, const ApiView& view) {
    const OutboxCounters outbox = view.parts.outbox->counters();
    std::uint64_t waiting = outbox.rows;
    // Acknowledged rows go with the next commit.
    if (view.parts.uplink != nullptr && outbox.staged_bytes == 0 &&
        view.parts.uplink->status().acknowledged_ship == view.parts.outbox->identity().last_ship)
        waiting = 0;
    json.begin_object();
    put(json, "records", waiting);
    put(json, "used_bytes", outbox.used_bytes);
    json.key("limit_bytes");
    if (view.parts.config->uplink)
        json.natural(view.parts.config->uplink->outbox);
    else
        json.null();
    put(json, "oldest", waiting > 0 ? outbox.oldest : Timestamp());
    put(json, "staged_bytes", outbox.staged_bytes);
    put(json, "acknowledged", outbox.acknowledged);
    put(json, "merged", outbox.merged);
    put(json, "dropped", outbox.dropped_full_results + outbox.dropped_full_alerts + outbox.dropped_staging_results + outbox.dropped_staging_alerts +
                             outbox.dropped_oversize + outbox.oversize_rows + outbox.rejected_rows + outbox.corrupt_rows);
    put(json, "refused", outbox.refused_full);
    put(json, "medium_errors", outbox.medium_errors);
    put(json, "flash_written_bytes", outbox.flash_bytes);
    json.end_object();
}

void write_uplink(JsonWriter& json, const ApiView& view) {
    json.begin_object();
    put_bool(json, "configured", view.parts.uplink != nullptr);
    if (view.parts.uplink != nullptr) {
        const UplinkStatus status = view.parts.uplink->status();
        put(json, "url", view.parts.config->uplink->url);
        put(json, "state", name(status.state));
        put(json, "bridge", status.bridge);
        put(json, "reason", status.reason);
        put(json, "sessions", status.sessions);
        put(json, "failures", status.failures);
        put(json, "failures_in_a_row", status.failures_in_a_row);
        put(json, "circuit", name(status.circuit));
        put_real(json, "next_try_seconds", status.until_next_try.as_seconds());
        put(json, "acknowledged", status.acknowledged_ship);
        put(json, "numbered", view.parts.outbox->identity().last_ship);
        put(json, "last_acknowledged", status.last_acknowledged);
        put(json, "sent_bytes", status.sent_bytes);
    }
    json.end_object();
}

void write_clock(JsonWriter& json, const ApiView& view) {
    json.begin_object();
    put(json, "time", view.parts.clock->wall());
    put_bool(json, "trusted", view.parts.clock->wall_trusted());
    put_bool(json, "synchronized", view.clock.synchronized);
    json.key("error_seconds");
    if (view.clock.synchronized)
        json.real(view.clock.error.as_seconds());
    else
        json.null();
    json.end_object();
}

void write_board(JsonWriter& json, const ApiView& view) {
    json.begin_object();
    put_array(json, "temperatures", view.temperatures, [&](const Temperature& temperature) {
        put(json, "zone", temperature.name());
        put_real(json, "celsius", temperature.celsius);
    });
    json.end_object();
}

void write_overview(JsonWriter& json, const ApiView& view) {
    using Write = void (*)(JsonWriter&, const ApiView&);
    constexpr std::pair<std::string_view, Write> sections[] = {
        {"agent", write_agent},   {"mqtt", write_connections}, {"sources", write_sources}, {"windows", write_windows}, {"alerts", write_alerts},
        {"open_alerts", write_open_alerts},
        {"memory", write_memory}, {"outbox", write_outbox},    {"uplink", write_uplink},   {"clock", write_clock},     {"board", write_board},
    };
    json.begin_object();
    for (const auto& [key, write] : sections) {
        json.key(key);
        write(json, view);
    }
    json.end_object();
}

void keep_last_of_each_key(std::vector<std::string_view>& results) {
    std::size_t kept = results.size();
    for (std::size_t i = results.size(); i-- > 0;) {
        const std::string_view key = key_of(results[i]);
        const auto is_same = [&](std::string_view other) { return key_of(other) == key; };
        if (std::any_of(results.begin() + static_cast<std::ptrdiff_t>(kept), results.end(), is_same)) continue;
        results[--kept] = results[i];
    }
    results.erase(results.begin(), results.begin() + static_cast<std::ptrdiff_t>(kept));
}

bool write_results(JsonWriter& json, std::span<const std::string_view> results, Bytes room, Bytes spare) {
    Bytes left = room > json.text().size() + spare ? room - json.text().size() - spare : 0;
    std::size_t from = results.size();
    while (from > 0 && results[from - 1].size() + 1 <= left) left -= results[--from].size() + 1;
    json.begin_array();
    for (const std::string_view result : results.subspan(from)) json.raw(result);
    json.end_array();
    return from == 0;
}

}  // namespace weir

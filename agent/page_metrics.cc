#include "agent/page_metrics.h"

#include "agent/base/build_info.h"
#include "agent/memory_limit.h"

namespace weir {
namespace {

constexpr auto counter = MetricType::counter;
constexpr auto gauge = MetricType::gauge;
constexpr Bytes sample_bytes = 176;  // name, two labels of 64 bytes at most as usual ones are shorter, value
constexpr Bytes families_bytes = Bytes{14} << 10;

double seconds_of(Timestamp t) { return static_cast<double>(t.us()) / 1e6; }

void write_process(MetricsWriter& out, const StatusParts& parts) {
    out.family("weir_build_info", gauge, "The version that runs; 1.");
    out.natural({{"version", version()}}, 1);
    out.family("weir_clock_trusted", gauge, "1 if the board's clock can be believed.");
    out.natural(parts.clock->wall_trusted() ? 1 : 0);
    out.family("weir_memory_budget_bytes", gauge, "What agent.memory allows.");
    out.natural(parts.memory_budget);
    out.family("weir_memory_planned_bytes", gauge, "What `weir plan` counts, by part.");
    if (parts.plan != nullptr)
        for (const PlanPart& part : parts.plan->parts) out.natural({{"part", part.name}}, part.bytes);
    out.family("weir_memory_used_bytes", gauge, "Private writable memory and shared mappings: what the budget limits.");
    out.natural(private_bytes_now() + (parts.plan != nullptr ? parts.plan->mapped() : 0));
    out.family("weir_memory_resident_bytes", gauge, "Resident set, code included.");
    out.natural(resident_bytes_now());
}

void write_intake(MetricsWriter& out, const StatusBoard& board, const StatusParts& parts) {
    out.family("weir_ingest_messages_total", counter, "Messages that a connection has received.");
    for (std::size_t i = 0; i < board.links().size(); ++i) out.natural({{"connection", parts.config->mqtt[i].name}}, board.links()[i].received);
    out.family("weir_ingest_dropped_total", counter, "Of these, messages that did not go into the journal.");
    for (std::size_t i = 0; i < board.links().size(); ++i)
        for (std::size_t d = 0; d < intake_drops; ++d)
            out.natural({{"connection", parts.config->mqtt[i].name}, {"reason", name(static_cast<IntakeDrop>(d))}}, board.links()[i].dropped[d]);
    out.family("weir_ingest_unknown_topic_total", counter, "Messages on topics that no source has.");
    out.natural(board.unrouted());
    const auto each_link = [&](auto value) {
        for (std::size_t i = 0; i < parts.mqtt.size(); ++i) {
            const PartOptions::MqttOwner& owner = parts.mqtt_owners[i];
            const char lane[2] = {static_cast<char>('0' + owner.lane % 10), '\0'};
            out.natural({{"connection", parts.config->mqtt[owner.config].name}, {"lane", lane}}, value(parts.mqtt[i]->counters()));
        }
    };
    out.family("weir_mqtt_connected", gauge, "1 while the broker is connected.");
    each_link([](const MqttCounters& c) { return std::uint64_t{c.connected}; });
    out.family("weir_mqtt_connections_total", counter, "Times the broker was connected.");
    each_link([](const MqttCounters& c) { return c.connections; });
    out.family("weir_mqtt_failed_connections_total", counter, "Tries to connect that failed.");
    each_link([](const MqttCounters& c) { return c.failed_connections; });
    out.family("weir_mqtt_refused_subscriptions_total", counter, "Subscriptions that the broker refused.");
    each_link([](const MqttCounters& c) { return c.refused_subscriptions; });
}

void write_journal(MetricsWriter& out, const StatusParts& parts) {
    const auto each = [&](auto value) {
        std::uint64_t sum = value(*parts.journal);
        for (Journal* journal : parts.more_journals) sum += value(*journal);
        out.natural(sum);
    };
    out.family("weir_journal_bytes", gauge, "What waits in the journal for a checkpoint.");
    each([](Journal& journal) { return std::uint64_t{journal.stats().used}; });
    out.family("weir_journal_limit_bytes", gauge, "The journal's size.");
    each([](Journal& journal) { return std::uint64_t{journal.params().ring_bytes}; });
}

void write_sources(MetricsWriter& out, const StatusBoard& board) {
    const auto each = [&](auto value) {
        for (const SourceSnapshot& source : board.sources()) out.natural({{"source", source.name}}, value(source));
    };
    out.family("weir_source_messages_total", counter, "Messages of a source.");
    each([](const SourceSnapshot& s) { return s.decode.messages; });
    out.family("weir_source_bytes_total", counter, "Their payloads.");
    each([](const SourceSnapshot& s) { return s.decode.bytes; });
    out.family("weir_source_events_total", counter, "Events decoded.");
    each([](const SourceSnapshot& s) { return s.decode.events; });
    out.family("weir_source_rejected_total", counter, "What could not be decoded, by reason.");
    for (const SourceSnapshot& source : board.sources())
        for (std::size_t i = 0; i < decode_reasons; ++i)
            out.natural({{"source", source.name}, {"reason", name(static_cast<DecodeReason>(i))}}, source.decode.by_reason[i]);
    out.family("weir_source_future_events_total", counter, "Events beyond time.max_future of their arrival.");
    each([](const SourceSnapshot& s) { return s.status.counters[static_cast<std::size_t>(SourceCounter::future)]; });
    out.family("weir_source_partitions", gauge, "Partitions seen.");
    each([](const SourceSnapshot& s) { return std::uint64_t{s.status.partitions}; });
    out.family("weir_source_active_partitions", gauge, "Partitions that are not idle.");
    each([](const SourceSnapshot& s) { return std::uint64_t{s.status.active_partitions}; });
    out.family("weir_source_watermark_timestamp_seconds", gauge, "How far event time has come; not there before the first event.");
    for (const SourceSnapshot& source : board.sources())
        if (source.status.watermark != Timestamp::min()) out.real({{"source", source.name}}, seconds_of(source.status.watermark));
    out.family("weir_source_lateness_seconds", gauge, "How far the watermark stays behind the newest event.");
    for (const SourceSnapshot& source : board.sources()) out.real({{"source", source.name}}, source.status.lateness.as_seconds());
}

void write_windows(MetricsWriter& out, const StatusBoard& board) {
    const auto each = [&](WindowCounter which) {
        for (const WindowSnapshot& window : board.windows()) out.natural({{"window", window.name}}, window.status.counters[static_cast<std::size_t>(which)]);
    };
    out.family("weir_window_late_events_total", counter, "Events that came too late for a window.");
    each(WindowCounter::late);
    out.family("weir_window_results_total", counter, "Results emitted.");
    each(WindowCounter::emitted);
    out.family("weir_window_events_total", counter, "Events by where they ended; \"rows\" is their sum.");
    for (const WindowSnapshot& window : board.windows())
        for (const WindowCounter which : {WindowCounter::rows, WindowCounter::counted, WindowCounter::filtered, WindowCounter::where_null, WindowCounter::late,
                                          WindowCounter::late_after_power_cut, WindowCounter::late_after_eviction, WindowCounter::quarantined, WindowCounter::gap_invalid})
            out.natural({{"window", window.name}, {"end", name(which)}}, window.status.counters[static_cast<std::size_t>(which)]);
    out.family("weir_window_folded_events_total", counter, "Events of keys beyond max_groups.");
    each(WindowCounter::folded);
    out.family("weir_window_groups", gauge, "Groups in open intervals.");
    for (const WindowSnapshot& window : board.windows()) out.natural({{"window", window.name}}, window.status.cells);
    out.family("weir_window_groups_limit", gauge, "Room for groups.");
    for (const WindowSnapshot& window : board.windows()) out.natural({{"window", window.name}}, window.status.cells_max);
}

void write_output(MetricsWriter& out, const StatusBoard& board, const StatusParts& parts) {
    out.family("weir_alerts_raised", gauge, "Keys for which an alert stands.");
    for (const AlertSnapshot& alert : board.alerts()) out.natural({{"alert", alert.name}}, alert.raised);
    const PipelineCounters& pipeline = board.pipeline();
    out.family("weir_alert_transitions_total", counter, "Alerts raised and cleared.");
    out.natural(pipeline.alerts);
    out.family("weir_alerts_published_total", counter, "Messages of alerts that the broker took.");
    out.natural(parts.actions->counters(ActionKind::mqtt).done);
    out.family("weir_alerts_dropped_total", counter, "Messages of alerts for which there was no room.");
    out.natural(parts.actions->counters(ActionKind::mqtt).dropped);
    const auto actions = [&](auto value) {
        for (std::size_t i = 0; i < action_kinds; ++i) {
            const auto kind = static_cast<ActionKind>(i);
            out.natural({{"kind", name(kind)}}, value(parts.actions->counters(kind)));
        }
    };
    out.family("weir_actions_done_total", counter, "Actions of alerts that are done, by kind.");
    actions([](const ActionCounters& c) { return c.done; });
    out.family("weir_actions_given_up_total", counter, "Actions given up after all their tries.");
    actions([](const ActionCounters& c) { return c.given_up; });
    out.family("weir_actions_dropped_total", counter, "Actions that made room for newer ones, or were too long.");
    actions([](const ActionCounters& c) { return c.dropped + c.refused; });
    out.family("weir_actions_waiting", gauge, "Actions that wait to be done.");
    actions([](const ActionCounters& c) { return c.waiting; });
    out.family("weir_results_published_total", counter, "Results published on the local broker.");
    out.natural(parts.results != nullptr ? parts.results->published() : 0);
    out.family("weir_results_publish_dropped_total", counter, "Results for the local broker for which there was no room.");
    out.natural(parts.results != nullptr ? parts.results->dropped() : 0);
    out.family("weir_checkpoints_total", counter, "Crash checkpoints written.");
    out.natural(pipeline.checkpoints);
    out.family("weir_checkpoint_failures_total", counter, "Crash checkpoints that could not be written.");
    out.natural(pipeline.checkpoint_failures);
    out.family("weir_accounting_ok", gauge, "1 if every message, event and row is counted in exactly one place.");
    out.natural(board.adds_up() ? 1 : 0);
}

void write_outbox(MetricsWriter& out, const StatusParts& parts) {
    const OutboxCounters outbox = parts.outbox->counters();
    out.family("weir_flash_written_bytes_total", counter, "Bytes written to the database and its log.");
    out.natural(outbox.flash_bytes);
    out.family("weir_flash_syncs_total", counter, "Syncs of the database.");
    out.natural(outbox.flash_syncs);
    out.family("weir_medium_errors_total", counter, "Errors of the medium and full media.");
    out.natural(outbox.medium_errors);
    out.family("weir_queue_bytes", gauge, "What the outbox holds on flash.");
    out.natural(outbox.used_bytes);
    out.family("weir_queue_oldest_record_timestamp_seconds", gauge, "End of the oldest record that waits; not there when none does.");
    if (outbox.oldest != Timestamp()) out.real(seconds_of(outbox.oldest));
    out.family("weir_queue_records", gauge, "Results and alerts in the outbox.");
    out.natural(outbox.rows);
    out.family("weir_queue_dropped_total", counter, "Results and alerts that the outbox had no room for.");
    out.natural({{"reason", "full"}}, outbox.dropped_full_results + outbox.dropped_full_alerts + outbox.refused_full);
    out.natural({{"reason", "staging"}}, outbox.dropped_staging_results + outbox.dropped_staging_alerts);
    out.natural({{"reason", "oversize"}}, outbox.dropped_oversize + outbox.oversize_rows);
    out.natural({{"reason", "corrupt"}}, outbox.corrupt_rows + outbox.rejected_rows);
    out.family("weir_queue_merged_total", counter, "Results that became part of another.");
    out.natural(outbox.merged);
    if (parts.uplink == nullptr) return;
    const UplinkStatus uplink = parts.uplink->status();
    out.family("weir_queue_limit_bytes", gauge, "What uplink.outbox allows.");
    out.natural(parts.config->uplink->outbox);
    out.family("weir_uplink_connected", gauge, "1 while a bridge takes records.");
    out.natural(uplink.state == UplinkState::streaming ? 1 : 0);
    out.family("weir_uplink_sessions_total", counter, "Sessions with a bridge.");
    out.natural(uplink.sessions);
    out.family("weir_uplink_failures_total", counter, "Sessions and tries that failed.");
    out.natural(uplink.failures);
    out.family("weir_uplink_sent_bytes_total", counter, "Bytes of frames, before TLS.");
    out.natural(uplink.sent_bytes);
    out.family("weir_uplink_acknowledged_total", counter, "Records that the bridge has committed.");
    out.natural(outbox.acknowledged);
    out.family("weir_uplink_last_acknowledged_timestamp_seconds", gauge, "When the bridge last committed; 0 if never.");
    out.real(seconds_of(uplink.last_acknowledged));
}

}  // namespace

Bytes metrics_bytes_max(const Assembly& assembly) {
    const AgentConfig& config = assembly.config();
    const std::size_t samples = config.mqtt.size() * (1 + intake_drops) + config.mqtt.size() * config.agent.lanes * 4 +
                                config.sources.size() * (8 + decode_reasons) + assembly.engine().windows() * 14 + config.alerts.size() +
                                assembly.engine().windows() * 4 + 40;  // parts of the plan
    return families_bytes + samples * sample_bytes;
}

void write_metrics(MetricsWriter& out, const StatusBoard& board, const StatusParts& parts) {
    write_process(out, parts);
    write_intake(out, board, parts);
    write_journal(out, parts);
    write_sources(out, board);
    write_windows(out, board);
    write_output(out, board, parts);
    write_outbox(out, parts);
}

}  // namespace weir

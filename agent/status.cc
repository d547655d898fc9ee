#include "agent/status.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>

#include "agent/base/build_info.h"
#include "agent/base/json_writer.h"
#include "agent/json_put.h"
#include "agent/memory_limit.h"

namespace weir {
namespace {

// printf into a buffer of fixed size; what does not fit is cut.
class Printer {
public:
    explicit Printer(std::span<char> buffer) : buffer_(buffer) {}
    [[gnu::format(printf, 2, 3)]] void operator()(const char* format, ...) {
        va_list arguments;
        va_start(arguments, format);
        const int wanted = std::vsnprintf(buffer_.data() + used_, buffer_.size() - used_, format, arguments);
        va_end(arguments);
        if (wanted > 0) used_ = std::min(used_ + static_cast<std::size_t>(wanted), buffer_.size() - 1);
    }
    std::string_view text() const { return {buffer_.data(), used_}; }

private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
};

struct WhenText {
    char text[40];
};

// 2026-02-13T13:35:41Z, or "none yet".
WhenText when(Timestamp t) {
    WhenText out{};
    if (t == Timestamp::min()) {
        std::snprintf(out.text, sizeof out.text, "none yet");
        return out;
    }
    const std::time_t seconds = static_cast<std::time_t>(t.ms() / 1000);
    std::tm utc{};
    ::gmtime_r(&seconds, &utc);
    std::strftime(out.text, sizeof out.text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return out;
}

unsigned long long number(std::uint64_t n) { return n; }

std::uint64_t counter(const WindowStatus& status, WindowCounter which) {
    return status.counters[static_cast<std::size_t>(which)];
}
std::uint64_t counter(const SourceStatus& status, SourceCounter which) {
    return status.counters[static_cast<std::size_t>(which)];
}

void put_sum(JsonWriter& json, bool ok) {
    json.key("sum_ok");
    json.boolean(ok);
}

void put_source(JsonWriter& json, const SourceSnapshot& source) {
    json.begin_object();
    put(json, "name", source.name);
    put(json, "messages", source.decode.messages);
    put(json, "bytes", source.decode.bytes);
    put(json, "events", source.decode.events);
    put(json, "dropped_events", source.decode.dropped_events);
    json.key("rejected");
    json.begin_object();
    for (std::size_t i = 0; i < decode_reasons; ++i)
        put(json, name(static_cast<DecodeReason>(i)), source.decode.by_reason[i]);
    json.end_object();
    json.key("counters");
    json.begin_object();
    for (std::size_t i = 0; i < source_counters; ++i)
        put(json, name(static_cast<SourceCounter>(i)), source.status.counters[i]);
    json.end_object();
    const SourceAccounting sums = accounting_of(source.decode, source.ends, source.status);
    json.key("accounting");
    json.begin_object();
    put(json, "messages", sums.messages);
    for (std::size_t i = 0; i < message_ends; ++i) put(json, name(static_cast<MessageEnd>(i)), sums.ends.counts()[i]);
    put(json, "events", sums.events);
    put(json, "missing_time", sums.missing_time);
    put(json, "bad_time", sums.bad_time);
    put(json, "rows", sums.rows);
    put(json, "future", sums.future);
    put(json, "absurd_time", sums.absurd_time);
    put(json, "to_windows", sums.to_windows);
    put_sum(json, sums.sum_ok);
    json.end_object();
    put(json, "watermark", source.status.watermark);
    json.key("lateness_seconds");
    json.real(source.status.lateness.as_seconds());
    put(json, "partitions", source.status.partitions);
    put(json, "active_partitions", source.status.active_partitions);
    json.key("waits_for_aligned");
    json.boolean(source.status.waits);
    put(json, "holder", std::string_view(source.holder_text.data(), source.holder_size));
    json.key("samples");
    json.begin_array();
    for (std::size_t i = 0; i < source.samples_used; ++i) {
        const DecodeSample& sample = source.samples[i];
        json.begin_object();
        put(json, "reason", name(sample.reason));
        put(json, "arrival", sample.arrival);
        put(json, "topic", sample.topic());
        put(json, "payload", as_text(sample.payload()));
        put(json, "bytes", std::uint64_t{sample.message_bytes});
        json.end_object();
    }
    json.end_array();
    json.end_object();
}

void put_window(JsonWriter& json, const WindowSnapshot& window) {
    json.begin_object();
    put(json, "name", window.name);
    put(json, "open_intervals", window.status.open_intervals);
    put(json, "groups", window.status.cells);
    put(json, "groups_max", window.status.cells_max);
    put(json, "lane_groups_late", window.groups_late);
    json.key("counters");
    json.begin_object();
    for (std::size_t i = 0; i < window_counters; ++i)
        put(json, name(static_cast<WindowCounter>(i)), window.status.counters[i]);
    json.end_object();
    json.key("accounting");
    json.begin_object();
    for (const WindowCounter part :
         {WindowCounter::rows, WindowCounter::counted, WindowCounter::filtered, WindowCounter::where_null, WindowCounter::late,
          WindowCounter::late_after_power_cut, WindowCounter::late_after_eviction, WindowCounter::quarantined, WindowCounter::gap_invalid})
        put(json, name(part), counter(window.status, part));
    put_sum(json, sum_ok(window.status));
    json.end_object();
    json.end_object();
}

void put_pattern(JsonWriter& json, const PatternSnapshot& pattern) {
    json.begin_object();
    put(json, "name", pattern.name);
    json.key("counters");
    json.begin_object();
    for (std::size_t i = 0; i < pattern_counters; ++i)
        put(json, name(static_cast<PatternCounter>(i)), pattern.status.counters[i]);
    json.end_object();
    put_sum(json, sum_ok(pattern.status));
    json.end_object();
}

void put_mqtt(JsonWriter& json, const MqttConfig& config, std::size_t lane, const MqttSource& source) {
    const MqttCounters counters = source.counters();
    json.begin_object();
    put(json, "name", config.name);
    put(json, "lane", lane);
    put(json, "url", config.url);
    json.key("connected");
    json.boolean(counters.connected);
    put(json, "messages", counters.messages);
    put(json, "bytes", counters.bytes);
    put(json, "duplicates", counters.duplicates);
    put(json, "connections", counters.connections);
    put(json, "failed_connections", counters.failed_connections);
    put(json, "reloads", counters.reloads);
    put(json, "lost_connections", counters.lost_connections);
    put(json, "refused_subscriptions", counters.refused_subscriptions);
    put(json, "silences", counters.silences);
    put(json, "published", counters.published);
    put(json, "publish_failures", counters.publish_failures);
    put(json, "publish_refusals", counters.publish_refusals);
    json.end_object();
}

// Of all lanes together.
struct JournalSums {
    JournalStats stats;
    Bytes ring_bytes = 0;
    bool above_high_mark = false;

    explicit JournalSums(const StatusParts& parts) {
        add(*parts.journal);
        for (Journal* journal : parts.more_journals) add(*journal);
    }

private:
    void add(Journal& journal) {
        const JournalStats one = journal.stats();
        stats.appended += one.appended;
        stats.duplicates += one.duplicates;
        stats.full += one.full;
        stats.used += one.used;
        stats.used_max += one.used_max;
        ring_bytes += journal.params().ring_bytes;
        above_high_mark |= journal.above_high_mark();
    }
};

void put_journal(JsonWriter& json, const StatusParts& parts) {
    const JournalSums journal(parts);
    json.begin_object();
    put(json, "appended", journal.stats.appended);
    put(json, "duplicates_skipped", journal.stats.duplicates);
    put(json, "refused_full", journal.stats.full);
    put(json, "used_bytes", journal.stats.used);
    put(json, "used_bytes_max", journal.stats.used_max);
    put(json, "ring_bytes", journal.ring_bytes);
    json.key("above_high_mark");
    json.boolean(journal.above_high_mark);
    json.end_object();
}

// Messages of each lane; what its journal holds.
void put_lanes(JsonWriter& json, const StatusParts& parts, std::span<const std::uint64_t> messages) {
    json.key("lanes");
    json.begin_array();
    for (std::size_t lane = 0; lane < messages.size(); ++lane) {
        Journal& journal = lane == 0 ? *parts.journal : *parts.more_journals[lane - 1];
        json.begin_object();
        put(json, "messages", messages[lane]);
        put(json, "journal_used_bytes", journal.stats().used);
        json.end_object();
    }
    json.end_array();
}

void put_outbox(JsonWriter& json, const Outbox& outbox) {
    const OutboxCounters c = outbox.counters();
    json.begin_object();
    const std::pair<std::string_view, std::uint64_t> values[] = {
        {"rows", c.rows},
        {"used_bytes", c.used_bytes},
        {"staged_bytes", c.staged_bytes},
        {"staged", c.staged},
        {"known", c.known},
        {"committed", c.committed},
        {"acknowledged", c.acknowledged},
        {"dropped_staging_results", c.dropped_staging_results},
        {"dropped_staging_alerts", c.dropped_staging_alerts},
        {"dropped_oversize", c.dropped_oversize},
        {"dropped_full_results", c.dropped_full_results},
        {"dropped_full_alerts", c.dropped_full_alerts},
        {"refused_full", c.refused_full},
        {"merged", c.merged},
        {"corrupt_rows", c.corrupt_rows},
        {"oversize_rows", c.oversize_rows},
        {"rejected_rows", c.rejected_rows},
        {"staging_results_bytes", c.staging_results_bytes},
        {"medium_errors", c.medium_errors},
        {"set_aside", c.set_aside},
        {"salvaged_rows", c.salvaged_rows},
        {"given_up_rows", c.given_up_rows},
        {"flash_bytes", c.flash_bytes},
        {"flash_syncs", c.flash_syncs},
        {"last_ship", outbox.identity().last_ship},
    };
    for (const auto& [key, value] : values) put(json, key, value);
    json.end_object();
}

void put_uplink(JsonWriter& json, const UplinkStatus& status) {
    json.begin_object();
    put(json, "state", name(status.state));
    put(json, "bridge", status.bridge);
    put(json, "reason", status.reason);
    put(json, "sessions", status.sessions);
    put(json, "failures", status.failures);
    put(json, "sent_ship", status.sent_ship);
    put(json, "acknowledged_ship", status.acknowledged_ship);
    put(json, "last_acknowledged", status.last_acknowledged);
    put(json, "sent_bytes", status.sent_bytes);
    put(json, "skipped_records", status.skipped_records);
    put(json, "renewals", status.renewals);
    put(json, "redirects", status.redirects);
    put(json, "reloads", status.reloads);
    put(json, "circuit", name(status.circuit));
    put(json, "failures_in_a_row", std::uint64_t{status.failures_in_a_row});
    put(json, "next_try_seconds", static_cast<std::uint64_t>((status.until_next_try.us() + 999'999) / 1'000'000));
    json.end_object();
}

}  // namespace

StatusBoard::StatusBoard(const Assembly& assembly) : open_alerts_(assembly) {
    const AgentConfig& config = assembly.config();
    for (const SourceConfig& source : config.sources) {
        SourceSnapshot snapshot;
        snapshot.name = source.name;
        snapshot.samples.resize(Codec::samples_max);
        if (config.page) snapshot.partitions.resize(partitions_shown * assembly.lanes());
        sources_.push_back(std::move(snapshot));
    }
    for (std::size_t w = 0; w < assembly.engine().windows(); ++w) {
        const WindowSpec& spec = assembly.engine().window(w);
        windows_.push_back({spec.name, *assembly.engine().find_source(spec.from), {}, 0});
    }
    for (std::size_t p = 0; p < assembly.engine().patterns(); ++p) patterns_.push_back({assembly.engine().pattern(p).name, {}});
    links_.resize(config.mqtt.size());
    if (assembly.lanes() > 1) lane_messages_.resize(assembly.lanes());
    tables_.resize(config.tables.size());
    joins_.resize(config.joins.size());
    for (std::size_t s = 0; s < config.sources.size(); ++s)
        for (std::size_t i = 0; i < config.sources[s].enrich.size(); ++i) enrichments_.push_back({s, i, {}});
    for (const AlertConfig& alert : config.alerts) alerts_.push_back({alert.name, 0});
}

std::string_view StatusBoard::answer(std::string_view request, const StatusParts& parts, std::span<char> buffer) {
    const std::lock_guard lock(mutex_);
    if (request == "status json") return render_json(parts, buffer);
    if (request == "status") return render_text(parts, buffer);
    if (request.starts_with("why ")) return render_why(request.substr(4), parts, buffer);
    if (request.starts_with("ack ")) {
        const std::string answer = open_alerts_.acknowledge(request.substr(4), *parts.journal, *parts.clock);
        return {buffer.data(), answer.copy(buffer.data(), buffer.size())};
    }
    return "error: unknown request; this agent answers: status, status json, why WINDOW, ack ALERT [KEY]\n";
}

std::string_view StatusBoard::render_json(const StatusParts& parts, std::span<char> buffer) const {
    JsonWriter json(buffer.first(buffer.size() - 1));
    json.begin_object();
    put(json, "agent", parts.config->agent.id);
    put(json, "version", version());
    put(json, "time", parts.clock->wall());
    json.key("clock_trusted");
    json.boolean(parts.clock->wall_trusted());
    put(json, "epoch", epoch_);
    put(json, "sequence", sequence_);
    put(json, "messages", messages_);
    put(json, "unknown_topic", unrouted_);
    put(json, "oversized_messages", parts.oversized_messages);
    put(json, "retained_skipped", parts.retained_skipped);
    put_accounting(json, parts);
    json.key("sources");
    json.begin_array();
    for (const SourceSnapshot& source : sources_) put_source(json, source);
    json.end_array();
    put_tables(json, parts);
    put_joins(json, parts);
    json.key("windows");
    json.begin_array();
    for (const WindowSnapshot& window : windows_) put_window(json, window);
    json.end_array();
    json.key("patterns");
    json.begin_array();
    for (const PatternSnapshot& pattern : patterns_) put_pattern(json, pattern);
    json.end_array();
    json.key("alerts");
    json.begin_array();
    for (const AlertSnapshot& alert : alerts_) {
        json.begin_object();
        put(json, "name", alert.name);
        put(json, "raised", alert.raised);
        json.end_object();
    }
    json.end_array();
    json.key("open_alerts");
    open_alerts_.put(json);
    json.key("mqtt");
    json.begin_array();
    for (std::size_t i = 0; i < parts.mqtt.size(); ++i)
        put_mqtt(json, parts.config->mqtt[parts.mqtt_owners[i].config], parts.mqtt_owners[i].lane, *parts.mqtt[i]);
    json.end_array();
    json.key("journal");
    put_journal(json, parts);
    put_lanes(json, parts, lane_messages_);
    if (parts.outbox != nullptr) {
        json.key("outbox");
        put_outbox(json, *parts.outbox);
    }
    if (parts.uplink != nullptr) {
        json.key("uplink");
        put_uplink(json, parts.uplink->status());
    }
    json.key("actions");
    parts.actions->put_status(json);
    json.key("pipeline");
    json.begin_object();
    put(json, "results", pipeline_.results);
    put(json, "early_results", pipeline_.provisional);
    put(json, "alerts", pipeline_.alerts);
    put(json, "alerts_published", parts.actions->counters(ActionKind::mqtt).done);
    put(json, "alerts_dropped", parts.actions->counters(ActionKind::mqtt).dropped);
    put(json, "results_published", parts.results ? parts.results->published() : 0);
    put(json, "results_publish_dropped", parts.results ? parts.results->dropped() : 0);
    put(json, "staging_dropped", pipeline_.staging_dropped);
    put(json, "staging_waits", pipeline_.staging_waits);
    put(json, "checkpoints", pipeline_.checkpoints);
    put(json, "checkpoint_failures", pipeline_.checkpoint_failures);
    put(json, "ticks", pipeline_.ticks);
    json.end_object();
    json.key("memory");
    json.begin_object();
    put(json, "budget_bytes", parts.memory_budget);
    put(json, "planned_bytes", parts.memory_planned);
    put(json, "private_bytes", private_bytes_now());
    put(json, "resident_bytes", resident_bytes_now());
    json.end_object();
    json.end_object();
    if (!json.ok()) return "{\"error\":\"the status is larger than its buffer\"}\n";
    buffer[json.text().size()] = '\n';
    return {buffer.data(), json.text().size() + 1};
}

bool StatusBoard::adds_up() const {
    std::uint64_t messages = unrouted_;
    for (const SourceSnapshot& source : sources_) messages += source.decode.messages;
    const auto every = [](const auto& all, auto ok) { return std::all_of(all.begin(), all.end(), ok); };
    return messages == messages_ && pipeline_.output.sum_ok() && every(links_, [](const LinkAccounting& link) { return link.sum_ok(); }) &&
           every(sources_, [](const SourceSnapshot& s) { return accounting_of(s.decode, s.ends, s.status).sum_ok; }) &&
           every(windows_, [](const WindowSnapshot& w) { return sum_ok(w.status); }) &&
           every(patterns_, [](const PatternSnapshot& p) { return sum_ok(p.status); });
}

// The equations are those of accounting.h. sum_ok here says that all of them hold.
void StatusBoard::put_accounting(JsonWriter& json, const StatusParts& parts) const {
    json.key("accounting");
    json.begin_object();
    json.key("connections");
    json.begin_array();
    for (std::size_t i = 0; i < links_.size(); ++i) {
        json.begin_object();
        put(json, "name", parts.config->mqtt[i].name);
        put(json, "received", links_[i].received);
        put(json, "journaled", links_[i].journaled);
        for (std::size_t d = 0; d < intake_drops; ++d) put(json, name(static_cast<IntakeDrop>(d)), links_[i].dropped[d]);
        put_sum(json, links_[i].sum_ok());
        json.end_object();
    }
    json.end_array();
    put(json, "messages", messages_);
    put(json, "unknown_topic", unrouted_);
    json.key("results");
    json.begin_object();
    const OutputAccounting& output = pipeline_.output;
    put(json, "emitted", output.emitted);
    put(json, "staged", output.staged);
    put(json, "known", output.known);
    put(json, "dropped", output.dropped);
    put(json, "not_delivered", output.not_delivered);
    put_sum(json, output.sum_ok());
    json.end_object();
    put_sum(json, adds_up());
    json.end_object();
}

void StatusBoard::put_tables(JsonWriter& json, const StatusParts& parts) const {
    json.key("tables");
    json.begin_array();
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        json.begin_object();
        put(json, "name", parts.config->tables[i].name);
        put(json, "rows", std::uint64_t{tables_[i].rows});
        put(json, "rows_max", std::uint64_t{parts.config->tables[i].max_rows});
        put(json, "loads", tables_[i].loads);
        put(json, "refused_parts", tables_[i].refused);
        if (!parts.tables.empty()) put(json, "bad_files", parts.tables.front()->status(i).bad);
        json.key("sources");
        json.begin_array();
        for (const EnrichmentSnapshot& use : enrichments_) {
            if (use.status.table != i) continue;
            json.begin_object();
            put(json, "name", sources_[use.source].name);
            put(json, "matched", use.status.rows.matched);
            put(json, "unmatched", use.status.rows.unmatched);
            json.end_object();
        }
        json.end_array();
        json.end_object();
    }
    json.end_array();
}

void StatusBoard::put_joins(JsonWriter& json, const StatusParts& parts) const {
    json.key("joins");
    json.begin_array();
    for (std::size_t i = 0; i < joins_.size(); ++i) {
        json.begin_object();
        put(json, "name", parts.config->joins[i].name);
        put(json, "left_kept", std::uint64_t{joins_[i].kept[0]});
        put(json, "right_kept", std::uint64_t{joins_[i].kept[1]});
        put(json, "rows_max", std::uint64_t{joins_[i].rows_max});
        json.key("counters");
        json.begin_object();
        for (std::size_t c = 0; c < join_counters; ++c) put(json, name(static_cast<JoinCounter>(c)), joins_[i].counters[c]);
        json.end_object();
        json.end_object();
    }
    json.end_array();
}

// A window over a join has no messages of its own.
std::string_view StatusBoard::why_joined(std::size_t index, const StatusParts& parts, std::span<char> buffer) const {
    Printer print(buffer);
    const WindowSnapshot& found = windows_[index];
    const std::size_t which = found.source - sources_.size();
    const JoinStatus& join = joins_[which];
    const auto joined = [&](JoinCounter c) { return number(join.counters[static_cast<std::size_t>(c)]); };
    print("window %s, from join %s\n", found.name.c_str(), parts.config->joins[which].name.c_str());
    print("  received   %llu rows left, %llu right\n", joined(JoinCounter::left_rows), joined(JoinCounter::right_rows));
    print("  not joined %llu late, %llu without key, %llu quarantined\n", joined(JoinCounter::late), joined(JoinCounter::key_null),
          joined(JoinCounter::quarantined));
    print("  joined     %llu pairs; %llu rows went without a partner, %llu for max_rows\n", joined(JoinCounter::joined),
          joined(JoinCounter::unmatched), joined(JoinCounter::evicted));
    print("  where      %llu rows: %llu false, %llu null\n", number(counter(found.status, WindowCounter::rows)),
          number(counter(found.status, WindowCounter::filtered)), number(counter(found.status, WindowCounter::where_null)));
    print("  open       %zu intervals, %zu of %zu groups\n", found.status.open_intervals, found.status.cells, found.status.cells_max);
    print("  emitted    %llu results\n", number(counter(found.status, WindowCounter::emitted)));
    return print.text();
}

std::string_view StatusBoard::render_text(const StatusParts& parts, std::span<char> buffer) const {
    Printer print(buffer);
    print("agent %s, weir %s, epoch %llu\n", parts.config->agent.id.c_str(), std::string(version()).c_str(),
          number(epoch_));
    if (!parts.clock->wall_trusted()) print("  the clock has not been set: times of arrival cannot be trusted\n");
    print("memory    %.1f MiB private of %.1f MiB budget (planned %.1f), %.1f MiB resident\n",
          static_cast<double>(private_bytes_now()) / 1048576, static_cast<double>(parts.memory_budget) / 1048576,
          static_cast<double>(parts.memory_planned) / 1048576, static_cast<double>(resident_bytes_now()) / 1048576);
    for (std::size_t i = 0; i < parts.mqtt.size(); ++i) {
        const MqttCounters c = parts.mqtt[i]->counters();
        const PartOptions::MqttOwner& owner = parts.mqtt_owners[i];
        const std::string lane = owner.lane == 0 ? "" : ", lane " + std::to_string(owner.lane);
        print("mqtt      %s%s: %s, %llu messages, %llu connections, %llu failed, %llu lost\n",
              parts.config->mqtt[owner.config].url.c_str(), lane.c_str(), c.connected ? "connected" : "not connected", number(c.messages),
              number(c.connections), number(c.failed_connections), number(c.lost_connections));
        if (c.refused_subscriptions > 0)
            print("  the broker refused %llu subscriptions: see the log for which\n", number(c.refused_subscriptions));
    }
    const JournalSums journal(parts);
    print("journal   %llu entries, %llu repeated deliveries skipped, %.1f %% of the ring%s in use%s\n",
          number(journal.stats.appended), number(journal.stats.duplicates),
          100.0 * static_cast<double>(journal.stats.used) / static_cast<double>(journal.ring_bytes),
          parts.more_journals.empty() ? "" : "s", journal.above_high_mark ? ", the broker is held back" : "");
    for (std::size_t lane = 0; lane < lane_messages_.size(); ++lane) print("  lane %zu: %llu messages\n", lane, number(lane_messages_[lane]));
    if (parts.oversized_messages > 0) print("  %llu messages above max_message, dropped\n", number(parts.oversized_messages));
    if (parts.retained_skipped > 0)
        print("  %llu retained messages not counted: each repeats an earlier event\n", number(parts.retained_skipped));
    std::uint64_t shed = 0;
    for (const LinkAccounting& link : links_) shed += link.dropped[static_cast<std::size_t>(IntakeDrop::shed)];
    if (shed > 0) print("  %llu messages came faster than they could be worked off, and were thinned out: results say \"sampled\"\n", number(shed));
    if (unrouted_ > 0) print("  %llu messages on topics that no source has\n", number(unrouted_));
    for (const SourceSnapshot& source : sources_) {
        print("source    %s: %llu messages, %llu events, watermark %s, %zu of %zu partitions active\n",
              source.name.c_str(), number(source.decode.messages), number(source.decode.events),
              when(source.status.watermark).text, source.status.active_partitions, source.status.partitions);
        if (source.status.waits) print("  ahead of the sources that it is aligned with: its windows wait for them\n");
        for (std::size_t i = 0; i < decode_reasons; ++i)
            if (source.decode.by_reason[i] > 0)
                print("  %llu %s\n", number(source.decode.by_reason[i]),
                      std::string(name(static_cast<DecodeReason>(i))).c_str());
        for (SourceCounter c : {SourceCounter::future, SourceCounter::absurd_time, SourceCounter::partition_overflow})
            if (counter(source.status, c) > 0)
                print("  %llu %s\n", number(counter(source.status, c)), std::string(name(c)).c_str());
        for (std::size_t i = source.samples_used; i-- > 0 && i + 3 > source.samples_used;) {
            const DecodeSample& sample = source.samples[i];
            const std::string_view payload = as_text(sample.payload());
            print("  e.g. %s on %.*s: %.*s\n", std::string(name(sample.reason)).c_str(),
                  static_cast<int>(sample.topic().size()), sample.topic().data(),
                  static_cast<int>(std::min<std::size_t>(payload.size(), 100)), payload.data());
        }
    }
    for (std::size_t i = 0; i < tables_.size(); ++i) {
        print("table     %s: %zu of %zu rows, loaded %llu times\n", parts.config->tables[i].name.c_str(), tables_[i].rows,
              std::size_t{parts.config->tables[i].max_rows}, number(tables_[i].loads));
        if (!parts.tables.empty() && parts.tables.front()->status(i).bad > 0)
            print("  %llu bad files, see the log: what was there before went on\n", number(parts.tables.front()->status(i).bad));
        for (const EnrichmentSnapshot& use : enrichments_)
            if (use.status.table == i && use.status.rows.unmatched > 0)
                print("  %llu events of %s unmatched, %llu matched\n", number(use.status.rows.unmatched),
                      sources_[use.source].name.c_str(), number(use.status.rows.matched));
    }
    for (std::size_t i = 0; i < joins_.size(); ++i) {
        const JoinStatus& join = joins_[i];
        print("join      %s: %llu pairs, %zu and %zu of %zu rows wait\n", parts.config->joins[i].name.c_str(),
              number(join.counters[static_cast<std::size_t>(JoinCounter::joined)]), join.kept[0], join.kept[1], join.rows_max);
        for (JoinCounter c : {JoinCounter::late, JoinCounter::key_null, JoinCounter::quarantined, JoinCounter::evicted, JoinCounter::unmatched})
            if (join.counters[static_cast<std::size_t>(c)] > 0)
                print("  %llu %s\n", number(join.counters[static_cast<std::size_t>(c)]), std::string(name(c)).c_str());
    }
    for (const WindowSnapshot& window : windows_) {
        print("window    %s: %llu events counted, %llu results, %zu of %zu groups in %zu open intervals\n",
              window.name.c_str(), number(counter(window.status, WindowCounter::counted)),
              number(counter(window.status, WindowCounter::emitted)), window.status.cells, window.status.cells_max,
              window.status.open_intervals);
        for (std::size_t i = 0; i < window_counters; ++i) {
            const auto c = static_cast<WindowCounter>(i);
            if (c == WindowCounter::rows || c == WindowCounter::counted || c == WindowCounter::emitted) continue;
            if (counter(window.status, c) > 0)
                print("  %llu %s\n", number(counter(window.status, c)), std::string(name(c)).c_str());
        }
    }
    if (parts.results != nullptr)
        print("publish   %llu results published, %llu dropped for want of room or too long\n", number(parts.results->published()),
              number(parts.results->dropped()));
    for (const AlertSnapshot& alert : alerts_)
        print("alert     %s: %zu raised\n", alert.name.c_str(), alert.raised);
    for (const OpenAlert& open : open_alerts_.open())
        print("  %s %s %.*s since %s, %s, id %s\n", std::string(name(open.state)).c_str(), open_alerts_.config(open).name.c_str(),
              static_cast<int>(open.text().size()), open.text().data(), when(open.since).text,
              std::string(name(open_alerts_.config(open).severity)).c_str(), std::string(AlertId(open.id).text()).c_str());
    if (open_alerts_.more() > 0) print("  and %llu more\n", number(open_alerts_.more()));
    print("counted   %s\n", adds_up() ? "every message, event and row is in a window, a result or a counter above"
                                      : "DOES NOT ADD UP: an error in weir; `weir status --json` says where");
    if (parts.uplink != nullptr) {
        const OutboxCounters outbox = parts.outbox->counters();
        const UplinkStatus uplink = parts.uplink->status();
        // Acknowledged rows go with the next commit; where every numbered one is, none waits.
        const bool all_delivered = uplink.acknowledged_ship == parts.outbox->identity().last_ship && outbox.staged_bytes == 0;
        print("outbox    %llu results wait, %.1f of %.1f MiB, %llu dropped, %llu refused, %.1f MiB written to flash\n",
              number(all_delivered ? 0 : outbox.rows), static_cast<double>(outbox.used_bytes) / 1048576,
              static_cast<double>(parts.config->uplink->outbox) / 1048576,
              number(outbox.dropped_full_results + outbox.dropped_full_alerts + outbox.dropped_staging_results +
                     outbox.dropped_staging_alerts),
              number(outbox.refused_full), static_cast<double>(outbox.flash_bytes) / 1048576);
        print("uplink    %s, %llu acknowledged of %llu numbered%s%s\n", std::string(name(uplink.state)).c_str(),
              number(uplink.acknowledged_ship), number(parts.outbox->identity().last_ship),
              uplink.reason.empty() ? "" : "; last failure: ", uplink.reason.c_str());
        if (uplink.state == UplinkState::waiting && uplink.failures_in_a_row > 0)
            print("          %u failures in a row, circuit %s, next try in %llu s\n", uplink.failures_in_a_row,
                  std::string(name(uplink.circuit)).c_str(), number(static_cast<std::uint64_t>((uplink.until_next_try.us() + 999'999) / 1'000'000)));
    } else {
        print("uplink    none: results stay here\n");
    }
    return print.text();
}

std::string_view StatusBoard::render_why(std::string_view wanted, const StatusParts& parts,
                                         std::span<char> buffer) const {
    Printer print(buffer);
    const auto found = std::find_if(windows_.begin(), windows_.end(),
                                    [&](const WindowSnapshot& window) { return window.name == wanted; });
    if (found == windows_.end()) {
        print("error: there is no window '%.*s'; there are:", static_cast<int>(wanted.size()), wanted.data());
        for (const WindowSnapshot& window : windows_) print(" %s", window.name.c_str());
        print("\n");
        return print.text();
    }
    if (found->source >= sources_.size()) return why_joined(static_cast<std::size_t>(found - windows_.begin()), parts, buffer);
    const SourceSnapshot& source = sources_[found->source];
    const WindowStatus& window = found->status;
    const SourceConfig& source_config = parts.config->sources[found->source];
    const WindowConfig& window_config = parts.config->windows[static_cast<std::size_t>(found - windows_.begin())];
    print("window %s, from source %s\n", found->name.c_str(), source.name.c_str());
    print("  received   %llu messages\n", number(source.decode.messages));
    print("  decoded    %llu events, %llu dropped for their time\n", number(source.decode.events),
          number(source.decode.dropped_events));
    print("  where      %llu rows: %llu false, %llu null\n", number(counter(window, WindowCounter::rows)),
          number(counter(window, WindowCounter::filtered)), number(counter(window, WindowCounter::where_null)));
    print("  time       %llu late, %llu quarantined, %llu after a power cut, %llu after an eviction\n",
          number(counter(window, WindowCounter::late)), number(counter(window, WindowCounter::quarantined)),
          number(counter(window, WindowCounter::late_after_power_cut)),
          number(counter(window, WindowCounter::late_after_eviction)));
    if (const std::uint64_t rows = counter(window, WindowCounter::gap_invalid); rows > 0)
        print("  session    %llu rows whose gap is null, not more than 0, or beyond session_max\n", number(rows));
    print("  grouped    %llu rows counted, %llu of them folded into \"(other)\"\n",
          number(counter(window, WindowCounter::counted)), number(counter(window, WindowCounter::folded)));
    print("  open       %zu intervals, %zu of %zu groups\n", window.open_intervals, window.cells, window.cells_max);
    print("  emitted    %llu results\n", number(counter(window, WindowCounter::emitted)));
    print("  watermark  %s, held by '%.*s'; %zu of %zu partitions active\n", when(source.status.watermark).text,
          static_cast<int>(source.holder_size), source.holder_text.data(), source.status.active_partitions,
          source.status.partitions);

    // The first stage at which everything ends says why.
    if (source.decode.messages == 0) {
        bool connected = false;
        for (const MqttSource* mqtt : parts.mqtt) connected = connected || mqtt->counters().connected;
        print("=> nothing has come for '%s'. %s\n", source.name.c_str(),
              connected ? "The broker is connected: do the topics say what the senders publish to?"
                        : "The broker is not connected: see `weir status` and the log.");
    } else if (source.decode.events == 0) {
        print("=> no message could be decoded: see the samples in `weir status`.\n");
    } else if (counter(window, WindowCounter::quarantined) == counter(window, WindowCounter::rows)) {
        const bool seconds_look = source_config.time.unit != TimeUnit::seconds &&
                                  counter(source.status, SourceCounter::future) == 0;
        print("=> every event's time is beyond its bounds. %s\n",
              seconds_look ? "Is time.unit right?" : "Is the senders' clock, or this board's, wrong? time.max_future bounds it.");
    } else if (source.status.watermark != Timestamp::min() &&
               source.status.watermark < Timestamp::seconds(86400 * 365) &&
               source_config.time.unit == TimeUnit::milliseconds && !source_config.time.field.empty()) {
        print("=> event times lie in 1970: %s looks like seconds, time.unit is \"ms\".\n",
              source_config.time.field.text.c_str());
    } else if (counter(window, WindowCounter::counted) == 0 &&
               counter(window, WindowCounter::filtered) + counter(window, WindowCounter::where_null) > 0) {
        print("=> `where` lets nothing through%s.\n",
              counter(window, WindowCounter::where_null) > 0 ? ": it is null where a field is missing or of another type" : "");
    } else if (counter(window, WindowCounter::late) > counter(window, WindowCounter::counted)) {
        print("=> most events are late: raise time.lateness, or name a `partition` so that one source does not hurry the others.\n");
    } else if (counter(window, WindowCounter::gap_invalid) > counter(window, WindowCounter::counted)) {
        print("=> most events ask for no gap that `session` takes: is the expression null for them, or session_max too small?\n");
    } else if (counter(window, WindowCounter::emitted) == 0 && window_config.count > 0) {
        print("=> no window is full yet: it closes when a key has had so many rows%s.\n",
              window_config.max_wait > Duration() ? ", or after max_wait" : "; max_wait would close it in time");
    } else if (counter(window, WindowCounter::emitted) == 0) {
        print("=> the first window is still open: it closes when the watermark passes its end.\n");
    } else {
        print("=> it works: results are being emitted.\n");
    }
    return print.text();
}

}  // namespace weir

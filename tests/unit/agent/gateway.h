// An agent without its threads and connections: real journal, checkpoint, outbox and pipeline in a folder,
// a clock of the test's. What kill() leaves behind is what SIGKILL leaves; cut_power() also loses tmpfs.
#pragma once

#include <algorithm>

#include "agent/actions.h"
#include "agent/memory_plan.h"
#include "agent/pipeline.h"
#include "agent/recovery.h"
#include "agent/table_watch.h"
#include "tests/unit/agent/fixture.h"

namespace weir {

class Gateway {
public:
    static std::string config_in(const std::string& folder, const std::string& agent_keys = "", const std::string& where = "") {
        std::string text = small_config;
        text.replace(text.find("id = \"a1\""), 9,
                     "id = \"a1\"\nstate = \"" + folder + "/state\"\nrun = \"" + folder + "/run\"\n" + agent_keys);
        if (!where.empty()) text.replace(text.find("size = \"1m\""), 11, "size = \"1m\"\nwhere = \"" + where + "\"");
        return text;
    }

    explicit Gateway(const std::string& config, std::int64_t now_ms = 2000000000000)
        : assembled(config),
          options(part_options(*assembled.assembly)),
          clock(Timestamp::millis(now_ms)),
          block(arena_need(*assembled.assembly, options)),
          arena(block.memory()) {
        (void)!assembled.files.make_folders(assembled.load.config.agent.run).ok();
        (void)!assembled.files.make_folders(assembled.load.config.agent.state).ok();
        OpenReport report;
        Result<std::unique_ptr<Outbox>> opened = Outbox::open(options.outbox, arena, assembled.files, entropy, report);
        WEIR_ASSERT(opened.ok());
        outbox = std::move(*opened);
        Result<std::unique_ptr<Actions>> opened_actions = Actions::open(
            arena, assembled.load.config, assembled.files, clock, load_le<std::uint64_t>(outbox->identity().incarnation.data()),
            [](std::string_view, std::string_view, std::string_view, int, bool, std::uint32_t) { return MqttOutlet::Sent::nowhere; });
        WEIR_ASSERT(opened_actions.ok());
        actions = std::move(*opened_actions);
        Recovery recovery(*assembled.assembly, options, assembled.files, entropy, clock, *outbox, {true, report.fresh, &actions->publisher()});
        std::string reason;
        const Status prepared = recovery.prepare(recovered, reason);
        if (!prepared.ok()) fputs((reason + "\n").c_str(), stderr);
        WEIR_ASSERT(prepared.ok());
        Pipeline::Options pipeline_options;
        pipeline_options.deliver = true;
        pipeline_options.staging_bytes = options.outbox.staging_bytes;
        pipeline_options.release_after_flush_only = options.journal.durable;
        pipeline = std::make_unique<Pipeline>(
            arena, *assembled.assembly, Analysis::Options{}, pipeline_options,
            Pipeline::Parts{recovered.journal.get(), recovered.checkpoints.get(), outbox.get(), nullptr, &actions->publisher(), &clock},
            options.configuration);
        WEIR_ASSERT(recovery.fill(*pipeline, recovered, reason).ok());
        tables = std::make_unique<TableWatch>(assembled.load.config, assembled.files, *recovered.journal, clock, pipeline->analysis_of(0).engine());
        tables->poll();
    }

    // Events i = from .. to - 1: one a second of event time, sites in turn.
    void send(int from, int to) {
        for (int i = from; i < to; ++i) {
            const std::string payload = event(first_ms + std::int64_t{i} * 1000, 50 + i % 7);
            JournalEntry entry;
            entry.arrival = Timestamp::millis(first_ms + std::int64_t{i} * 1000);
            entry.clock_trusted = true;
            const std::string topic = i % 2 ? "city/s1/loop/1" : "city/s2/loop/2";
            entry.topic = topic;
            entry.payload = as_byte_span(payload);
            WEIR_ASSERT(recovered.journal->append(entry).ok());
        }
        pipeline->catch_up();
    }
    // As the store thread.
    void store() {
        pipeline->seal();  // also what finish() emitted
        const std::optional<FlashCheckpoint> flash = pipeline->flash_due();
        const bool done = outbox->commit(flash ? &*flash : nullptr).ok();
        if (flash) pipeline->flash_done(done);
    }
    Journal& journal() { return *recovered.journal; }

    // Results delivered to a bridge that takes everything, in ship order. mark is what the bridge remembers.
    std::vector<std::string> ship(std::uint64_t& mark) {
        store();
        store();
        std::vector<std::string> out;
        std::vector<std::byte> space(options.outbox.record_bytes_max * 4);
        for (int empty = 0; empty < 3;) {
            ShipRow rows[64];
            const std::size_t count = outbox->next(outbox->identity().incarnation, mark, rows, space);
            empty = count == 0 ? empty + 1 : 0;
            if (count == 0) store();
            for (std::size_t i = 0; i < count; ++i) {
                auto storage = std::make_unique<RecordStorage>();
                const Result<Record> record = decode_record(rows[i].record, *storage);
                WEIR_ASSERT(record.ok());
                if (record->kind == RecordKind::result) out.push_back(json_of(*record));
                if (record->kind == RecordKind::alert) alerts.push_back(json_of(*record));
                mark = rows[i].ship;
            }
            outbox->acknowledge(outbox->identity().incarnation, mark);
        }
        return out;
    }

    static constexpr std::int64_t first_ms = 2000000000000;

    std::vector<std::string> alerts;  // that ship() has delivered
    Assembled assembled;
    PartOptions options;
    ManualClock clock;
    SeededEntropy entropy{1};
    ArenaBlock block;
    Arena arena;
    std::unique_ptr<Outbox> outbox;
    Recovered recovered;
    std::unique_ptr<Actions> actions;
    std::unique_ptr<Pipeline> pipeline;
    std::unique_ptr<TableWatch> tables;
};

}  // namespace weir

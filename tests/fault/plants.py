"""Bugs to plant, and who must find each: a name, what it is, the edits (file, text as it stands once or
more in the tree, text in its place), and the harness: a target of the build with its arguments."""

STORE, TUMBLING, WATERMARK, BRIDGE = (
    "uplink/outbox_store.cc",
    "windows/tumbling_window.cc",
    "windows/watermark.cc",
    "uplink/bridge/partition_writer.cc",
)
POWER_CUTS = ("power_cut_test",)
OUTBOX = ("uplink_test", "-sg", "Outbox")
MODEL = ("windows_model_test", "-sg", "WindowsModel")
COARSEN = ("coarsen_model_test",)
LEDGER = ("bridge_server_test", "-sg", "bridge_kafka_ledger")

PLANTS = [
    (
        "ack-before-journal",
        "append() returns, and the message is acknowledged, before its entry is valid",
        [
            (
                "agent/journal.cc",
                "checksum(header, {place + sizeof header, entry.topic.size() + entry.payload.size()}, chain_);\n"
                "    store_header(place, header);",
                "checksum(header, {place + sizeof header, entry.topic.size() + entry.payload.size()}, chain_);\n"
                "    static std::byte* waits = nullptr;\n    static EntryHeader its{};\n"
                "    if (waits != nullptr) store_header(waits, its);\n    waits = place;\n    its = header;",
            )
        ],
        ("journal_model_test", "-sg", "JournalCrash"),
    ),
    (
        "sync-skipped",
        "a commit is not synced",
        [("uplink/database.cc", "PRAGMA synchronous=FULL", "PRAGMA synchronous=NORMAL")],
        POWER_CUTS,
    ),
    (
        "row-crc-unchecked",
        "rows are sent as the flash gives them",
        [(STORE, "select.integer(4) == row_crc(id, epoch, bytes);", "(select.integer(4) == row_crc(id, epoch, bytes) || true);")],
        OUTBOX,
    ),
    (
        "journal-crc-unchecked",
        "recovery takes entries by their lengths",
        [("agent/journal.cc", "return length_fits && header.crc ==", "return length_fits || header.crc ==")],
        ("journal_model_test", "-sg", "JournalModel"),
    ),
    (
        "checkpoint-slot-trusted",
        "a slot of the crash checkpoint counts as whole by its mark, which stays while it is written",
        [
            ("agent/checkpoint_file.cc", ".store(0, std::memory_order_relaxed)", ".load(std::memory_order_relaxed)"),
            ("agent/checkpoint_file.cc", "return header.content_crc == crc32c(", "return header.content_crc != 0 || 0 == crc32c("),
        ],
        ("agent_journal_test", "-sg", "CheckpointFile"),
    ),
    (
        "horizon-too-short",
        "half of the deliveries that may come again are remembered",
        [("agent/duplicates.cc", "for (std::uint32_t back = 1; back < rows_; ++back)", "for (std::uint32_t back = 1; back < rows_ / 2; ++back)")],
        ("agent_journal_test", "-sg", "DuplicateHorizon"),
    ),
    (
        "drop-uncounted",
        "results that found no room in memory vanish",
        [("uplink/outbox.cc", "++(alert ? shared_->dropped_alerts : shared_->dropped_results);", "(void)alert;")],
        ("outbox_faults_test", "-sn", "no_room_on_the_medium"),
    ),
    (
        "peer-unverified",
        "any certificate will do",
        [
            ("uplink/tls.cc", "MBEDTLS_SSL_VERIFY_REQUIRED", "MBEDTLS_SSL_VERIFY_OPTIONAL"),
            ("uplink/tls.cc", "if (peer == nullptr || mbedtls_ssl_get_verify_result(&state_->ssl) != 0)", "if (peer == nullptr)"),
        ],
        ("uplink_test", "-sg", "Tls"),
    ),
    (
        "frontier-not-moved",
        "a restart does not know which windows were emitted",
        [(STORE, "if (const Status moved = move_frontier(record, sealed); !moved) return moved;", ";")],
        POWER_CUTS,
    ),
    (
        "group-not-sealed",
        "rows of a group that is not complete get ship numbers",
        [(STORE, "take(record, complete && !leaving,", "take(record, true,")],
        POWER_CUTS,
    ),
    (
        "beginning-of-a-group-kept",
        "a new epoch sends what the old one had of a group, and the group again",
        [(STORE, "if (status && state.group_is_open != 0) status = forget_group(state);", "")],
        POWER_CUTS,
    ),
    (
        "ship-number-reused",
        "a restart begins to number where the bridge last acknowledged",
        [(STORE, "++state.epoch;\n    Status status", "++state.epoch;\n    state.last_ship = state.acknowledged;\n    Status status")],
        POWER_CUTS,
    ),
    (
        "error-taken-for-damage",
        "a database that cannot be read for the moment is set aside",
        [(STORE, "        if (!sound && (sound.error() != Error::io || ++unread_ < unread_max)) return sound.error();\n", "")],
        ("outbox_faults_test", "-sn", "every_so_many_calls_on_files"),
    ),
    (
        "staged-not-in-checkpoint",
        "results not yet on flash are left out of the crash checkpoint",
        [("agent/pipeline.cc", "if (parts_.outbox != nullptr) parts_.outbox->staged_snapshot(out);", "")],
        ("agent_tests",),
    ),
    (
        "released-before-the-checkpoint",
        "the journal on disk forgets what only the checkpoint on tmpfs holds",
        [("agent/pipeline.cc", "options_.release_after_flush_only ? flushed_positions_[lane].load() : position(lane)", "position(lane)")],
        ("simulate", "--seeds", "60"),
    ),
    (
        "window-off-by-one",
        "a row counts until the watermark is behind its window's end, not at it",
        [(TUMBLING, "if (end + plan_.allow <= watermark) {", "if (end + plan_.allow < watermark) {")],
        MODEL,
    ),
    (
        "late-counted-twice",
        "a late row is counted as two",
        [(TUMBLING, "counters_.add(WindowCounter::late);\n        return false;", "counters_.add(WindowCounter::late, 2);\n        return false;")],
        MODEL,
    ),
    (
        "watermark-moves-back",
        "a message of older events takes its partition's watermark with it",
        [
            (WATERMARK, "partition.greatest = std::max(partition.greatest, partition.greatest_now);", "partition.greatest = partition.greatest_now;"),
            (WATERMARK, "partition.proposed = std::max(before, partition.greatest - lateness_.now());", "partition.proposed = before, partition.proposed = partition.greatest - lateness_.now();"),
            (WATERMARK, "    if (watermark <= partition.watermark) return;\n", ""),
        ],
        MODEL,
    ),
    (
        "idle-never",
        "a partition that fell silent holds its source for ever",
        [(WATERMARK, "if (idle_at <= elapsed_)", "if (idle_at < 0)")],
        ("windows_test", "-sg", "Watermarks"),
    ),
    (
        "key-not-compared",
        "groups whose keys have the same hash are one",
        [
            (TUMBLING, " && plan_.key.equals(run.batch, row, key(number));", ";"),
            (TUMBLING, "const std::size_t same = plan_.key.same(run.batch, {run.rows.data() + i, found}, run.cells.subspan(pending), keys_.data());", "const std::size_t same = found;"),
        ],
        ("windows_test",),
    ),
    (
        "kll-seed-by-time",
        "a sketch's coins come from the clock",
        [("sketches/kll.cc", "    : coins_(params.seed),", "    : coins_(params.seed ^ static_cast<std::uint64_t>(__builtin_readcyclecounter_())),"), ("sketches/kll.cc", "namespace weir {\n", "#include <time.h>\nnamespace weir {\nstatic long __builtin_readcyclecounter_() { timespec t{}; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_nsec; }\n")],
        ("sketches_test",),
    ),
    (
        "bridge-acks-before-commit",
        "a transaction that Kafka aborted is acknowledged",
        [
            (BRIDGE, "while (outcome == Outcome::aborted && !ended_) {", "while (outcome == Outcome::committed && ended_) {"),
            (BRIDGE, "if (outcome != Outcome::committed) {", "if (outcome == Outcome::fenced || outcome == Outcome::unknown) {"),
        ],
        LEDGER,
    ),
    (
        "mark-outside-the-transaction",
        "records are committed without the mark of what their agent has delivered",
        [(BRIDGE, "    for (const auto& [agent, mark] : batch.marks)\n        if (!produce_mark", "    for (const auto& [agent, mark] : batch.marks)\n        if (batch.records.empty() && !produce_mark")],
        LEDGER,
    ),
    (
        "bridge-takes-again",
        "what an agent sends again is written again",
        [(BRIDGE, "if (record.ship <= mark->ship) continue;", "")],
        LEDGER,
    ),
    (
        "merged-row-lost",
        "of two results that become one the second counts for nothing",
        [("windows/result_merger.cc", "    results_->merge(0, 1, ignored);\n", "    (void)ignored;\n")],
        COARSEN,
    ),
    (
        "merged-after-it-was-sent",
        "rows that have numbers are merged, too",
        [(STORE, "ranges_[count++] = {result_ids + static_cast<std::int64_t>(stretch.numbered),", "ranges_[count++] = {result_ids + static_cast<std::int64_t>(stretch.first),")],
        COARSEN,
    ),
    (
        "merged-before-it-is-final",
        "a result is merged that a revision may still change",
        [("uplink/coarsener.cc", "    if (head.wait <= Duration{}) return {};\n", "    if (head.wait <= Duration::seconds(3600)) return {};\n")],
        COARSEN,
    ),
    (
        "cut-group-complete",
        "rows of a group whose end has to wait for room are numbered and behind frontiers",
        [(STORE, "take(record, complete && !leaving,", "take(record, complete,")],
        ("outage_test", "-g", "Outage", "-n", "worked_off"),
    ),
    (
        "coarsening-too-slow",
        "results are dropped as soon as one transaction cannot make room",
        [(STORE, "return Room::later;", "static_cast<void>(may_leave);")],
        ("outage_test", "-g", "Outage", "-n", "worked_off"),
    ),
    (
        "frontier-crc-unchecked",
        "what the flash says of emitted windows is believed",
        [(STORE, "(sound ? all : damaged).push_back(found);", "(sound || true ? all : damaged).push_back(found);")],
        OUTBOX,
    ),
    (
        "header-believed",
        "a file whose header says that it may only be read is worked with",
        [("uplink/database.cc", "if (may_write && sqlite3_db_readonly", "if (!may_write && sqlite3_db_readonly")],
        ("uplink_test", "-sg", "Salvage"),
    ),
    (
        "retained-counted",
        "the last state that a broker keeps is taken for an event",
        [("agent/receiver.cc", "if (message.retained) {", "if (false) {")],
        ("system", "bad_input.Retained"),
    ),
]

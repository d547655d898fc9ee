#include "uplink/outbox_store.h"

#include <algorithm>
#include <cstdio>

#include "agent/base/hash.h"
#include "agent/base/log.h"

namespace weir {
namespace {

constexpr int schema_version = 6;
constexpr int plausible_version = 0xFFFF;   // beyond, the header is damaged, and not the file newer
constexpr int application_id = 0x57656972;  // "Weir"
constexpr int unfinished_id = 0x57656953;   // "WeiS": what could be saved of a damaged file is still being put in
constexpr std::uint32_t state_version = 5;

constexpr std::int64_t alert_ids = 0;
constexpr std::int64_t result_ids = std::int64_t{1} << 60;
constexpr std::int64_t end_ids = std::int64_t{2} << 60;

constexpr unsigned damage_met_max = 3;
constexpr Bytes usual_row_bytes = 256;
constexpr std::uint64_t stretch_room = std::uint64_t{1} << 32;  // running numbers for revisions

constexpr Bytes margin_pages = 16;        // splits of inner pages, the ship table, the state
constexpr Bytes alert_room_pages = 16;    // that results leave to alerts

// Of the pages that rows may take, in tenths.
constexpr std::uint64_t coarsen_from = 8;
constexpr std::uint64_t coarsen_down_to = 7;
constexpr std::uint64_t coarsen_content = 10;  // in twentieths: pages that were repacked are three quarters full
// What one commit's work costs at most, in rows looked at (Coarsener), and the steps in which it is done.
constexpr std::uint64_t coarsen_looks = 4096;
constexpr std::uint64_t coarsen_looks_a_row = 64;
constexpr std::uint64_t coarsen_slice = 512;
constexpr std::uint64_t row_overhead = 48;  // of a row, in its page

constexpr const char* schema =
    "CREATE TABLE state(id INTEGER PRIMARY KEY, bytes BLOB);"
    "CREATE TABLE row(id INTEGER PRIMARY KEY, epoch INTEGER, crc INTEGER, grp INTEGER, start INTEGER, size INTEGER,"
    " missing INTEGER, bytes BLOB);"
    "CREATE INDEX revised ON row(grp, start) WHERE missing>0;"
    "CREATE TABLE ship(ship INTEGER PRIMARY KEY, row INTEGER, size INTEGER, crc INTEGER);"
    "CREATE TABLE frontier(definition INTEGER, partition INTEGER, end INTEGER, crc INTEGER,"
    " PRIMARY KEY(definition, partition)) WITHOUT ROWID;"
    "CREATE TABLE chunk(n INTEGER PRIMARY KEY, hash INTEGER, bytes BLOB);"
    "CREATE TABLE pending(definition INTEGER, partition INTEGER, end INTEGER, crc INTEGER,"
    " PRIMARY KEY(definition, partition)) WITHOUT ROWID;";

// A damaged letter in the schema makes another table of it: these must say what their rows are found by.
constexpr std::int64_t tables_by_number = 4;
constexpr const char* count_tables_by_number =
    "SELECT count(*) FROM sqlite_schema WHERE sql GLOB 'CREATE TABLE state(id INTEGER PRIMARY KEY,*'"
    " OR sql GLOB 'CREATE TABLE row(id INTEGER PRIMARY KEY,*' OR sql GLOB 'CREATE TABLE ship(ship INTEGER PRIMARY KEY,*'"
    " OR sql GLOB 'CREATE TABLE chunk(n INTEGER PRIMARY KEY,*'";

// What version 3 brought.
constexpr const char* schema_from_2 =
    "CREATE TABLE IF NOT EXISTS pending(definition INTEGER, partition INTEGER, end INTEGER,"
    " PRIMARY KEY(definition, partition)) WITHOUT ROWID;";

// What version 4 brought. There the new columns stand behind the bytes.
constexpr const char* schema_from_3 =
    "ALTER TABLE row ADD COLUMN grp INTEGER; ALTER TABLE row ADD COLUMN start INTEGER;"
    "ALTER TABLE row ADD COLUMN size INTEGER; ALTER TABLE row ADD COLUMN missing INTEGER;"
    "CREATE INDEX revised ON row(grp, start) WHERE missing>0;";

// u32 version, the fields in order, u32 crc32c of all before. Version 1 had no record_bytes_max, 2 nothing
// of seals: all its rows are complete. 4 counts what was merged. Before 5 there was one stretch of results.
constexpr Bytes state_bytes_max = 512;

template <typename Codec, typename State>
void each_field(Codec&& codec, State& state) {
    codec(state.epoch);
    codec(state.output.epoch);
    codec(state.output.sequence);
    codec(state.last_ship);
    codec(state.acknowledged);
    codec(state.last_alert);
    codec(state.results.last);
    codec(state.numbered_alert);
    codec(state.results.numbered);
    codec(state.rows);
    codec(state.unnumbered);
    codec(state.numbered_bytes);
    codec(state.dropped_results);
    codec(state.dropped_alerts);
    codec(state.refused);
    codec(state.has_checkpoint);
    codec(state.checkpoint.output.epoch);
    codec(state.checkpoint.output.sequence);
    codec(state.checkpoint.journal_position);
    codec(state.checkpoint.format);
    codec(state.checkpoint.plan);
    codec(state.checkpoint_crc);
}

void encode_state(const StoreState& state, ByteWriter& out) {
    out.write(state_version);
    out.bytes(state.incarnation);
    each_field([&](std::uint64_t field) { out.write(field); }, state);
    out.write(static_cast<std::uint64_t>(state.checkpoint.size));
    out.write(state.record_bytes_max);
    out.write(state.sealed_alert);
    out.write(state.results.sealed);
    out.write(state.group_is_open);
    out.write(state.merged);
    out.write(state.results.first);
    for (const std::uint64_t number : {state.revisions.first, state.revisions.numbered, state.revisions.sealed, state.revisions.last}) out.write(number);
    out.write(state.backlog_count);
    for (const Stretch& stretch : state.waiting())
        for (const std::uint64_t number : {stretch.first, stretch.numbered, stretch.sealed, stretch.last}) out.write(number);
    out.write(crc32c(out.written()));
}

Result<StoreState> decode_state(ByteSpan bytes) {
    ByteReader in(bytes);
    StoreState state;
    const auto version = in.read<std::uint32_t>();
    if (version < 1 || version > state_version) return Error::corrupt;
    const ByteSpan incarnation = in.bytes(state.incarnation.size());
    if (in.ok()) std::copy(incarnation.begin(), incarnation.end(), state.incarnation.begin());
    each_field([&](std::uint64_t& field) { field = in.read<std::uint64_t>(); }, state);
    state.checkpoint.size = static_cast<Bytes>(in.read<std::uint64_t>());
    if (version >= 2) state.record_bytes_max = in.read<std::uint64_t>();
    state.sealed_alert = version >= 3 ? in.read<std::uint64_t>() : state.last_alert;
    state.results.sealed = version >= 3 ? in.read<std::uint64_t>() : state.results.last;
    if (version >= 3) state.group_is_open = in.read<std::uint64_t>();
    if (version >= 4) state.merged = in.read<std::uint64_t>();
    if (version >= 5) {
        state.results.first = in.read<std::uint64_t>();
        Stretch& revisions = state.revisions;
        for (std::uint64_t* number : {&revisions.first, &revisions.numbered, &revisions.sealed, &revisions.last}) *number = in.read<std::uint64_t>();
        state.backlog_count = in.read<std::uint64_t>();
        if (state.backlog_count > StoreState::backlog_max) return Error::corrupt;
        for (Stretch& stretch : state.waiting())
            for (std::uint64_t* number : {&stretch.first, &stretch.numbered, &stretch.sealed, &stretch.last}) *number = in.read<std::uint64_t>();
    }
    const std::uint32_t crc = crc32c(bytes.first(in.position()));
    if (in.read<std::uint32_t>() != crc || !in.ok() || in.remaining() != 0) return Error::corrupt;
    return state;
}

std::uint32_t row_crc(std::int64_t id, std::uint64_t epoch, ByteSpan bytes) { return Coarsener::row_crc(id, epoch, bytes); }

std::uint32_t ship_crc(std::uint64_t ship, std::int64_t row) {
    std::array<std::byte, 16> head;
    store_le(head.data(), ship);
    store_le(head.data() + 8, row);
    return crc32c(head);
}

void seal_rows(StoreState& state) {
    state.sealed_alert = state.last_alert;
    state.results.sealed = state.results.last;
    state.revisions.sealed = state.revisions.last;
    for (Stretch& stretch : state.waiting()) stretch.sealed = stretch.last;
}

Bytes pages_for(Bytes record_bytes) { return record_bytes / (Database::page_bytes - 64) + 2; }

Bytes reserved_pages(const OutboxOptions& options) {
    const Bytes chunks = (options.checkpoint_bytes_max + OutboxStore::chunk_bytes - 1) / OutboxStore::chunk_bytes;
    const Bytes frontiers = Bytes{options.frontiers_max} * 64 / Database::page_bytes;
    return chunks + chunks / 128 + frontiers + alert_room_pages + margin_pages;
}

}  // namespace

Bytes OutboxStore::need(const OutboxOptions& options) {
    return Arena::need<std::uint64_t>((options.checkpoint_bytes_max + chunk_bytes - 1) / chunk_bytes) + Coarsener::need(options);
}

Bytes OutboxStore::file_bytes_min(const OutboxOptions& options) {
    return (reserved_pages(options) + 2 * pages_for(options.record_bytes_max) + 16) * Database::page_bytes;
}

OutboxStore::OutboxStore(const OutboxOptions& options, Arena& arena, Files& files, Entropy& entropy)
    : options_(options), files_(files), entropy_(entropy),
      chunk_hashes_(arena.take<std::uint64_t>((options.checkpoint_bytes_max + chunk_bytes - 1) / chunk_bytes)),
      coarsener_(options, arena), room_margin_pages_(margin_pages) {}

// ---- opening -----------------------------------------------------------------------------------------

Status OutboxStore::open(OpenReport& report) {
    if (replacing_) return replace_damaged(report);  // an attempt before this one failed half way
    const Status first = open_once(report);
    if (first.error() == Error::unsupported) {
        if (const Status aside = set_aside(".newer", "it was written by a newer version of Weir", report); !aside)
            return aside;
        return open_once(report);
    }
    if (first.error() == Error::truncated) return replace_damaged(report);
    if (first.error() != Error::corrupt) return first;
    if (const Status aside = set_aside(".damaged", "it is damaged", report); !aside) return aside;
    return replace_damaged(report);
}

Status OutboxStore::open_once(OpenReport& report) {
    coarsener_.close();
    sql_.reset();
    database_.reset();
    Result<std::unique_ptr<Database>> opened =
        Database::open({options_.path, options_.cache_bytes, options_.bytes_max});
    if (!opened) return opened.error();
    database_ = std::move(*opened);
    const auto failed = [&](Error error) -> Status {
        coarsener_.close();
        sql_.reset();
        database_.reset();
        return error;
    };
    const Result<std::int64_t> version = database_->number("PRAGMA user_version");
    const Result<std::int64_t> owner = database_->number("PRAGMA application_id");
    const Result<std::int64_t> tables = database_->number("SELECT count(*) FROM sqlite_schema");
    for (const auto& each : {version, owner, tables})
        if (!each) return failed(each.error());
    const bool fresh = *tables == 0 && *owner == 0;
    if (*owner == unfinished_id && !replacing_) return failed(Error::truncated);
    if (!fresh && *owner != application_id) return failed(Error::corrupt);
    if (!fresh && (*version > plausible_version || *version < 0)) return failed(Error::corrupt);
    if (!fresh && *version > schema_version) return failed(Error::unsupported);
    if (fresh) {
        if (const Status created = create(); !created) return failed(created.error());
        report.fresh = true;
    }
    if (!fresh && *version < 3)
        if (const Status made = database_->execute(schema_from_2); !made) return failed(made.error());
    if (!fresh && *version < 4)
        if (const Status made = add_columns(); !made) return failed(made.error());
    if (!fresh && *version < 6)
        if (const Status made = seal_frontiers(); !made) return failed(made.error());
    const Result<std::int64_t> by_number = database_->number(count_tables_by_number);
    if (!by_number) return failed(by_number.error());
    if (*by_number != tables_by_number) return failed(Error::corrupt);
    if (const Status prepared = prepare(); !prepared) return failed(prepared.error());
    const Incarnation before = state_.incarnation;
    if (const Status loaded = load_state(); !loaded) return failed(loaded.error());
    if (state_.incarnation != before) forgive();
    if (*version < schema_version && !fresh)
        if (const Status migrated = migrate(); !migrated) return failed(migrated.error());
    if (const Status hashes = load_chunk_hashes(); !hashes) return failed(hashes.error());
    const Result<Bytes> used = count_used_pages();
    if (!used) return failed(used.error());
    used_pages_ = *used;
    report.rows = state_.rows;
    known_before_ = true;
    return {};
}

// A new file continues the epoch and the output position that this process knows, if it replaces one
// that was damaged while running: the engine's numbering goes on.
Status OutboxStore::create() {
    StoreState state;
    if (known_before_) {
        state.epoch = state_.epoch;
        state.output = state_.output;
    }
    entropy_.fill(state.incarnation);
    const std::string marks = "PRAGMA application_id=" + std::to_string(replacing_ ? unfinished_id : application_id) +
                              ";PRAGMA user_version=" + std::to_string(schema_version);
    std::array<std::byte, state_bytes_max> bytes;
    ByteWriter out(bytes);
    encode_state(state, out);
    WEIR_ASSERT(out.ok());
    if (const Status begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    if (const Status made = database_->execute(schema); !made) return made;
    if (const Status marked = database_->execute(marks.c_str()); !marked) return marked;
    Result<Statement> insert = database_->prepare("INSERT INTO state VALUES(1, ?1)");
    if (!insert) return insert.error();
    if (const Status inserted = insert->bind(1, out.written()).run(); !inserted) return inserted;
    return database_->execute("COMMIT");
}

// All at once, or the next start finds some of them there.
Status OutboxStore::add_columns() {
    const Result<std::int64_t> there = database_->number("SELECT count(*) FROM pragma_table_info('row') WHERE name='missing'");
    if (!there) return there.error();
    if (*there != 0) return {};
    if (const Status begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    if (const Status made = database_->execute(schema_from_3); !made) return made;
    return database_->execute("COMMIT");
}

// What version 6 brought: checksums of frontiers. Those that are there get theirs at once, in one transaction.
Status OutboxStore::seal_frontiers() {
    if (const Status begun = database_->execute("BEGIN IMMEDIATE"); !begun) return begun;
    for (const std::string table : {"frontier", "pending"}) {
        const Result<std::int64_t> there = database_->number(("SELECT count(*) FROM pragma_table_info('" + table + "') WHERE name='crc'").c_str());
        if (!there) return there.error();
        if (*there == 0)
            if (const Status made = database_->execute(("ALTER TABLE " + table + " ADD COLUMN crc INTEGER").c_str()); !made) return made;
        Result<Statement> select = database_->prepare(("SELECT definition, partition, end FROM " + table + " WHERE crc IS NULL").c_str());
        Result<Statement> update = database_->prepare(("UPDATE " + table + " SET crc=?3 WHERE definition=?1 AND partition=?2").c_str());
        if (!select || !update) return select ? update.error() : select.error();
        std::vector<Frontier> all;
        for (;;) {
            const Result<bool> row = select->step();
            if (!row) return row.error();
            if (!*row) break;
            all.push_back({select->bits(0), select->bits(1), Timestamp::micros(select->integer(2))});
        }
        for (const Frontier& each : all) {
            update->bind_bits(1, each.definition).bind_bits(2, each.partition).bind(3, std::int64_t{checksum_of_frontier(each)});
            if (const Status sealed = update->run(); !sealed) return sealed;
        }
    }
    return database_->execute("COMMIT");
}

Status OutboxStore::prepare() {
    Statements all;
    Status result;
    const auto make = [&](Statement& into, const std::string& sql) {
        if (!result) return;
        Result<Statement> made = database_->prepare(sql.c_str());
        if (made)
            into = std::move(*made);
        else
            result = made.error();
    };
    make(all.save_state, "UPDATE state SET bytes=?1 WHERE id=1");
    make(all.insert_row, "INSERT INTO row(id,epoch,crc,grp,start,size,missing,bytes) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
    make(all.delete_row, "DELETE FROM row WHERE id=?1");
    make(all.first_row_after, "SELECT id, length(bytes) FROM row WHERE id>?1 AND id<?2 ORDER BY id LIMIT 1");
    make(all.first_bytes_after, "SELECT substr(bytes,1,160) FROM row WHERE id>?1 AND id<?2 ORDER BY id LIMIT 1");
    make(all.find_ship, "SELECT row, crc FROM ship WHERE ship=?1");
    make(all.delete_orphans,
         "DELETE FROM row WHERE id>?1 AND id<=?2 AND id NOT IN (SELECT row FROM ship)");
    make(all.count_rows, "SELECT count(*) FROM row");
    make(all.sum_rows, "SELECT coalesce(sum(length(bytes)),0) FROM row");
    make(all.insert_ship, "INSERT INTO ship VALUES(?1,?2,?3,?4)");
    make(all.delete_ship, "DELETE FROM ship WHERE ship=?1");
    make(all.delete_shipped_rows, "DELETE FROM row WHERE id IN (SELECT row FROM ship WHERE ship<=?1)");
    make(all.delete_ships, "DELETE FROM ship WHERE ship<=?1");
    make(all.sum_ships, "SELECT count(*), coalesce(sum(size),0) FROM ship WHERE ship<=?1");
    make(all.first_ship_of_class,
         "SELECT ship, row, size FROM ship WHERE row>=?1 AND row<?2 ORDER BY ship LIMIT 1");
    make(all.ships_after,
         "SELECT ship.ship, ship.row, ship.crc, row.epoch, row.crc, row.bytes FROM ship LEFT JOIN row"
         " ON row.id=ship.row WHERE ship.ship>?1 ORDER BY ship.ship");
    make(all.move_frontier,
         "INSERT INTO frontier(definition,partition,end,crc) VALUES(?1,?2,?3,?4) ON CONFLICT(definition,partition)"
         " DO UPDATE SET end=excluded.end, crc=excluded.crc WHERE excluded.end>end");
    make(all.move_pending,
         "INSERT INTO pending(definition,partition,end,crc) VALUES(?1,?2,?3,?4) ON CONFLICT(definition,partition)"
         " DO UPDATE SET end=excluded.end, crc=excluded.crc WHERE excluded.end>end");
    make(all.settle_pending,
         "INSERT INTO frontier(definition,partition,end,crc) SELECT definition, partition, end, crc FROM pending WHERE true"
         " ON CONFLICT(definition,partition) DO UPDATE SET end=excluded.end, crc=excluded.crc WHERE excluded.end>end");
    make(all.forget_pending, "DELETE FROM pending");
    make(all.delete_rows_between, "DELETE FROM row WHERE id>?1 AND id<?2");
    make(all.put_chunk, "REPLACE INTO chunk VALUES(?1,?2,?3)");
    make(all.delete_chunks, "DELETE FROM chunk WHERE n>=?1");
    make(all.page_count, "PRAGMA page_count");
    make(all.freelist_count, "PRAGMA freelist_count");
    if (result) result = coarsener_.prepare(*database_);
    if (result) sql_.emplace(std::move(all));
    return result;
}

Status OutboxStore::load_state() {
    Result<Statement> select = database_->prepare("SELECT bytes FROM state WHERE id=1");
    if (!select) return select.error();
    const Result<bool> row = select->step();
    if (!row) return row.error();
    if (!*row) return Error::corrupt;
    const Result<StoreState> state = decode_state(select->bytes(0));
    if (!state) return state.error();
    state_ = *state;
    return {};
}

// A file of version 1 does not say how large its rows are.
Status OutboxStore::migrate() {
    const Result<std::int64_t> largest = database_->number("SELECT coalesce(max(length(bytes)),0) FROM row");
    if (!largest) return largest.error();
    state_.record_bytes_max = static_cast<std::uint64_t>(*largest);
    const std::string mark = "PRAGMA user_version=" + std::to_string(schema_version);
    Status status = database_->execute("BEGIN IMMEDIATE");
    if (status) status = save_state(state_);
    if (status) status = database_->execute(mark.c_str());
    return settle(status);
}

// Hashes only, so that a large checkpoint is not read again just to write what changes.
Status OutboxStore::load_chunk_hashes() {
    std::fill(chunk_hashes_.begin(), chunk_hashes_.end(), std::uint64_t{0});
    Result<Statement> select = database_->prepare("SELECT n, hash FROM chunk");
    if (!select) return select.error();
    for (;;) {
        const Result<bool> row = select->step();
        if (!row) return row.error();
        if (!*row) return {};
        if (const std::uint64_t n = select->bits(0); n < chunk_hashes_.size())
            chunk_hashes_[static_cast<std::size_t>(n)] = select->bits(1);
    }
}

// One of each kind is kept: set-aside files must not fill the flash.
Status OutboxStore::set_aside(const std::string& suffix, const std::string& reason, OpenReport& report) {
    const std::string path = options_.path + suffix;
    for (const char* part : {"", "-wal"}) {
        (void)files_.remove(path + part);
        const Status moved = files_.rename(options_.path + part, path + part);
        if (!moved && moved.error() != Error::missing) return moved;
    }
    report.set_aside = true;
    report.set_aside_path = path;
    report.reason = reason;
    WEIR_LOG_ERROR("outbox", "%s was set aside as %s: %s; a new one is begun",
                   options_.path.c_str(), path.c_str(), reason.c_str());
    return {};
}

Status OutboxStore::reopen(OpenReport& report) {
    const OutputPosition before = state_.output;
    const Status opened = open(report);
    if (!opened) return opened;
    if (state_.output < before) {
        // Only a medium that lied about a sync gets here. The gap cannot be mended, but it can be said.
        WEIR_LOG_ERROR("outbox", "%s lost committed results after an error of the medium", options_.path.c_str());
    }
    if (report.set_aside) return {};
    const Result<bool> sound = database_->sound();
    // Some damage shows only to those who work with the file.
    if (!sound || !*sound || damage_met_ >= damage_met_max) {
        coarsener_.close();
        sql_.reset();
        database_.reset();
        // What cannot be read for the moment may be whole; what never can is as good as damaged.
        if (!sound && (sound.error() != Error::io || ++unread_ < unread_max)) return sound.error();
        unread_ = 0;
        if (const Status aside = set_aside(".damaged", "it is damaged", report); !aside) return aside;
        return replace_damaged(report);
    }
    unread_ = 0;
    return {};
}

Status OutboxStore::close() {
    if (broken()) return Error::closed;
    const Status written = database_->execute("PRAGMA wal_checkpoint(TRUNCATE)");
    coarsener_.close();
    sql_.reset();
    database_.reset();
    return written;
}

// ---- start-up ----------------------------------------------------------------------------------------

Status OutboxStore::save_state(const StoreState& state) {
    std::array<std::byte, state_bytes_max> bytes;
    ByteWriter out(bytes);
    encode_state(state, out);
    WEIR_ASSERT(out.ok());
    return sql_->save_state.bind(1, out.written()).run();
}

Status OutboxStore::settle(Status status) {
    if (status) status = database_->execute("COMMIT");
    return status ? status : break_down(status);
}

Status OutboxStore::break_down(Status status) {
    damage_met_ = status.error() == Error::corrupt ? damage_met_ + 1 : 0;
    WEIR_LOG_ERROR("outbox", "%s: %s", options_.path.c_str(), database_->message().c_str());
    coarsener_.close();
    sql_.reset();
    database_.reset();  // rolls back what may still be open
    return status;
}

Result<std::uint64_t> OutboxStore::begin_epoch() {
    StoreState state = state_;
    ++state.epoch;
    Status status = database_->execute("BEGIN IMMEDIATE");
    if (status && state.group_is_open != 0) status = forget_group(state);
    if (status) status = save_state(state);
    if (status = settle(status); !status) return status.error();
    state_ = state;
    return state.epoch;
}

// A damaged one is not believed, and deleted: one that is too late would hold back results, and be there for ever.
Result<std::vector<Frontier>> OutboxStore::frontiers() {
    std::vector<Frontier> all;
    std::vector<Frontier> damaged;
    Result<Statement> select =
        database_->prepare("SELECT definition, partition, end, crc FROM frontier ORDER BY definition, partition");
    if (!select) return select.error();
    bool whole = true;
    for (;;) {
        const Result<bool> row = select->step();
        if (!row && row.error() != Error::corrupt) return row.error();
        whole = row.ok();
        if (!row || !*row) break;
        const Frontier found{select->bits(0), select->bits(1), Timestamp::micros(select->integer(2))};
        const bool sound = !select->is_null(3) && select->integer(3) == checksum_of_frontier(found);
        (sound ? all : damaged).push_back(found);
    }
    select->reset();
    if (whole && damaged.empty()) return all;
    WEIR_LOG_ERROR("outbox", "%s: some of what was emitted is damaged: windows may be emitted again", options_.path.c_str());
    Result<Statement> forget = database_->prepare("DELETE FROM frontier WHERE definition=?1 AND partition=?2");
    if (!forget) return forget.error();
    for (const Frontier& each : damaged) {
        const Status gone = forget->bind_bits(1, each.definition).bind_bits(2, each.partition).run();
        if (!gone && gone.error() != Error::corrupt) return gone.error();
    }
    return all;
}

Status OutboxStore::read_checkpoint(MutableByteSpan out) {
    Result<Statement> select = database_->prepare("SELECT n, bytes FROM chunk ORDER BY n");
    if (!select) return select.error();
    Bytes filled = 0;
    while (filled < out.size()) {
        const Result<bool> row = select->step();
        if (!row) return row.error();
        if (!*row) return Error::corrupt;
        const ByteSpan bytes = select->bytes(1);
        if (select->bits(0) * chunk_bytes != filled || bytes.size() != std::min(chunk_bytes, out.size() - filled))
            return Error::corrupt;
        std::copy(bytes.begin(), bytes.end(), out.begin() + static_cast<std::ptrdiff_t>(filled));
        filled += bytes.size();
    }
    return crc32c(out) == state_.checkpoint_crc ? Status{} : Status(Error::corrupt);
}

// ---- committing --------------------------------------------------------------------------------------

Result<OutboxStore::Done> OutboxStore::commit(const Work& work) {
    Done done;
    StoreState state = state_;
    Status status = database_->execute("BEGIN IMMEDIATE");
    if (status) status = fill_transaction(work, state, done);
    if (status) status = save_state(state);
    const bool near_the_end = used_pages_ + 2 * room_margin_pages_ > options_.bytes_max / Database::page_bytes;
    if (status = settle(status); !status) {
        // The declared size was too tight for what SQLite needed: leave more room with the next try. A
        // full medium looks the same but for the file being far from its bound.
        if (status.error() == Error::no_space && near_the_end) room_margin_pages_ *= 2;
        if (work.checkpoint != nullptr) std::fill(chunk_hashes_.begin(), chunk_hashes_.end(), std::uint64_t{0});
        return status.error();
    }
    room_margin_pages_ = margin_pages;
    state_ = state;
    if (work.renew)
        forgive();
    else
        condemned_count_ = 0;
    return done;
}

Status OutboxStore::fill_transaction(const Work& work, StoreState& state, Done& done) {
    const Result<Bytes> used = count_used_pages();
    if (!used) return used.error();
    used_pages_ = *used;
    coarsener_.begin();
    if (work.renew) {
        if (const Status renewed = renew(state); !renewed) return renewed;
    } else if (work.acknowledged > state.acknowledged) {
        if (const Status deleted = delete_acknowledged(work.acknowledged, state); !deleted) return deleted;
    }
    if (!work.renew)
        if (const Status deleted = delete_unsent(work, state); !deleted) return deleted;
    got_ahead_ = false;
    if (work.again) {
        const Bytes before = used_pages_;
        if (const Status made = coarsen(0, state); !made) return made;
        got_ahead_ = used_pages_ < before || state.merged > state_.merged;
    }
    if (const Status taken = take_staged(work, state, done); !taken) return taken;
    if (const Status made = coarsen(done.committed, state); !made) return made;
    if (work.number) {
        if (const Status numbered = number_rows(state); !numbered) return numbered;
        if (work.greeted) begin_stretch(state);
    }
    if (work.checkpoint != nullptr && done.staged_end == work.staged.end) {
        if (const Status written = write_checkpoint(*work.checkpoint, state); !written) return written;
        if (work.reader != nullptr) work.reader->bytes_taken();
    }
    const Result<Bytes> after = count_used_pages();
    if (!after) return after.error();
    used_pages_ = *after;
    return {};
}

bool OutboxStore::may_leave(const Work& work) const {
    const Bytes staged = 2 * static_cast<Bytes>(work.staged.end - work.staged.begin) / Database::page_bytes;
    return coarsener_.is_on() && used_pages_ + staged + reserved_pages(options_) > options_.bytes_max / Database::page_bytes;
}

// Where some may be left, nobody knows yet whether a group will be whole with this transaction: its rows are the beginning
// of one until the last of them has been taken.
Status OutboxStore::take_staged(const Work& work, StoreState& state, Done& done) {
    const bool leaving = work.again || may_leave(work);
    if (!leaving && closes_group(work, state))
        if (const Status closed = close_group(state); !closed) return closed;
    for (done.staged_end = work.staged.begin; done.staged_end != work.staged.end;) {
        std::uint64_t behind = done.staged_end;
        const StagedRecord record = work.ring->read(behind);
        const OutputPosition output{record.epoch, record.sequence};
        const bool complete = output <= work.staged.sealed;
        if (output <= state.output) {
            ++done.known;
        } else {
            if (leaving && !complete && closes_group(work, state))
                if (const Status closed = close_group(state); !closed) return closed;
            const Result<Room> room = make_room(record, leaving, state);
            if (!room) return room.error();
            if (*room == Room::later) return {};
            if (const Status taken = take(record, complete && !leaving, *room == Room::there, state); !taken) return taken;
            ++done.committed;
        }
        done.staged_end = behind;
    }
    return leaving && closes_group(work, state) ? close_group(state) : Status();
}

// The bridge has committed more than we ever numbered: every numbered row of this old copy is among it.
Status OutboxStore::renew(StoreState& state) {
    if (const Status deleted = delete_acknowledged(INT64_MAX, state); !deleted) return deleted;
    entropy_.fill(state.incarnation);
    state.last_ship = 0;
    state.acknowledged = 0;
    return {};
}

Status OutboxStore::delete_acknowledged(std::uint64_t ship, StoreState& state) {
    Statement& sum = sql_->sum_ships.bind_bits(1, ship);
    const Result<bool> row = sum.step();
    if (!row) return row.error();
    const std::uint64_t rows = sum.bits(0);
    const std::uint64_t bytes = sum.bits(1);
    sum.reset();
    if (const Status deleted = sql_->delete_shipped_rows.bind_bits(1, ship).run(); !deleted) return deleted;
    if (const Status deleted = sql_->delete_ships.bind_bits(1, ship).run(); !deleted) return deleted;
    state.rows -= std::min(state.rows, rows);
    state.numbered_bytes -= std::min(state.numbered_bytes, bytes);
    state.acknowledged = std::min(ship, state.last_ship);
    if (ship >= state.last_ship) state.numbered_bytes = 0;  // sizes that were damaged do not stay behind
    return {};
}

// Rows that will never be sent, with their numbers: else they would hold numbered_bytes for ever. What is
// counted is counted anew, because what is damaged may have been counted wrong.
Status OutboxStore::delete_unsent(const Work& work, StoreState& state) {
    if (condemned_count_ == 0 && work.rejected.empty()) return {};
    for (const std::uint64_t ship : std::span(condemned_).first(condemned_count_))
        if (const Status deleted = delete_ship(ship); !deleted) return deleted;
    for (const std::uint64_t ship : work.rejected)
        if (const Status deleted = delete_ship(ship); !deleted) return deleted;
    // A damaged ship entry does not say which row was its own: one that should have an entry and has none.
    const auto sweep = [&](std::int64_t ids, std::uint64_t first, std::uint64_t numbered) {
        return sql_->delete_orphans.bind(1, ids + static_cast<std::int64_t>(first)).bind(2, ids + static_cast<std::int64_t>(numbered)).run();
    };
    Status swept = sweep(alert_ids, 0, state.numbered_alert);
    if (swept) swept = sweep(result_ids, state.results.first, state.results.numbered);
    if (swept) swept = sweep(result_ids, state.revisions.first, state.revisions.numbered);
    for (const Stretch& stretch : state.waiting())
        if (swept) swept = sweep(result_ids, stretch.first, stretch.numbered);
    if (!swept) return swept;
    Statement& sum = sql_->sum_ships.bind(1, INT64_MAX);
    const Result<bool> row = sum.step();
    if (!row) return row.error();
    state.numbered_bytes = sum.bits(1);
    sum.reset();
    const Result<std::int64_t> rows = sql_->count_rows.number();
    if (!rows) return rows.error();
    state.rows = static_cast<std::uint64_t>(*rows);
    return {};
}

Status OutboxStore::delete_ship(std::uint64_t ship) {
    Statement& find = sql_->find_ship.bind_bits(1, ship);
    const Result<bool> found = find.step();
    if (!found) return found.error();
    const std::int64_t id = *found ? find.integer(0) : 0;
    const bool sound = *found && find.integer(1) == ship_crc(ship, id);
    find.reset();
    if (sound)
        if (const Status deleted = sql_->delete_row.bind(1, id).run(); !deleted) return deleted;
    return sql_->delete_ship.bind_bits(1, ship).run();
}

// In a full file: by coarsening, in this transaction or, while that gets ahead, in the next ones; then as declared.
Result<OutboxStore::Room> OutboxStore::make_room(const StagedRecord& record, bool may_leave, StoreState& state) {
    for (;;) {
        const Result<bool> room = has_room(record.bytes.size(), record.kind == RecordKind::alert);
        if (!room) return room.error();
        if (*room) return Room::there;
        const Result<bool> made = coarsen_for_room(state);
        if (!made) return made.error();
        if (*made) continue;
        if (may_leave && !coarsener_.has_allowance() && (got_ahead_ || state.merged > state_.merged)) return Room::later;
        if (options_.on_full == OnFull::stop) return Room::none;
        const Result<bool> dropped = drop_oldest(state);
        if (!dropped) return dropped.error();
        if (!*dropped) return Room::none;
    }
}

// Writes a record, or counts what it could not take; either way the output position moves past it.
Status OutboxStore::take(const StagedRecord& record, bool sealed, bool room, StoreState& state) {
    const bool alert = record.kind == RecordKind::alert;
    state.output = {record.epoch, record.sequence};
    if (!sealed) state.group_is_open = 1;
    // Also if it is dropped: what was emitted before it is not to be emitted again.
    if (!alert)
        if (const Status moved = move_frontier(record, sealed); !moved) return moved;
    if (!room) {
        ++(alert ? state.dropped_alerts : options_.on_full == OnFull::stop ? state.refused : state.dropped_results);
        return {};
    }
    if (const Status inserted = insert(record, state); !inserted) return inserted;
    if (sealed) seal_rows(state);
    return {};
}

Status OutboxStore::insert(const StagedRecord& record, StoreState& state) {
    const bool alert = record.kind == RecordKind::alert;
    Stretch& stretch = record.revises && state.revisions.first != 0 ? state.revisions : state.results;
    std::uint64_t& last = alert ? state.last_alert : stretch.last;
    const std::int64_t id = (alert ? alert_ids : result_ids) + static_cast<std::int64_t>(++last);
    Statement& statement = sql_->insert_row.bind(1, id).bind_bits(2, record.epoch);
    statement.bind(3, std::int64_t{row_crc(id, record.epoch, record.bytes)}).bind(8, record.bytes);
    const std::optional<RowMerger::Head> head = alert ? std::nullopt : coarsener_.head(record.bytes);
    if (head) {
        statement.bind_bits(4, head->group).bind(5, head->start.us()).bind(6, head->size.us()).bind(7, std::int64_t{head->missing});
        coarsener_.inserted();
    } else {
        for (int column = 4; column < 8; ++column) statement.bind_null(column);
    }
    if (const Status inserted = statement.run(); !inserted) return inserted;
    ++state.rows;
    ++state.unnumbered;
    state.record_bytes_max = std::max<std::uint64_t>(state.record_bytes_max, record.bytes.size());
    used_pages_ += pages_for(record.bytes.size());
    return {};
}

Status OutboxStore::move_frontier(const StagedRecord& record, bool sealed) {
    Statement& move = sealed ? sql_->move_frontier : sql_->move_pending;
    const std::uint32_t crc = checksum_of_frontier({record.definition, record.partition, record.end});
    return move.bind_bits(1, record.definition).bind_bits(2, record.partition).bind(3, record.end.us()).bind(4, std::int64_t{crc}).run();
}

Status OutboxStore::close_group(StoreState& state) {
    if (const Status moved = sql_->settle_pending.run(); !moved) return moved;
    return end_group(state);
}

Status OutboxStore::end_group(StoreState& state) {
    if (const Status forgotten = sql_->forget_pending.run(); !forgotten) return forgotten;
    seal_rows(state);
    state.group_is_open = 0;
    return {};
}

// The beginning of a group that nobody will complete: its rows have no numbers, so nobody has seen them.
Status OutboxStore::forget_group(StoreState& state) {
    const auto forget = [&](std::int64_t ids, std::uint64_t sealed, std::uint64_t last) -> Status {
        const Status deleted = sql_->delete_rows_between.bind(1, ids + static_cast<std::int64_t>(sealed))
                                   .bind(2, ids + static_cast<std::int64_t>(last) + 1)
                                   .run();
        if (!deleted) return deleted;
        const auto rows = static_cast<std::uint64_t>(database_->changes());
        state.rows -= std::min(state.rows, rows);
        state.unnumbered -= std::min(state.unnumbered, rows);
        return {};
    };
    if (const Status alerts = forget(alert_ids, state.sealed_alert, state.last_alert); !alerts) return alerts;
    if (const Status results = forget(result_ids, state.results.sealed, state.results.last); !results) return results;
    if (const Status revisions = forget(result_ids, state.revisions.sealed, state.revisions.last); !revisions) return revisions;
    for (const Stretch& stretch : state.waiting())
        if (const Status results = forget(result_ids, stretch.sealed, stretch.last); !results) return results;
    return end_group(state);
}

// What is counted and what is found differ: damage, which the file's structure shows, or a count to be mended.
Status OutboxStore::expect_sound() {
    const Result<bool> sound = database_->sound();
    if (!sound) return sound.error();
    return *sound ? Status() : Status(Error::corrupt);
}

// Numbers are given late, so that alerts and fresh results can still overtake and policies choose; but always ahead of
// what the uplink can have in flight.
Status OutboxStore::number_rows(StoreState& state) {
    // Every number has been acknowledged: entries that stay could not be found, and would take the room of others.
    if (state.acknowledged >= state.last_ship && state.numbered_bytes > 0) {
        if (const Status sound = expect_sound(); !sound) return sound;
        state.numbered_bytes = 0;
    }
    while (state.unnumbered > 0 && state.numbered_bytes < options_.numbered_bytes_max) {
        const Result<bool> alert =
            number_next(alert_ids, alert_ids + static_cast<std::int64_t>(state.sealed_alert) + 1, state.numbered_alert, state);
        if (!alert) return alert.error();
        if (*alert) continue;
        const Result<bool> fresh = number_result(state.results, state);
        if (!fresh) return fresh.error();
        if (*fresh) continue;
        if (state.revisions.first != 0 && state.numbered_bytes >= options_.backlog_bytes_max) return {};
        const Result<bool> waited = number_backlog(state);
        if (!waited) return waited.error();
        if (*waited) continue;
        if (state.group_is_open != 0) return {};
        // More was counted than is found: a row too many, or a damaged page that hides the others behind it.
        if (const Status sound = expect_sound(); !sound) return sound;
        state.unnumbered = 0;
    }
    if (state.unnumbered > 0 || state.group_is_open != 0) return {};
    state.backlog_count = 0;  // what comes has nothing to overtake
    state.revisions = {};
    return {};
}

Result<bool> OutboxStore::number_result(Stretch& stretch, StoreState& state) {
    return number_next(result_ids, result_ids + static_cast<std::int64_t>(stretch.sealed) + 1, stretch.numbered, state);
}

// Only between two groups: the rest of one would overtake its beginning. A few results are not worth it: at a link that comes
// and goes they would wait behind an old backlog each time.
void OutboxStore::begin_stretch(StoreState& state) const {
    const bool waits = state.unnumbered > 0 && state.results.sealed - state.results.numbered > options_.backlog_bytes_max / usual_row_bytes;
    if (!waits || state.backlog_count == StoreState::backlog_max || state.group_is_open != 0) return;
    state.backlog[static_cast<std::size_t>(state.backlog_count++)] = state.results;
    const auto empty_at = [](std::uint64_t first) { return Stretch{first, first, first, first}; };
    const bool first_of_all = state.revisions.first == 0;
    if (first_of_all) state.revisions = empty_at(state.results.last + 1);
    state.results = empty_at(state.results.last + (first_of_all ? stretch_room : 1));
}

// The oldest first; a stretch that has nothing left makes room for another one.
Result<bool> OutboxStore::number_backlog(StoreState& state) {
    for (std::size_t i = 0; i < state.backlog_count;) {
        const Result<bool> numbered = number_result(state.backlog[i], state);
        if (!numbered || *numbered) return numbered;
        if (state.group_is_open != 0 || i + 1 == state.backlog_count) {
            ++i;
            continue;
        }
        const std::span<Stretch> waiting = state.waiting();
        std::copy(waiting.begin() + static_cast<std::ptrdiff_t>(i) + 1, waiting.end(), waiting.begin() + static_cast<std::ptrdiff_t>(i));
        --state.backlog_count;
    }
    return number_result(state.revisions, state);
}

// The beginning of a record: record.cc.
Timestamp OutboxStore::oldest() {
    Timestamp least;
    if (broken()) return least;
    for (const std::int64_t from : {alert_ids, result_ids}) {
        Statement& find = sql_->first_bytes_after.bind(1, from).bind(2, from == alert_ids ? result_ids : end_ids);
        const Result<bool> row = find.step();
        if (row && *row) {
            ByteReader in(find.bytes(0));
            in.bytes(4);  // version, kind, flags
            in.text();
            in.read<std::uint64_t>();
            in.read<std::int64_t>();
            const Timestamp end = Timestamp::micros(in.read<std::int64_t>());
            if (in.ok() && (least == Timestamp() || end < least)) least = end;
        }
        find.reset();
    }
    return least;
}

Result<bool> OutboxStore::number_next(std::int64_t from, std::int64_t to, std::uint64_t& numbered, StoreState& state) {
    Statement& find = sql_->first_row_after.bind(1, from + static_cast<std::int64_t>(numbered)).bind(2, to);
    const Result<bool> row = find.step();
    if (!row) return row.error();
    const std::int64_t id = *row ? find.integer(0) : 0;
    const std::int64_t size = *row ? find.integer(1) : 0;
    find.reset();
    if (!*row) return false;
    // A damaged page that holds rows out of order would bring some of them twice.
    if (id <= from + static_cast<std::int64_t>(numbered) || id >= to) return Error::corrupt;
    const std::uint64_t ship = ++state.last_ship;
    const Status inserted =
        sql_->insert_ship.bind_bits(1, ship).bind(2, id).bind(3, size).bind(4, std::int64_t{ship_crc(ship, id)}).run();
    if (!inserted) return inserted.error();
    numbered = static_cast<std::uint64_t>(id - from);
    state.unnumbered -= std::min<std::uint64_t>(state.unnumbered, 1);
    state.numbered_bytes += static_cast<std::uint64_t>(size);
    return true;
}

Status OutboxStore::write_checkpoint(const FlashCheckpoint& checkpoint, StoreState& state) {
    if (checkpoint.bytes.size() > options_.checkpoint_bytes_max) return Error::out_of_range;
    std::size_t n = 0;
    for (ByteSpan rest = checkpoint.bytes; !rest.empty(); ++n) {
        const ByteSpan piece = rest.first(std::min(chunk_bytes, rest.size()));
        rest = rest.subspan(piece.size());
        const std::uint64_t hash = hash64(piece) | 1;
        if (chunk_hashes_[n] == hash) continue;
        const Status put = sql_->put_chunk.bind(1, static_cast<std::int64_t>(n)).bind_bits(2, hash).bind(3, piece).run();
        if (!put) return put;
        chunk_hashes_[n] = hash;
    }
    if (const Status deleted = sql_->delete_chunks.bind(1, static_cast<std::int64_t>(n)).run(); !deleted) return deleted;
    std::fill(chunk_hashes_.begin() + static_cast<std::ptrdiff_t>(n), chunk_hashes_.end(), std::uint64_t{0});
    state.has_checkpoint = 1;
    state.checkpoint = checkpoint.info;
    state.checkpoint.size = checkpoint.bytes.size();
    state.checkpoint_crc = crc32c(checkpoint.bytes);
    return {};
}

// ---- room --------------------------------------------------------------------------------------------

Result<Bytes> OutboxStore::count_used_pages() {
    const Result<std::int64_t> pages = sql_->page_count.number();
    if (!pages) return pages.error();
    const Result<std::int64_t> unused = sql_->freelist_count.number();
    if (!unused) return unused.error();
    return static_cast<Bytes>(*pages - *unused);
}

Bytes OutboxStore::row_pages_max() const {
    return options_.bytes_max / Database::page_bytes - std::min(options_.bytes_max / Database::page_bytes, reserved_pages(options_));
}

// Those of the checkpoint have been reserved.
Bytes OutboxStore::row_pages() const {
    const Bytes chunks = state_.has_checkpoint ? state_.checkpoint.size / chunk_bytes : 0;
    return used_pages_ - std::min(used_pages_, chunks);
}

std::span<const Coarsener::Range> OutboxStore::ranges(const StoreState& state) {
    std::size_t count = 0;
    const auto add = [&](const Stretch& stretch) {
        ranges_[count++] = {result_ids + static_cast<std::int64_t>(stretch.numbered), result_ids + static_cast<std::int64_t>(stretch.sealed)};
    };
    for (const Stretch& stretch : state.waiting()) add(stretch);
    add(state.results);
    return std::span(ranges_).first(count);
}

// What rows take in pages that are full.
Result<std::uint64_t> OutboxStore::content_bytes() {
    const Result<std::int64_t> bytes = sql_->sum_rows.number();
    if (!bytes) return bytes.error();
    const Result<std::int64_t> rows = sql_->count_rows.number();
    if (!rows) return rows.error();
    return static_cast<std::uint64_t>(*bytes) + static_cast<std::uint64_t>(*rows) * row_overhead;
}

Status OutboxStore::merge_rows(StoreState& state, std::uint64_t& content) {
    const Result<Coarsener::Done> done = coarsener_.work(ranges(state), coarsen_slice);
    if (!done) return done.error();
    state.rows -= std::min(state.rows, done->merged);
    state.unnumbered -= std::min(state.unnumbered, done->merged);
    state.merged += done->merged;
    state.record_bytes_max = std::max(state.record_bytes_max, done->largest);
    content -= std::min(content, done->freed + done->merged * row_overhead);
    const Result<Bytes> used = count_used_pages();
    if (!used) return used.error();
    used_pages_ = *used;
    return {};
}

Result<bool> OutboxStore::repack_rows(StoreState& state) {
    const Result<bool> more = coarsener_.repack(ranges(state));
    if (!more) return more;
    const Result<Bytes> used = count_used_pages();
    if (!used) return used.error();
    used_pages_ = *used;
    return more;
}

// A bounded part of the work with each commit: more than came in with it, so that it gets ahead. Rows are merged until their
// bytes would fit, then repacked until their pages do; if that was not enough, the next round merges more.
Status OutboxStore::coarsen(std::uint64_t rows, StoreState& state) {
    if (!coarsener_.is_on()) return {};
    if (state.unnumbered == 0) coarsener_.restart();
    const Result<Bytes> used = count_used_pages();
    if (!used) return used.error();
    used_pages_ = *used;
    const auto above = [&](std::uint64_t tenths) { return row_pages() * 10 > row_pages_max() * tenths; };
    if (!coarsening_) {
        if (!above(coarsen_from) || !coarsener_.may_work(state.unnumbered)) return {};
        content_goal_ = coarsen_content;
        coarsener_.begin_with_finest();
    }
    coarsening_ = above(coarsen_down_to);
    const Result<std::uint64_t> counted = content_bytes();
    if (!counted) return counted.error();
    std::uint64_t content = *counted;
    const std::uint64_t slices = (coarsen_looks + coarsen_looks_a_row * rows) / coarsen_slice;
    for (std::uint64_t slice = 0; slice < slices && coarsening_ && coarsener_.has_allowance(); ++slice) {
        if (content * 20 > row_pages_max() * Database::page_bytes * content_goal_ && coarsener_.may_work(state.unnumbered)) {
            if (const Status merged = merge_rows(state, content); !merged) return merged;
        } else {
            const Result<bool> more = repack_rows(state);
            if (!more) return more.error();
            if (!*more) {
                coarsening_ = coarsener_.may_work(state.unnumbered) && content_goal_ > 0;
                if (content_goal_ > 0) --content_goal_;
            }
        }
        coarsening_ = coarsening_ && above(coarsen_down_to);
    }
    return {};
}

// Before anything is dropped: as much work as the log has room for.
Result<bool> OutboxStore::coarsen_for_room(StoreState& state) {
    const Bytes before = used_pages_;
    std::uint64_t content = 0;
    while (coarsener_.may_work(state.unnumbered / 4) && coarsener_.has_allowance()) {
        if (const Status merged = merge_rows(state, content); !merged) return merged.error();
        if (used_pages_ < before) return true;
    }
    while (coarsener_.is_on() && coarsener_.has_allowance()) {
        const Result<bool> more = repack_rows(state);
        if (!more || !*more) return more;
        if (used_pages_ < before) return true;
    }
    return false;
}

// used_pages_ is an upper estimate between countings, so most calls ask SQLite nothing.
Result<bool> OutboxStore::has_room(Bytes record_bytes, bool alert) {
    const Bytes chunks_written = state_.has_checkpoint ? state_.checkpoint.size / chunk_bytes : 0;
    Bytes reserved = reserved_pages(options_) - margin_pages + room_margin_pages_;
    reserved -= std::min(reserved - room_margin_pages_ - alert_room_pages, chunks_written);
    if (alert) reserved -= alert_room_pages;
    const Bytes pages_max = options_.bytes_max / Database::page_bytes;
    const Bytes wanted = pages_for(record_bytes) + reserved;
    if (used_pages_ + wanted <= pages_max) return true;
    const Result<Bytes> used = count_used_pages();
    if (!used) return used.error();
    used_pages_ = *used;
    return used_pages_ + wanted <= pages_max;
}

// Rows without a number first: of one that has a number nobody knows whether it has arrived. Rows of
// this very transaction are the newest of all and go after everything older; alerts go last.
Result<bool> OutboxStore::drop_oldest(StoreState& state) {
    const auto end_of = [](std::uint64_t last) { return result_ids + static_cast<std::int64_t>(last) + 1; };
    for (Stretch& stretch : state.waiting()) {
        const Result<bool> waiting = drop_unnumbered(result_ids, end_of(stretch.last), stretch.numbered, state);
        if (!waiting || *waiting) return waiting;
    }
    const Result<bool> revision = drop_unnumbered(result_ids, end_of(state.revisions.last), state.revisions.numbered, state);
    if (!revision || *revision) return revision;
    const Result<bool> waiting = drop_unnumbered(result_ids, end_of(state_.results.last), state.results.numbered, state);
    if (!waiting || *waiting) return waiting;
    const Result<bool> numbered = drop_numbered(false, state);
    if (!numbered || *numbered) return numbered;
    const Result<bool> fresh = drop_unnumbered(result_ids, end_ids, state.results.numbered, state);
    if (!fresh || *fresh) return fresh;
    const Result<bool> alert = drop_unnumbered(alert_ids, result_ids, state.numbered_alert, state);
    if (!alert || *alert) return alert;
    return drop_numbered(true, state);
}

Result<bool> OutboxStore::drop_unnumbered(std::int64_t from, std::int64_t to, std::uint64_t& numbered,
                                          StoreState& state) {
    Statement& find = sql_->first_row_after.bind(1, from + static_cast<std::int64_t>(numbered)).bind(2, to);
    const Result<bool> row = find.step();
    if (!row) return row.error();
    const std::int64_t id = *row ? find.integer(0) : 0;
    find.reset();
    if (!*row) return false;
    if (const Status deleted = sql_->delete_row.bind(1, id).run(); !deleted) return deleted.error();
    state.rows -= std::min<std::uint64_t>(state.rows, 1);
    state.unnumbered -= std::min<std::uint64_t>(state.unnumbered, 1);
    ++(from == alert_ids ? state.dropped_alerts : state.dropped_results);
    return true;
}

Result<bool> OutboxStore::drop_numbered(bool alerts, StoreState& state) {
    Statement& find = sql_->first_ship_of_class.bind(1, alerts ? alert_ids : result_ids)
                          .bind(2, alerts ? result_ids : end_ids);
    const Result<bool> row = find.step();
    if (!row) return row.error();
    const std::uint64_t ship = *row ? find.bits(0) : 0;
    const std::int64_t id = *row ? find.integer(1) : 0;
    const std::uint64_t size = *row ? find.bits(2) : 0;
    find.reset();
    if (!*row) return false;
    if (const Status deleted = sql_->delete_row.bind(1, id).run(); !deleted) return deleted.error();
    if (const Status deleted = sql_->delete_ship.bind_bits(1, ship).run(); !deleted) return deleted.error();
    state.rows -= std::min<std::uint64_t>(state.rows, 1);
    state.numbered_bytes -= std::min(state.numbered_bytes, size);
    ++(alerts ? state.dropped_alerts : state.dropped_results);
    return true;
}

// ---- reading for the uplink --------------------------------------------------------------------------

Status OutboxStore::refill(SendBuffer& buffer) {
    const SendBuffer::Cursor cursor = buffer.cursor();
    if (!cursor.wanted || cursor.after_ship >= state_.last_ship) {
        damage_met_ = 0;
        return {};
    }
    Statement& select = sql_->ships_after.bind_bits(1, cursor.after_ship);
    Status status;
    std::uint64_t before = cursor.after_ship;
    for (;;) {
        const Result<bool> found = select.step();
        if (!found) status = found.error();
        if (!found || !*found) break;
        const std::uint64_t ship = select.bits(0);
        // Only a damaged page has numbers out of order, or some that were never given: what comes behind would stay.
        if (ship <= before || ship > state_.last_ship) {
            status = Error::corrupt;
            break;
        }
        before = ship;
        const std::int64_t id = select.integer(1);
        const std::uint64_t epoch = select.bits(3);
        const ByteSpan bytes = select.bytes(5);
        const bool sound = !select.is_null(5) && select.integer(2) == ship_crc(ship, id) &&
                           select.integer(4) == row_crc(id, epoch, bytes);
        if (!sound || bytes.size() > row_bytes_max()) {
            if (condemned_count_ == condemned_max) break;  // the next commit makes room
            if (sound)
                condemn(ship, "larger than this configuration's buffers", oversize_rows_);
            else
                condemn(ship, "damaged on flash", corrupt_rows_);
            buffer.passed(cursor, ship);
            continue;
        }
        if (!buffer.append(cursor, {ship, epoch, bytes})) break;
    }
    select.reset();
    if (!status) return break_down(status);
    damage_met_ = 0;
    return {};
}

Bytes OutboxStore::row_bytes_max() const {
    const Bytes room = options_.send_bytes - SendBuffer::header_bytes;
    const auto stored = static_cast<Bytes>(std::min<std::uint64_t>(state_.record_bytes_max, room));
    return std::max(options_.record_bytes_max, stored);
}

// A refill after a jump back finds the same rows again, before they are deleted.
void OutboxStore::condemn(std::uint64_t ship, const char* why, std::uint64_t& counter) {
    const auto all = std::span(condemned_).first(condemned_count_);
    if (std::find(all.begin(), all.end(), ship) == all.end()) condemned_[condemned_count_++] = ship;
    if (ship <= last_condemned_ship_) return;
    last_condemned_ship_ = ship;
    ++counter;
    WEIR_LOG_ERROR("outbox", "record %llu is %s: it is not sent and is deleted",
                   static_cast<unsigned long long>(ship), why);
}

void OutboxStore::forgive() {
    condemned_count_ = 0;
    last_condemned_ship_ = 0;
}

// ---- what the file's bytes mean ----------------------------------------------------------------------

int OutboxStore::application() { return application_id; }
int OutboxStore::newest_schema() { return schema_version; }
Result<StoreState> OutboxStore::read_state(ByteSpan bytes) { return decode_state(bytes); }
std::uint32_t OutboxStore::checksum_of_row(std::int64_t id, std::uint64_t epoch, ByteSpan record) {
    return row_crc(id, epoch, record);
}
std::uint32_t OutboxStore::checksum_of_frontier(const Frontier& frontier) {
    std::array<std::byte, 24> bytes;
    store_le(bytes.data(), frontier.definition);
    store_le(bytes.data() + 8, frontier.partition);
    store_le(bytes.data() + 16, frontier.end.us());
    return crc32c(bytes);
}
std::uint32_t OutboxStore::checksum_of_ship(std::uint64_t ship, std::int64_t row) { return ship_crc(ship, row); }
OutboxStore::Ids OutboxStore::ids_of(bool alerts) {
    return alerts ? Ids{alert_ids, result_ids} : Ids{result_ids, end_ids};
}

}  // namespace weir

#include "uplink/outbox_reader.h"

#include <algorithm>

#include "agent/base/hash.h"

namespace weir {
namespace {

// Behind a damaged page one row after the other is asked for; then, in what is likely a damaged inner page, in strides.
constexpr std::uint64_t single_steps = 4096;

}  // namespace

Result<std::unique_ptr<OutboxReader>> OutboxReader::open(const std::string& path, Bytes cache_bytes) {
    Database::Options options;
    options.path = path;
    options.cache_bytes = cache_bytes;
    options.only_read = true;
    Result<std::unique_ptr<Database>> database = Database::open(options);
    if (!database) return database.error();
    std::unique_ptr<OutboxReader> reader(new OutboxReader(std::move(*database)));
    const Result<std::int64_t> owner = reader->database_->number("PRAGMA application_id");
    if (!owner) return owner.error();
    if (*owner != OutboxStore::application()) return Error::corrupt;
    const Result<std::int64_t> version = reader->database_->number("PRAGMA user_version");
    if (!version) return version.error();
    if (*version > OutboxStore::newest_schema()) return Error::unsupported;
    (void)reader->read_state().ok();
    return reader;
}

Status OutboxReader::read_state() {
    Result<Statement> select = database_->prepare("SELECT bytes FROM state WHERE id=1");
    if (!select) return select.error();
    const Result<bool> row = select->step();
    if (!row) return row.error();
    if (!*row) return Error::missing;
    const Result<StoreState> state = OutboxStore::read_state(select->bytes(0));
    if (!state) return state.error();
    state_ = *state;
    return {};
}

Result<OutboxReader::Rows> OutboxReader::each_row(const std::function<Status(const Row&)>& taker) {
    Rows rows;
    for (const bool alert : {true, false})
        if (const Status read = each_of_class(alert, taker, rows); !read) return read.error();
    return rows;
}

Status OutboxReader::each_of_class(bool alert, const std::function<Status(const Row&)>& taker, Rows& rows) {
    Result<Statement> select =
        database_->prepare("SELECT id, epoch, crc, bytes FROM row WHERE id>?1 AND id<?2 ORDER BY id");
    Result<Statement> ship_of = database_->prepare("SELECT ship, crc FROM ship WHERE row=?1");
    if (!select) return select.error();
    const OutboxStore::Ids ids = OutboxStore::ids_of(alert);
    // Where rows end if the structure does not say: nothing behind the last number was ever taken.
    const std::int64_t last = state_ ? ids.first + static_cast<std::int64_t>(alert ? state_->last_alert : state_->results.last) : 0;
    std::uint64_t stride = 1;
    std::uint64_t failures = 0;
    for (std::int64_t at = ids.first;;) {
        select->bind(1, at).bind(2, ids.end);
        Status ended;
        for (;;) {
            const Result<bool> found = select->step();
            if (!found) ended = found.error();
            if (!found || !*found) break;
            const std::int64_t id = select->integer(0);
            if (id <= at) ended = Error::corrupt;  // rows rise: else it may never end
            if (id <= at) break;
            at = id;
            Row row{alert, static_cast<std::uint64_t>(id - ids.first), select->bits(1), 0, select->bytes(3)};
            if (select->is_null(3) || select->integer(2) != OutboxStore::checksum_of_row(id, row.epoch, row.record)) {
                ++rows.damaged;
                continue;
            }
            if (ship_of) {
                const Result<bool> numbered = ship_of->bind(1, id).step();
                if (numbered && *numbered && ship_of->integer(1) == OutboxStore::checksum_of_ship(ship_of->bits(0), id))
                    row.ship = ship_of->bits(0);
                ship_of->reset();
            }
            ++rows.sound;
            if (const Status taken = taker(row); !taken) {
                select->reset();
                return taken;
            }
        }
        select->reset();
        if (ended || ended.error() != Error::corrupt) return ended;
        if (failures == 0 || stride == 1) ++rows.unreadable;
        if (++failures > single_steps) stride *= 2;
        at += static_cast<std::int64_t>(stride);
        if (at >= last) return {};
    }
}

// Before version 6 they had no checksums.
bool OutboxReader::read_frontiers(const std::string& table, std::vector<Frontier>& into) {
    const auto columns = [&](const char* names) {
        return database_->prepare(("SELECT " + std::string(names) + " FROM " + table + " ORDER BY definition, partition").c_str());
    };
    Result<Statement> with_crc = columns("definition, partition, end, crc");
    Result<Statement> without = with_crc ? Result<Statement>(Error::missing) : columns("definition, partition, end");
    if (!with_crc && !without) return false;
    const bool has_crc = with_crc.ok();
    Statement* const select = has_crc ? &*with_crc : &*without;
    for (bool whole = true;;) {
        const Result<bool> row = select->step();
        if (!row) return false;
        if (!*row) return whole;
        const Frontier found{select->bits(0), select->bits(1), Timestamp::micros(select->integer(2))};
        const bool sound = !has_crc || select->integer(3) == OutboxStore::checksum_of_frontier(found);
        if (sound) into.push_back(found);
        whole = whole && sound;
    }
}

OutboxReader::Frontiers OutboxReader::frontiers() {
    Frontiers all;
    all.whole = read_frontiers("frontier", all.emitted);
    const Result<std::int64_t> version = database_->number("PRAGMA user_version");
    if (version && *version >= 3) all.whole &= read_frontiers("pending", all.pending);
    return all;
}

Status OutboxReader::each_chunk(const std::function<Status(ByteSpan)>& taker) {
    if (!state_ || state_->has_checkpoint == 0) return Error::missing;
    Result<Statement> select = database_->prepare("SELECT bytes FROM chunk ORDER BY n");
    if (!select) return select.error();
    Bytes bytes = 0;
    std::uint32_t crc = crc32c({});
    while (bytes < state_->checkpoint.size) {
        const Result<bool> row = select->step();
        if (!row) return row.error();
        if (!*row) break;
        const ByteSpan piece = select->bytes(0);
        if (piece.size() != std::min(OutboxStore::chunk_bytes, state_->checkpoint.size - bytes)) return Error::corrupt;
        bytes += piece.size();
        crc = crc32c(piece, crc);
        if (const Status taken = taker(piece); !taken) return taken;
    }
    return bytes == state_->checkpoint.size && crc == state_->checkpoint_crc ? Status() : Status(Error::corrupt);
}

Result<std::string> OutboxReader::checkpoint() {
    std::string all;
    const Status read = each_chunk([&](ByteSpan piece) {
        all.append(as_text(piece));
        return Status();
    });
    if (!read) return read.error();
    return all;
}

std::string OutboxReader::structure() {
    Result<Statement> check = database_->prepare("PRAGMA quick_check(1)");
    if (!check) return database_->message();
    const Result<bool> row = check->step();
    if (!row || !*row) return database_->message();
    std::string said(as_text(check->bytes(0)));
    return said == "ok" ? std::string() : said;
}

}  // namespace weir

#include "uplink/coarsener.h"

#include <algorithm>
#include <array>
#include <bit>

#include "agent/base/hash.h"
#include "uplink/outbox_store.h"

namespace weir {
namespace {

constexpr std::uint64_t cost_of_merge = 16;
constexpr std::size_t places_max = std::size_t{1} << 15;
constexpr Bytes packing_bytes = Bytes{32} << 10;
constexpr std::size_t packed_max = 128;
constexpr unsigned fruitless_max = 4;  // tables with other collisions, before a pass without a find is believed

std::size_t places(const OutboxOptions& options) {
    return !options.coarsen ? 0 : std::bit_ceil(std::clamp<std::size_t>(options.groups_max * 2, 64, places_max));
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

// How many times a window's size must be doubled to come near a quantum.
unsigned doublings(std::int64_t quantum, std::int64_t size) {
    return quantum < size ? 0 : static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(quantum / size))) - 1;
}

}  // namespace

// A row while it is not in the table.
struct Coarsener::Packed {
    std::int64_t columns[6];  // id, epoch, crc, grp, start, size
    std::int64_t missing;
    bool may_merge;
    ByteSpan bytes;
};

Bytes Coarsener::need(const OutboxOptions& options) {
    if (!options.coarsen) return 0;
    return Arena::need<Seen>(places(options)) + Arena::need<std::byte>(options.record_bytes_max) +
           Arena::need<std::byte>(packing_bytes) + Arena::need<Packed>(packed_max);
}

Bytes Coarsener::rewritten_bytes_max(const OutboxOptions& options) {
    return !options.coarsen ? 0 : (Bytes{1} << 20) + 2 * options.staging_bytes;
}

Coarsener::Coarsener(const OutboxOptions& options, Arena& arena)
    : merger_(options.coarsen ? options.merger : nullptr), rewritten_max_(rewritten_bytes_max(options)) {
    if (!options.coarsen) return;
    table_ = arena.take<Seen>(places(options));
    out_ = arena.take<std::byte>(options.record_bytes_max);
    packing_ = arena.take<std::byte>(packing_bytes);
    packed_ = arena.take<Packed>(packed_max);
}

Status Coarsener::prepare(Database& database) {
    close();
    if (!is_on()) return {};
    Statements all;
    Status result;
    const auto make = [&](Statement& into, const char* sql) {
        if (!result) return;
        Result<Statement> made = database.prepare(sql);
        if (made)
            into = std::move(*made);
        else
            result = made.error();
    };
    constexpr const char* get = "SELECT epoch, crc, grp, bytes FROM row WHERE id=?1";
    make(all.next,
         "SELECT id, grp, start, size FROM row WHERE id>?1 AND id<=?2 AND grp IS NOT NULL AND missing=0"
         " ORDER BY id LIMIT 1");
    make(all.get_first, get);
    make(all.get_second, get);
    make(all.replace, "UPDATE row SET epoch=?2, crc=?3, missing=?4, bytes=?5 WHERE id=?1");
    make(all.remove, "DELETE FROM row WHERE id=?1");
    make(all.next_revision,
         "SELECT id FROM row WHERE missing>0 AND grp=?1 AND start=?2 AND id<>?3 ORDER BY missing LIMIT 1");
    make(all.frontier, "SELECT end, crc FROM frontier WHERE definition=?1 AND partition=?2");
    make(all.rows_behind,
         "SELECT id, epoch, crc, grp, start, size, missing, bytes FROM row WHERE id>?1 AND id<=?2 ORDER BY id");
    make(all.remove_between, "DELETE FROM row WHERE id>=?1 AND id<=?2");
    make(all.insert,
         "INSERT INTO row(id,epoch,crc,grp,start,size,missing,bytes) VALUES(?1,?2,?3,?4,?5,?6,?7,?8)");
    if (result) sql_.emplace(std::move(all));
    return result;
}

void Coarsener::close() {
    sql_.reset();
    restart();
}

void Coarsener::restart() {
    in_pass_ = false;
    settled_id_ = 0;
    settled_quantum_ = 0;
    exhausted_ = false;
    new_rows_ = 0;
    fruitless_ = 0;
    packed_id_ = 0;
}

std::uint32_t Coarsener::row_crc(std::int64_t id, std::uint64_t epoch, ByteSpan bytes) {
    std::array<std::byte, 16> head;
    store_le(head.data(), id);
    store_le(head.data() + 8, epoch);
    return crc32c(bytes, crc32c(head));
}

Coarsener::Seen& Coarsener::place_of(std::uint64_t group) {
    return table_[static_cast<std::size_t>((group ^ salt_) * 0x9e3779b97f4a7c15ULL >> 40) & (table_.size() - 1)];
}

void Coarsener::begin_pass(std::int64_t quantum, std::int64_t from, std::span<const Range> ranges) {
    in_pass_ = true;
    quantum_ = quantum;
    whole_ = from <= ranges.front().first;
    if (whole_ && quantum < settled_quantum_) settled_quantum_ = 0;
    at_ = from;
    end_ = ranges.back().last;
    first_ = 0;
    next_quantum_ = 0;
    merges_ = collisions_ = 0;
    std::fill(table_.begin(), table_.end(), Seen{});
}

// The range in which the pass is, or the next one: what it has met in another one has no neighbours there. Gives up to
// where to look.
std::int64_t Coarsener::enter_range(std::span<const Range> ranges) {
    const auto has_more = [this](const Range& range) { return range.last > std::max(at_, range.first); };
    const auto in = std::find_if(ranges.begin(), ranges.end() - 1, has_more);
    if (at_ <= in->first && in->first != first_) std::fill(table_.begin(), table_.end(), Seen{});
    first_ = in->first;
    at_ = std::max(at_, first_);
    return std::min(in->last, end_);
}

Result<Coarsener::Done> Coarsener::work(std::span<const Range> ranges, std::uint64_t allowance) {
    Done done;
    if (!sql_) return done;
    if (exhausted_) {
        exhausted_ = false;
        fruitless_ = 0;
    }
    if (!in_pass_) begin_pass(0, settled_id_, ranges);
    for (std::uint64_t used = 0; used < allowance && rewritten_ < rewritten_max_; ++used) {
        const std::int64_t up_to = enter_range(ranges);
        Statement& next = sql_->next.bind(1, at_).bind(2, up_to);
        const Result<bool> found = next.step();
        if (!found) return found.error();
        const std::int64_t size = *found ? next.integer(3) : 0;
        const std::int64_t unit = floor_divide(next.integer(2), std::max<std::int64_t>(size, 1));
        const Seen row{next.bits(1), unit, next.integer(0)};
        next.reset();
        if (!*found) {
            if (at_ < up_to && up_to < end_) {
                at_ = up_to;
                continue;
            }
            end_pass();
            if (exhausted_) break;
            // What is new comes level with what is there; then all of it goes on.
            const bool level = !whole_ && (next_quantum_ == 0 || next_quantum_ > settled_quantum_);
            if (whole_)
                begin_pass(next_quantum_ == 0 ? quantum_ : next_quantum_, 0, ranges);
            else
                begin_pass(level ? settled_quantum_ : next_quantum_, level ? 0 : settled_id_, ranges);
            continue;
        }
        at_ = row.id;
        const std::uint64_t merged = done.merged;
        if (size > 0)
            if (const Status looked = look(row, size, done); !looked) return looked.error();
        used += (done.merged - merged) * cost_of_merge;
    }
    done.exhausted = exhausted_;
    return done;
}

// A whole pass that neither merged anything nor saw what a longer one would merge is the last, unless groups hid one
// another.
void Coarsener::end_pass() {
    in_pass_ = false;
    if (collisions_ > 0) salt_ = salt_ * 6364136223846793005ULL + 1442695040888963407ULL;
    if (whole_) {
        settled_quantum_ = quantum_;
        settled_id_ = end_;
    }
    if (!whole_ || merges_ > 0 || next_quantum_ > 0) {
        fruitless_ = 0;
        return;
    }
    if (collisions_ > 0 && ++fruitless_ < fruitless_max) return;
    exhausted_ = true;
    new_rows_ = 0;
}

Status Coarsener::look(const Seen& row, std::int64_t size, Done& done) {
    Seen& last = place_of(row.group);
    // A row that has got a number since it was seen is frozen.
    if (last.group == row.group && last.id > first_) {
        const unsigned times = doublings(quantum_, size);
        if (times > 0 && last.unit >> times == row.unit >> times) {
            const Status joined = join(last, row, done);
            if (joined) return {};  // what the group had met stands for both
            if (joined.error() != Error::refused) return joined;
        } else {
            const auto apart = static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(last.unit ^ row.unit)));
            if (apart > 0 && apart < 62 && size <= INT64_MAX >> apart) {
                const std::int64_t wanted = size << apart;
                if (next_quantum_ == 0 || wanted < next_quantum_) next_quantum_ = wanted;
            }
        }
    } else if (last.group != 0 && last.group != row.group) {
        ++collisions_;
    }
    last = row;
    return {};
}

// Error::refused, here and below: the row stays as it is.
Status Coarsener::get(Statement& statement, std::int64_t id, std::uint64_t group, Row& row) {
    statement.reset();
    const Result<bool> found = statement.bind(1, id).step();
    if (!found) return found.error();
    if (!*found) return Error::refused;
    row.id = id;
    row.epoch = statement.bits(0);
    row.bytes = statement.bytes(3);
    if (statement.integer(1) != row_crc(id, row.epoch, row.bytes)) return Error::refused;
    const std::optional<RowMerger::Head> head = merger_->head(row.bytes);
    if (!head || head->group != group) return Error::refused;
    row.head = *head;
    return {};
}

Status Coarsener::is_final(const RowMerger::Head& head) {
    if (head.wait <= Duration{}) return {};
    Statement& find = sql_->frontier.bind_bits(1, head.definition).bind_bits(2, head.partition);
    const Result<bool> found = find.step();
    const Frontier frontier{head.definition, head.partition, Timestamp::micros(found && *found ? find.integer(0) : 0)};
    const bool sound = found && *found && find.integer(1) == OutboxStore::checksum_of_frontier(frontier);
    find.reset();
    if (!found) return found.error();
    return sound && frontier.end >= head.end + head.wait ? Status{} : Status(Error::refused);
}

Status Coarsener::join(const Seen& first, const Seen& second, Done& done) {
    struct Resets {
        Statements& sql;
        ~Resets() {
            sql.get_first.reset();
            sql.get_second.reset();
        }
    } resets{*sql_};
    Row row;
    for (const Seen* each : {&second, &first}) {
        if (const Status got = get(sql_->get_first, each->id, each->group, row); !got) return got;
        // Of rows that wait for nothing both are what they will be.
        if (row.head.wait <= Duration{}) break;
        if (const Status settled = settle_revisions(row, done); !settled) return settled;
    }
    Row a;
    Row b;
    if (const Status got = get(sql_->get_first, first.id, first.group, a); !got) return got;
    if (const Status got = get(sql_->get_second, second.id, second.group, b); !got) return got;
    return put(a, b, done);
}

// Of an interval that was revised the last revision alone may be merged, and only if none of them can have been sent.
Status Coarsener::settle_revisions(Row& row, Done& done) {
    if (const Status final = is_final(row.head); !final) return final;
    while (row.head.windows == 1) {
        const Result<std::int64_t> revision =
            sql_->next_revision.bind_bits(1, row.head.group).bind(2, row.head.start.us()).bind(3, row.id).number();
        if (!revision && revision.error() != Error::missing) return revision.error();
        if (!revision) break;
        const std::int64_t id = row.id;
        const std::uint64_t group = row.head.group;
        Row next;
        if (const Status got = get(sql_->get_second, *revision, group, next); !got) return got;
        if (const Status merged = put(row, next, done); !merged) return merged;
        if (const Status got = get(sql_->get_first, id, group, row); !got) return got;
    }
    return row.head.missing == 0 ? Status{} : Status(Error::refused);
}

// What both say takes the place of the first.
Status Coarsener::put(const Row& first, const Row& second, Done& done) {
    ByteWriter out(out_);
    if (!merger_->merge(first.bytes, second.bytes, out)) return Error::refused;
    const std::uint64_t epoch = std::max(first.epoch, second.epoch);
    const std::optional<RowMerger::Head> head = merger_->head(out.written());
    if (!head || head->group != first.head.group) return Error::refused;
    const std::int64_t id = first.id;
    const std::int64_t gone = second.id;
    const Bytes both = first.bytes.size() + second.bytes.size();
    done.freed += both - std::min(out.size(), both);
    rewritten_ += both + 2 * Database::page_bytes;
    sql_->get_first.reset();
    sql_->get_second.reset();
    const Status replaced = sql_->replace.bind(1, id)
                                .bind_bits(2, epoch)
                                .bind(3, std::int64_t{row_crc(id, epoch, out.written())})
                                .bind(4, std::int64_t{head->missing})
                                .bind(5, out.written())
                                .run();
    if (!replaced) return replaced;
    if (const Status removed = sql_->remove.bind(1, gone).run(); !removed) return removed;
    ++done.merged;
    ++merges_;
    done.largest = std::max<std::uint64_t>(done.largest, out.size());
    return {};
}

// Rows that stand side by side go out of the tree and come back: into as few pages as it takes.
Result<bool> Coarsener::repack(std::span<const Range> ranges) {
    if (!sql_) return false;
    const auto has_more = [this](const Range& range) { return range.last > packed_id_; };
    const auto in = std::find_if(ranges.begin(), ranges.end(), has_more);
    if (in == ranges.end()) {
        packed_id_ = 0;
        return false;
    }
    Statement& rows = sql_->rows_behind.bind(1, std::max(packed_id_, in->first)).bind(2, in->last);
    std::size_t count = 0;
    ByteWriter bytes(packing_);
    std::int64_t last = in->last;
    for (;;) {
        const Result<bool> found = rows.step();
        if (!found) return found.error();
        if (!*found) break;
        const ByteSpan row = rows.bytes(7);
        if (count == packed_.size() || row.size() > bytes.remaining()) {
            last = count > 0 ? packed_[count - 1].columns[0] : rows.integer(0);  // one that is too large stays
            break;
        }
        Packed& to = packed_[count++];
        for (int column = 0; column < 6; ++column) to.columns[column] = rows.integer(column);
        to.may_merge = !rows.is_null(3);
        to.missing = rows.integer(6);
        const MutableByteSpan place = bytes.reserve(row.size());
        std::copy(row.begin(), row.end(), place.begin());
        to.bytes = place;
    }
    rows.reset();
    packed_id_ = last;
    if (count < 2) return true;
    Statement& remove = sql_->remove_between.bind(1, packed_[0].columns[0]).bind(2, packed_[count - 1].columns[0]);
    const Status removed = remove.run();
    if (!removed) return removed.error();
    for (const Packed& row : packed_.first(count)) {
        Statement& insert = sql_->insert;
        for (int column = 0; column < 6; ++column) insert.bind(column + 1, row.columns[column]);
        insert.bind(7, row.missing).bind(8, row.bytes);
        if (!row.may_merge)
            for (int column = 4; column < 8; ++column) insert.bind_null(column);
        if (const Status inserted = insert.run(); !inserted) return inserted.error();
    }
    rewritten_ += bytes.size() + Database::page_bytes;
    return true;
}

}  // namespace weir

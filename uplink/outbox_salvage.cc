// What can be saved of a damaged file, as the beginning of the one that takes its place.
//
// The identity stays, if it is known: from the file's state row, or from this process if it had the file open. Then ship
// numbers say the same as before, and what the bridge tells at the next greeting is true of the new file as well. A row
// is taken over if its checksum holds and it is certain what it is: numbered and not acknowledged, with its number; or
// behind every row that ever got a number. A row that had a number which cannot be read may have been delivered: it is
// given up. So is everything if the state is not known; then a new incarnation begins. Rows that were taken over are not
// coarsened any more.
// If its first page is damaged, that is put right in the file set aside: its header has no checksum, and says how all other
// pages are read. What can be read then decides whether it stays so.
// A file whose state row is older than it says (pages or the log's end lost) is an old copy: what welcome() and renew()
// do about those holds, since no number is given before the bridge has spoken.
//
// The new file bears a mark until it holds everything, and is begun again if a start finds the mark.
#include <algorithm>

#include "agent/base/hash.h"
#include "agent/base/log.h"
#include "uplink/header_page.h"
#include "uplink/outbox_reader.h"
#include "uplink/outbox_store.h"

namespace weir {
namespace {

constexpr Bytes reader_cache_bytes = Bytes{64} << 10;
constexpr Bytes batch_bytes = Bytes{256} << 10;

unsigned long long number(std::uint64_t n) { return n; }

// Of two states of one file the one that was written later.
bool is_older(const StoreState& a, const StoreState& b) {
    return a.incarnation != b.incarnation || a.epoch < b.epoch || a.output < b.output || a.last_ship < b.last_ship ||
           a.acknowledged < b.acknowledged;
}

// How much can be read of a file: its identity above all.
std::uint64_t readable(const std::string& path) {
    const Result<std::unique_ptr<OutboxReader>> reader = OutboxReader::open(path, reader_cache_bytes);
    if (!reader || !(*reader)->state()) return 0;
    std::uint64_t found = 1;
    (void)(*reader)->each_row([&](const OutboxReader::Row& row) {
        found += row.ship == 0 ? 1 : 2;
        return Status();
    });
    const OutboxReader::Frontiers frontiers = (*reader)->frontiers();
    found += frontiers.emitted.size() + frontiers.pending.size();
    return found + ((*reader)->each_chunk([](ByteSpan) { return Status(); }).ok() ? 1 : 0);
}

// The first page of a file that is not open.
class FirstPage {
public:
    FirstPage(Files& files, const std::string& path) : files_(files), path_(path) {
        if (const Result<Bytes> size = files.size(path); size && *size >= bytes.size()) size_ = *size;
        if (const auto file = map()) std::copy_n(file->memory().begin(), bytes.size(), bytes.begin());
    }
    Bytes file_bytes() const { return size_; }  // 0: it cannot be read or written
    bool put(ByteSpan content) {
        const auto file = map();
        if (file == nullptr) return false;
        std::copy(content.begin(), content.end(), file->memory().begin());
        return file->sync().ok();
    }
    std::vector<std::byte> bytes = std::vector<std::byte>(Database::page_bytes);

private:
    std::unique_ptr<MappedFile> map() {
        Result<std::unique_ptr<MappedFile>> file = size_ == 0 ? Error::missing : files_.map(path_, size_);
        if (!file) size_ = 0;
        return file ? std::move(*file) : nullptr;
    }
    Files& files_;
    const std::string path_;
    Bytes size_ = 0;
};

}  // namespace

class OutboxStore::Salvage {
public:
    Salvage(Database& into, OutboxReader* from, const StoreState& known) : into_(into), from_(from), known_(known), state_(known) {}

    Status run() {
        state_.rows = state_.unnumbered = state_.numbered_bytes = 0;
        state_.has_checkpoint = 0;
        if (const Status prepared = prepare(); !prepared) return prepared;
        if (const Status begun = into_.execute("BEGIN IMMEDIATE"); !begun) return begun;
        if (from_ != nullptr) {
            const Result<OutboxReader::Rows> read = from_->each_row([&](const OutboxReader::Row& row) { return take(row); });
            if (!written_) return written_;
            if (!read) WEIR_LOG_ERROR("outbox", "rows behind %llu cannot be read", number(saved_));
            if (const Status frontiers = take_frontiers(); !frontiers) return frontiers;
            if (const Status checkpoint = take_checkpoint(); !checkpoint) return checkpoint;
        }
        return {};
    }
    const StoreState& state() const { return state_; }
    std::uint64_t saved() const { return saved_; }
    // Rows the state counts that are not there any more.
    std::uint64_t lost() const { return known_.rows - std::min(known_.rows, saved_ + delivered_); }

private:
    Status prepare() {
        const auto make = [&](Statement& into, const char* sql) -> Status {
            Result<Statement> made = into_.prepare(sql);
            if (!made) return made.error();
            into = std::move(*made);
            return {};
        };
        Status status = make(insert_row_, "INSERT OR IGNORE INTO row(id,epoch,crc,bytes) VALUES(?1,?2,?3,?4)");
        if (status) status = make(insert_ship_, "INSERT OR IGNORE INTO ship(ship,row,size,crc) VALUES(?1,?2,?3,?4)");
        if (status) status = make(delete_row_, "DELETE FROM row WHERE id=?1");
        if (status) status = make(put_chunk_, "REPLACE INTO chunk(n,hash,bytes) VALUES(?1,?2,?3)");
        if (status) status = make(put_frontier_, "REPLACE INTO frontier(definition,partition,end,crc) VALUES(?1,?2,?3,?4)");
        if (status) status = make(put_pending_, "REPLACE INTO pending(definition,partition,end,crc) VALUES(?1,?2,?3,?4)");
        return status;
    }

    // A full medium or an error of it ends the salvage; nothing that is wrong with a row does.
    Status take(const OutboxReader::Row& row) {
        const Stretch* const stretch = row.alert ? nullptr : known_.find(row.number);
        if (row.alert ? row.number > known_.last_alert : stretch == nullptr) return {};
        const std::uint64_t numbered = row.alert ? known_.numbered_alert : stretch->numbered;
        const bool has_number = row.ship != 0 && from_is_of_this_incarnation();
        if (has_number && row.ship <= known_.acknowledged) ++delivered_;
        const bool frozen = has_number && row.ship > known_.acknowledged && row.ship <= known_.last_ship && row.number <= numbered;
        const bool never_numbered = row.ship == 0 && row.number > numbered;
        if (!frozen && !never_numbered) return {};
        written_ = keep(row);
        return written_;
    }

    bool from_is_of_this_incarnation() const { return from_->state() && from_->state()->incarnation == known_.incarnation; }

    Status keep(const OutboxReader::Row& row) {
        const std::int64_t id = ids_of(row.alert).first + static_cast<std::int64_t>(row.number);
        insert_row_.bind(1, id).bind_bits(2, row.epoch).bind(3, std::int64_t{checksum_of_row(id, row.epoch, row.record)});
        if (const Status inserted = insert_row_.bind(4, row.record).run(); !inserted) return inserted;
        if (into_.changes() == 0) return {};
        if (row.ship != 0) {
            insert_ship_.bind_bits(1, row.ship).bind(2, id).bind(3, static_cast<std::int64_t>(row.record.size()));
            if (const Status inserted = insert_ship_.bind(4, std::int64_t{checksum_of_ship(row.ship, id)}).run(); !inserted)
                return inserted;
            if (into_.changes() == 0) return delete_row_.bind(1, id).run();
            state_.numbered_bytes += row.record.size();
        } else {
            ++state_.unnumbered;
        }
        ++state_.rows;
        ++saved_;
        state_.record_bytes_max = std::max<std::uint64_t>(state_.record_bytes_max, row.record.size());
        batch_ += row.record.size() + 64;
        if (batch_ < batch_bytes) return {};
        batch_ = 0;
        if (const Status committed = into_.execute("COMMIT"); !committed) return committed;
        return into_.execute("BEGIN IMMEDIATE");
    }

    Status take_frontiers() {
        const OutboxReader::Frontiers frontiers = from_->frontiers();
        if (!frontiers.whole) WEIR_LOG_ERROR("outbox", "not all emission frontiers can be read: a power cut might repeat windows");
        const auto put = [](Statement& into, const Frontier& frontier) {
            into.bind_bits(1, frontier.definition).bind_bits(2, frontier.partition).bind(3, frontier.end.us());
            return into.bind(4, std::int64_t{checksum_of_frontier(frontier)}).run();
        };
        for (const Frontier& frontier : frontiers.emitted)
            if (const Status kept = put(put_frontier_, frontier); !kept) return kept;
        if (known_.group_is_open != 0)
            for (const Frontier& frontier : frontiers.pending)
                if (const Status kept = put(put_pending_, frontier); !kept) return kept;
        return {};
    }

    Status take_checkpoint() {
        std::int64_t n = 0;
        const Status read = from_->each_chunk([&](ByteSpan piece) {
            written_ = put_chunk_.bind(1, n++).bind_bits(2, hash64(piece) | 1).bind(3, piece).run();
            return written_;
        });
        if (written_) {
            const bool whole = read.ok() && !is_older(*from_->state(), known_);
            if (!whole) return into_.execute("DELETE FROM chunk");
            state_.has_checkpoint = 1;
            state_.checkpoint = from_->state()->checkpoint;
            state_.checkpoint_crc = from_->state()->checkpoint_crc;
        }
        return written_;
    }

    Database& into_;
    OutboxReader* from_;
    const StoreState known_;
    StoreState state_;
    Statement insert_row_, insert_ship_, delete_row_, put_chunk_, put_frontier_, put_pending_;
    Status written_;  // what the new file said last
    Bytes batch_ = 0;
    std::uint64_t saved_ = 0;
    std::uint64_t delivered_ = 0;
};

// In place of the file that was set aside: a new one, with what can be saved of that.
Status OutboxStore::replace_damaged(OpenReport& report) {
    if (!replacing_) {
        replacing_ = true;
        before_damage_ = known_before_ ? std::optional(state_) : std::nullopt;
        damaged_ += known_before_;
    }
    report.set_aside = true;
    report.set_aside_path = options_.path + ".damaged";
    if (report.reason.empty()) report.reason = "it was damaged, and saving what could be saved was cut short";
    sql_.reset();
    database_.reset();
    for (const char* part : {"", "-wal"}) (void)files_.remove(options_.path + part);
    Status made = open_once(report);
    if (made) made = salvage(report);
    sql_.reset();
    database_.reset();
    if (!made) return made;
    replacing_ = false;
    damage_met_ = 0;
    salvaged_rows_ += report.salvaged;
    given_up_rows_ += report.given_up;
    const bool fresh = report.fresh;
    const Status opened = open_once(report);
    report.fresh = fresh;
    return opened;
}

// Of the first page as it is, with its header put right, and as a new file has it: the one with which most can be read.
void OutboxStore::mend_first_page(const std::string& path) {
    FirstPage page(files_, path);
    if (page.file_bytes() == 0) return;
    std::uint64_t best = readable(path);
    std::vector<std::byte> kept = page.bytes;
    const auto attempt = [&](const std::vector<std::byte>& mended) {
        if (mended == kept || !page.put(mended)) return;
        const std::uint64_t found = readable(path);
        if (found > best) {
            WEIR_LOG_WARNING("outbox", "%s: its first page was damaged and has been put right, so that it can be read", path.c_str());
            best = found;
            kept = mended;
        } else {
            (void)page.put(kept);
        }
    };
    std::vector<std::byte> mended = page.bytes;
    if (mend_header(mended, page.file_bytes(), static_cast<std::uint32_t>(application()), static_cast<std::uint32_t>(newest_schema()))) attempt(mended);
    std::vector<std::byte> fresh(Database::page_bytes);
    if (!database_->execute("PRAGMA wal_checkpoint(TRUNCATE)") || !database_->read_first_page(fresh)) return;
    replace_page(mended, fresh, page.file_bytes());
    if (mend_header(mended, page.file_bytes(), static_cast<std::uint32_t>(application()), static_cast<std::uint32_t>(newest_schema()))) attempt(mended);
}

Status OutboxStore::salvage(OpenReport& report) {
    // The second connection's cache out of the first one's.
    const auto cache = [&](Bytes bytes) {
        return database_->execute(("PRAGMA cache_size=-" + std::to_string(bytes >> 10)).c_str());
    };
    if (const Status shrunk = cache(options_.cache_bytes / 2); !shrunk) return shrunk;
    mend_first_page(options_.path + ".damaged");
    const Result<std::unique_ptr<OutboxReader>> reader = OutboxReader::open(options_.path + ".damaged", reader_cache_bytes);
    std::optional<StoreState> known = before_damage_;
    if (reader && (*reader)->state() && (!known || !is_older(*(*reader)->state(), *known))) known = (*reader)->state();
    const std::string finish = "PRAGMA application_id=" + std::to_string(application());
    if (!known) {
        WEIR_LOG_ERROR("outbox", "nothing of it can be saved: a new incarnation begins, what it held is not delivered");
        return database_->execute(finish.c_str());
    }
    Salvage work(*database_, reader ? reader->get() : nullptr, *known);
    Status status = work.run();
    if (status) status = save_state(work.state());
    if (status) status = database_->execute(finish.c_str());
    if (status) status = database_->execute("COMMIT");
    if (!status) return status;
    report.fresh = false;
    report.salvaged = work.saved();
    report.given_up = work.lost();
    WEIR_LOG_ERROR("outbox", "of the damaged file %llu rows were saved, %llu are given up; incarnation and epoch go on",
                   number(work.saved()), number(work.lost()));
    return {};
}

}  // namespace weir

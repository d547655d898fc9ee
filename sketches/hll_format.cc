// HLL's bytes out and in; README.md names the format's fields.
#include "sketches/hll.h"

#include <algorithm>
#include <array>
#include <utility>

#include "sketches/hll_detail.h"

namespace weir {

using namespace hll_detail;

namespace {

constexpr std::uint8_t family = 7;
constexpr std::uint8_t version = 1;
constexpr std::uint8_t flag_empty = 4;
constexpr std::uint8_t flag_compact = 8;
constexpr std::uint8_t flag_out_of_order = 16;
constexpr Bytes registers_at = 40;
constexpr std::uint8_t exception =
    15;  // a nibble that says: the value is in the list of exceptions

// The reference's table for HLL_4's exceptions has at least so many places.
std::uint8_t lg_exceptions_min(std::uint8_t lg_k) {
    constexpr std::array<std::uint8_t, 18> least = {2, 2, 2, 3, 3, 3,  4,  4,  5,
                                                    5, 6, 7, 8, 9, 10, 11, 12, 13};
    return least[lg_k - 4U];
}

std::uint8_t lg_exceptions_for(std::uint8_t lg_k, std::uint32_t count) {
    std::uint8_t lg = lg_exceptions_min(lg_k);
    while (std::uint64_t{4} * count > std::uint64_t{3} << lg) ++lg;
    return lg;
}

Bytes register_bytes(std::uint8_t lg_k, HllType type) {
    const Bytes k = Bytes{1} << lg_k;
    switch (type) {
        case HllType::hll4: return k / 2;
        case HllType::hll6: return k / 4 * 3 + 1;
        case HllType::hll8: break;
    }
    return k;
}

struct Nibbles {
    std::uint8_t least = 0;        // the smallest register; nibbles are relative to it
    std::uint32_t exceptions = 0;  // registers of least + 15 and more
};

Nibbles nibbles_of(std::span<const std::uint32_t> counts) {
    Nibbles nibbles;
    while (nibbles.least < value_max && counts[nibbles.least] == 0) ++nibbles.least;
    for (std::uint32_t value = nibbles.least + exception; value <= value_max; ++value)
        nibbles.exceptions += counts[value];
    return nibbles;
}

void write_sixes(MutableByteSpan out, std::span<const std::uint8_t> registers) {
    for (std::size_t i = 0; i < registers.size(); i += 4) {
        const std::uint32_t four = registers[i] | std::uint32_t{registers[i + 1]} << 6 |
                                   std::uint32_t{registers[i + 2]} << 12 |
                                   std::uint32_t{registers[i + 3]} << 18;
        std::byte* to = &out[i / 4 * 3];
        to[0] = static_cast<std::byte>(four);
        to[1] = static_cast<std::byte>(four >> 8);
        to[2] = static_cast<std::byte>(four >> 16);
    }
    out.back() = std::byte{0};
}

void write_fours(MutableByteSpan out, std::span<const std::uint8_t> registers, std::uint8_t least) {
    const auto nibble = [least](std::uint8_t value) {
        return std::min<unsigned>(value - least, exception);
    };
    for (std::size_t i = 0; i < registers.size(); i += 2)
        out[i / 2] = static_cast<std::byte>(nibble(registers[i]) | nibble(registers[i + 1]) << 4);
}

// Exceptions in the order of the reference's hash table, so that bytes are equal: each is given the
// place it would have there. Beyond 512 (dozens are usual) by slot, which readers take as well.
void write_exceptions(MutableByteSpan out, std::span<const std::uint8_t> registers,
                      const Nibbles& nibbles, std::uint8_t lg_k) {
    struct Placed {
        std::uint32_t place;
        std::uint32_t pair;
    };
    std::array<Placed, 512> placed;
    const std::uint8_t lg = lg_exceptions_for(lg_k, nibbles.exceptions);
    const std::uint32_t mask = (std::uint32_t{1} << lg) - 1;
    const bool ordered = nibbles.exceptions <= placed.size();
    std::uint32_t count = 0;
    for (std::uint32_t slot = 0; slot < registers.size(); ++slot) {
        if (registers[slot] < nibbles.least + exception) continue;
        const std::uint32_t pair = std::uint32_t{registers[slot]} << 26 | slot;
        if (!ordered) {
            store_le(&out[sizeof pair * count++], pair);
            continue;
        }
        std::uint32_t place = slot & mask;
        const auto taken = [&place](const Placed& other) { return other.place == place; };
        while (std::any_of(placed.begin(), placed.begin() + count, taken))
            place = (place + (slot >> lg | 1)) & mask;
        placed[count++] = {place, pair};
    }
    if (!ordered) return;
    std::sort(placed.begin(), placed.begin() + count,
              [](const Placed& a, const Placed& b) { return a.place < b.place; });
    for (std::uint32_t i = 0; i < count; ++i)
        store_le(&out[sizeof(std::uint32_t) * i], placed[i].pair);
}

// Finds the places that the coupons of a compact set had in the table of its writer, in whose order they are
// written. Each lies behind the one before, and all places where it was looked for first are taken: that
// leaves few choices, and a wrong one shows soon. Mostly the first probe is right.
class TablePlaces {
public:
    static constexpr std::uint32_t ints_max = 2048;  // on the stack: 6 KiB

    // REQUIRES: the table is all zeros, ints_max at most, and no coupon is 0.
    TablePlaces(std::uint32_t* table, std::uint8_t lg_table, ByteSpan coupons)
        : table_(table), coupons_(coupons), ints_(std::uint32_t{1} << lg_table), lg_(lg_table) {}

    // False, with the table all zeros, when there are none or it takes too long.
    bool find() {
        const auto count = static_cast<std::uint32_t>(coupons_.size() / sizeof(std::uint32_t));
        std::uint32_t i = 0;
        std::uint8_t first = 0;
        for (std::uint32_t steps = 8 * ints_; steps > 0; --steps) {
            if (i == count && !is_awaited(end_of(i), ints_)) return true;
            if (i < count && choose(i, first)) {
                put(i++);
                first = 0;
                continue;
            }
            if (i == 0) return false;
            take(--i);
            first = probes_[i] + 1;
        }
        while (i > 0) take(--i);
        return false;
    }

private:
    static constexpr std::uint8_t probes_max = 100;

    std::uint32_t coupon(std::uint32_t i) const { return load_le<std::uint32_t>(&coupons_[sizeof(std::uint32_t) * i]); }
    std::uint32_t place(std::uint32_t i, std::uint32_t probe) const {
        return (coupon(i) + probe * ((coupon(i) & slot_mask) >> lg_ | 1)) & (ints_ - 1);
    }
    // Behind the places of those before i.
    std::uint32_t end_of(std::uint32_t i) const { return i == 0 ? 0 : place(i - 1, probes_[i - 1]) + 1; }
    bool is_awaited(std::uint32_t begin, std::uint32_t end) const {
        return std::any_of(&awaited_[begin], &awaited_[end], [](std::uint16_t count) { return count != 0; });
    }
    // The next probe from `first` on at which coupon i can lie.
    bool choose(std::uint32_t i, std::uint8_t first) {
        const std::uint32_t begin = end_of(i);
        std::uint32_t least = ints_;  // of the places looked at that only later coupons can take
        for (std::uint8_t probe = 0; probe < probes_max; ++probe) {
            const std::uint32_t at = place(i, probe);
            if (at < begin && table_[at] == 0) return false;
            if (at < begin || at >= least) continue;
            least = at;
            if (probe < first || is_awaited(begin, at)) continue;
            probes_[i] = probe;
            return true;
        }
        return false;
    }
    void put(std::uint32_t i) { set(i, coupon(i), 1); }
    void take(std::uint32_t i) { set(i, 0, -1); }
    void set(std::uint32_t i, std::uint32_t value, int awaited) {
        const std::uint32_t at = place(i, probes_[i]);
        table_[at] = value;
        for (std::uint32_t probe = 0; probe < probes_[i]; ++probe)
            if (const std::uint32_t other = place(i, probe); other > at)
                awaited_[other] = static_cast<std::uint16_t>(awaited_[other] + awaited);
    }

    std::uint32_t* table_;
    ByteSpan coupons_;
    std::uint32_t ints_;
    std::uint8_t lg_;
    std::array<std::uint8_t, ints_max / 4 * 3> probes_;       // of the coupons that have a place
    std::array<std::uint16_t, ints_max + 1> awaited_{};  // how many need a later one to be there
};

}  // namespace

struct HllSketch::Header {
    std::uint8_t lg_k;
    std::uint8_t lg_table;
    std::uint8_t count_or_least;  // coupons of a list, or the smallest register
    Mode mode;
    HllType type;
    bool compact;
    bool out_of_order;
};

Bytes HllSketch::serialized_size(HllType type) const {
    if (mode_ == Mode::list) return 8 + sizeof(std::uint32_t) * coupons_;
    if (mode_ == Mode::set) return 12 + sizeof(std::uint32_t) * coupons_;
    const Bytes plain = registers_at + register_bytes(lg_k_, type);
    if (type != HllType::hll4) return plain;
    return plain + sizeof(std::uint32_t) * nibbles_of(sums().counts).exceptions;
}

Bytes HllSketch::serialized_size_max(const Params& params, HllType type) {
    const Bytes k = Bytes{1} << params.lg_k;
    const Bytes registers = registers_at + register_bytes(params.lg_k, type);
    // All registers but one may be exceptions, if a sender chose the items.
    const Bytes exceptions = type == HllType::hll4 ? sizeof(std::uint32_t) * (k - 1) : 0;
    return std::max(registers + exceptions,
                    std::max<Bytes>(12 + sizeof(std::uint32_t) * (k / 32 * 3),
                                    8 + sizeof(std::uint32_t) * (list_ints - 1)));
}

Status HllSketch::serialize(ByteWriter& out, HllType type) const {
    const Bytes size = serialized_size(type);
    const MutableByteSpan place = out.reserve(size);
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    const bool set = mode_ == Mode::set;
    const bool array = mode_ == Mode::registers;
    const Sums sums = array ? this->sums() : Sums{};
    const Nibbles nibbles = array && type == HllType::hll4 ? nibbles_of(sums.counts) : Nibbles{};
    const std::uint8_t lg_table = !array ? lg_table_
                                  : nibbles.exceptions != 0
                                      ? lg_exceptions_for(lg_k_, nibbles.exceptions)
                                      : std::uint8_t{0};
    to.write<std::uint8_t>(array ? 10 : set ? 3 : 2);
    to.write(version);
    to.write(family);
    to.write(lg_k_);
    to.write(lg_table);
    to.write<std::uint8_t>(flag_compact | (empty() ? flag_empty : 0) |
                           (merged_ ? flag_out_of_order : 0));
    to.write<std::uint8_t>(array ? nibbles.least
                           : set ? std::uint8_t{0}
                                 : static_cast<std::uint8_t>(coupons_));
    to.write<std::uint8_t>(
        static_cast<std::uint8_t>(static_cast<unsigned>(mode_) | static_cast<unsigned>(type) << 2));
    if (!array) {
        if (set) to.write(coupons_);
        for (std::uint32_t i = 0; i < table_ints(); ++i)
            if (table()[i] != 0) to.write(table()[i]);
        return Status::success();
    }
    to.write(hip_);
    to.write(sums.low);
    to.write(sums.high);
    to.write(sums.counts[nibbles.least]);
    to.write(nibbles.exceptions);
    const std::span<const std::uint8_t> values(registers(), k());
    const MutableByteSpan body = to.reserve(register_bytes(lg_k_, type));
    if (type == HllType::hll8) std::memcpy(body.data(), values.data(), values.size());
    if (type == HllType::hll6) write_sixes(body, values);
    if (type == HllType::hll4) write_fours(body, values, nibbles.least);
    if (nibbles.exceptions != 0)
        write_exceptions(to.reserve(sizeof(std::uint32_t) * nibbles.exceptions), values, nibbles,
                         lg_k_);
    return Status::success();
}

Result<HllSketch::Header> HllSketch::read_header(ByteReader& in) {
    const auto preamble = in.read<std::uint8_t>();
    const auto serial = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    Header header{};
    header.lg_k = in.read<std::uint8_t>();
    header.lg_table = in.read<std::uint8_t>();
    const auto flags = in.read<std::uint8_t>();
    header.count_or_least = in.read<std::uint8_t>();
    const auto mode = in.read<std::uint8_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family || !valid({header.lg_k})) return Error::invalid;
    if (serial != version) return Error::unsupported;
    if ((mode & 3) > 2 || (mode >> 2 & 3) > 2) return Error::invalid;
    header.mode = static_cast<Mode>(mode & 3);
    header.type = static_cast<HllType>(mode >> 2 & 3);
    header.compact = flags & flag_compact;
    header.out_of_order = flags & flag_out_of_order;
    const std::uint8_t expected = header.mode == Mode::list ? 2 : header.mode == Mode::set ? 3 : 10;
    if (preamble != expected) return Error::invalid;
    return header;
}

Result<HllSketch::Params> HllSketch::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    return Params{header->lg_k};
}

Status HllSketch::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

Status HllSketch::load_checked(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    if (header->lg_k > lg_k_max_) return Error::out_of_range;
    if (header->mode == Mode::registers && need({header->lg_k}) > room_) return Error::full;
    lg_k_ = header->lg_k;
    const Status status = header->mode != Mode::registers    ? load_coupons(in, *header)
                          : load_registers(in, *header) ? Status::success()
                                                        : Status(Error::invalid);
    if (!in.ok()) return Error::truncated;
    // The updatable form of a list has room for all 8.
    const bool whole = in.remaining() == 0 || (header->mode == Mode::list && !header->compact &&
                                               in.remaining() == sizeof(std::uint32_t) * (list_ints - coupons_));
    return status.ok() && !whole ? Status(Error::invalid) : status;
}

Status HllSketch::load_coupons(ByteReader& in, const Header& header) {
    std::uint32_t count = header.count_or_least;
    if (header.mode == Mode::list) {
        if (count >= list_ints) return Error::invalid;
    } else {
        count = in.read<std::uint32_t>();
        if (header.lg_k < lg_k_set_min || count < list_ints || count > k() / 32 * 3)
            return Error::invalid;
        if (!header.compact && (header.lg_table < lg_set_min || header.lg_table > header.lg_k - 3))
            return Error::invalid;
        if (block_bytes(count, lg_k_) > room_) return Error::full;
        mode_ = Mode::set;
        lg_table_ = lg_set_min;  // grows on the way, where load_table() does not do
    }
    const bool with_gaps = header.mode == Mode::set && !header.compact;
    const std::uint32_t ints = with_gaps ? std::uint32_t{1} << header.lg_table : count;
    if (in.remaining() < sizeof(std::uint32_t) * ints) in.fail();
    ByteReader places = in;
    if (mode_ == Mode::set && in.ok() && load_table(places.bytes(sizeof(std::uint32_t) * ints), header, count)) {
        in = places;
        return Status::success();
    }
    for (std::uint32_t i = 0; i < ints && in.ok(); ++i) {
        const auto coupon = in.read<std::uint32_t>();
        if (coupon == 0 && with_gaps) continue;
        if (coupon >> 26 == 0 || coupons_ == count || holds(coupon)) return Error::invalid;
        update_coupon(coupon);
    }
    return coupons_ == count ? Status::success() : Status(Error::invalid);
}

// The writer's table, so that what is read has the order, and unions the bytes, of what was written. False,
// with nothing changed, when it has no room here, or is none in which every coupon is found.
bool HllSketch::load_table(ByteSpan bytes, const Header& header, std::uint32_t count) {
    if (header.lg_table < lg_set_min || header.lg_table > lg_k_ - 3) return false;
    const std::uint32_t ints = std::uint32_t{1} << header.lg_table;
    if (4 * count > 3 * ints || sizeof(HllSketch) + sizeof(std::uint32_t) * ints > room_) return false;
    for (Bytes i = 0; i < bytes.size(); i += sizeof(std::uint32_t)) {
        const auto coupon = load_le<std::uint32_t>(&bytes[i]);
        if (coupon >> 26 == 0 && (header.compact || coupon != 0)) return false;
    }
    bool good = true;
    if (header.compact)
        good = ints <= TablePlaces::ints_max && TablePlaces(table(), header.lg_table, bytes).find();
    else
        std::memcpy(table(), bytes.data(), bytes.size());
    const std::uint8_t lg_before = std::exchange(lg_table_, header.lg_table);
    good = good && std::count(table(), table() + ints, 0U) == ints - count;  // or a search might not end
    for (std::uint32_t i = 0; i < ints && good; ++i) good = table()[i] == 0 || place_of(table()[i]) == i;
    coupons_ = good ? count : 0;
    if (good) return true;
    std::fill_n(table(), ints, 0);
    lg_table_ = lg_before;
    return false;
}

bool HllSketch::load_registers(ByteReader& in, const Header& header) {
    const auto hip = in.read<double>();
    in.read<double>();  // the sums, which follow from the registers
    in.read<double>();
    in.read<std::uint32_t>();
    const auto exceptions = in.read<std::uint32_t>();
    merged_ = header.out_of_order;
    if (!merged_) {
        if (!(hip >= 0 && hip <= 1e300)) return false;
        hip_ = hip;
    }
    mode_ = Mode::registers;
    if (header.type == HllType::hll4) {
        if (!load_nibbles(in, header, exceptions)) return false;
    } else {
        const ByteSpan body = in.bytes(register_bytes(lg_k_, header.type));
        if (body.empty() || exceptions != 0) return false;
        const auto byte = [&body](std::size_t i) {
            return std::to_integer<std::uint32_t>(body[i]);
        };
        for (std::uint32_t slot = 0; slot < k(); ++slot) {
            const std::size_t at = slot / 4 * 3 + slot % 4 * 6 / 8;
            const std::uint32_t value =
                header.type == HllType::hll8
                    ? byte(slot)
                    : (byte(at) | byte(at + 1) << 8) >> slot % 4 * 6 % 8 & value_max;
            if (value > value_max) return false;
            registers()[slot] = static_cast<std::uint8_t>(value);
        }
    }
    restore_sums();
    return true;
}

bool HllSketch::load_nibbles(ByteReader& in, const Header& header, std::uint32_t exceptions) {
    constexpr std::uint8_t awaited = 0xFF;
    const std::uint8_t least = header.count_or_least;
    const ByteSpan body = in.bytes(register_bytes(lg_k_, HllType::hll4));
    if (body.empty() || least > value_max) return false;
    std::uint32_t awaited_count = 0;
    for (std::uint32_t slot = 0; slot < k(); ++slot) {
        const auto nibble = static_cast<std::uint8_t>(
            std::to_integer<unsigned>(body[slot / 2]) >> slot % 2 * 4 & 15);
        const bool is_exception = nibble == exception;
        if (!is_exception && nibble + least > value_max) return false;
        awaited_count += is_exception;
        registers()[slot] = is_exception ? awaited : static_cast<std::uint8_t>(nibble + least);
    }
    if (awaited_count != exceptions) return false;
    // An updatable form has the whole table, of the least size when there are no exceptions (or none).
    const bool with_gaps = !header.compact && in.remaining() != 0;
    const std::uint8_t lg_table = exceptions != 0 ? header.lg_table : lg_exceptions_min(header.lg_k);
    if (with_gaps && lg_table > header.lg_k + 1) return false;
    const std::uint32_t ints = with_gaps ? std::uint32_t{1} << lg_table : exceptions;
    for (std::uint32_t i = 0; i < ints && in.ok(); ++i) {
        const auto pair = in.read<std::uint32_t>();
        if (pair == 0 && with_gaps) continue;
        const std::uint32_t slot = pair & slot_mask;
        const std::uint32_t value = pair >> 26;
        if (slot >= k() || registers()[slot] != awaited || value < least + std::uint32_t{exception})
            return false;
        registers()[slot] = static_cast<std::uint8_t>(value);
        --awaited_count;
    }
    return awaited_count == 0;
}

}  // namespace weir

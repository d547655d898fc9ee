// Theta's bytes out and in; README.md names what is decided.
#include <algorithm>
#include <array>
#include <bit>
#include <utility>

#include "sketches/theta.h"

namespace weir {

namespace {

constexpr std::uint8_t family = 3;
constexpr std::uint8_t plain = 3;
constexpr std::uint8_t compressed = 4;
constexpr std::uint8_t flag_big_endian = 1;
constexpr std::uint8_t flag_empty = 4;
constexpr std::uint8_t flags_ordered = 0x1A;  // read-only, compact, ordered
constexpr std::uint8_t flags_empty = flags_ordered | flag_empty;
constexpr std::uint16_t seed_hash = 0x93CC;  // of 9001
constexpr Bytes header_bytes = 8;
constexpr Bytes hash_bytes = 8;

using Raw = std::array<std::byte, hash_bytes>;  // a hash in bytes of any alignment

std::uint64_t hash_at(const std::byte* from, std::uint32_t i) {
    return load_le<std::uint64_t>(from + i * hash_bytes);
}

// Bits, most significant first, into bytes.
class BitWriter {
public:
    explicit BitWriter(std::byte* to) : to_(to) {}
    void write(std::uint64_t value, unsigned bits) {
        while (bits > 0) {
            const unsigned take = std::min(bits, 8 - used_);
            bits -= take;
            const auto part = static_cast<unsigned>(value >> bits) & ((1U << take) - 1);
            byte_ |= part << (8 - used_ - take);
            used_ += take;
            if (used_ == 8) flush();
        }
    }
    std::byte* finish() {
        if (used_ > 0) flush();
        return to_;
    }

private:
    void flush() {
        *to_++ = static_cast<std::byte>(byte_);
        byte_ = used_ = 0;
    }

    std::byte* to_;
    unsigned byte_ = 0;
    unsigned used_ = 0;
};

}  // namespace

struct ThetaSketch::Header {
    std::uint64_t theta = theta_max;
    std::uint32_t count = 0;
    std::uint8_t bits = 0;  // of a delta; 0: whole hashes follow
};

Bytes ThetaSketch::serialized_size() const {
    if (empty()) return header_bytes;
    const Bytes preamble = !is_exact() ? 3 : count_ == 1 ? 1 : 2;
    return preamble * 8 + count_ * hash_bytes;
}

Bytes ThetaSketch::serialized_size_max(const Params& params) {
    return 8 * (3 + (Bytes{1} << params.lg_k) / 8 * 15);
}

Status ThetaSketch::serialize(ByteWriter& out) const {
    const MutableByteSpan place = out.reserve(serialized_size());
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    const Bytes preamble = (place.size() - count_ * hash_bytes) / 8;
    to.write(static_cast<std::uint8_t>(preamble));
    to.write(plain);
    to.write(family);
    to.write<std::uint16_t>(0);
    to.write(empty() ? flags_empty : flags_ordered);
    to.write(seed_hash);
    if (preamble >= 2) {
        to.write(count_);
        to.write<std::uint32_t>(0);
    }
    if (preamble >= 3) to.write(theta_);
    auto* const first = reinterpret_cast<Raw*>(place.data() + to.size());
    for (std::uint32_t i = 0; i < places(); ++i)
        if (table()[i] != 0) to.write(table()[i]);
    std::sort(first, first + count_, [](const Raw& a, const Raw& b) {
        return load_le<std::uint64_t>(&a) < load_le<std::uint64_t>(&b);
    });
    return Status::success();
}

// In place: a delta is never longer than the hash that it stands for, and the preamble is shorter.
Result<Bytes> ThetaSketch::compress(MutableByteSpan serialized) {
    ByteReader in(serialized);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    const auto flags = std::to_integer<std::uint8_t>(serialized[5]);
    if (header->bits != 0 || (flags & flags_ordered) != flags_ordered) return Error::invalid;
    const std::uint32_t count = header->count;
    if (in.remaining() != count * hash_bytes) return Error::invalid;
    const bool exact = header->theta == theta_max;
    if (count == 0 || (exact && count == 1)) return serialized.size();
    const std::byte* const hashes = serialized.data() + in.position();
    std::uint64_t all = 0;
    std::uint64_t before = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t hash = hash_at(hashes, i);
        if (hash <= before || hash >= header->theta) return Error::invalid;
        all |= hash - std::exchange(before, hash);
    }
    const auto bits = static_cast<std::uint8_t>(std::bit_width(all));
    const auto count_bytes = static_cast<std::uint8_t>((std::bit_width(count) + 7) / 8);
    ByteWriter to(serialized);
    to.write<std::uint8_t>(exact ? 1 : 2);
    to.write(compressed);
    to.write(family);
    to.write(bits);
    to.write(count_bytes);
    to.write(flags_ordered);
    to.write(seed_hash);
    if (!exact) to.write(header->theta);
    for (std::uint8_t i = 0; i < count_bytes; ++i)
        to.write(static_cast<std::uint8_t>(count >> (8 * i)));
    BitWriter packed(serialized.data() + to.size());
    before = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint64_t hash = hash_at(hashes, i);
        packed.write(hash - std::exchange(before, hash), bits);
    }
    return static_cast<Bytes>(packed.finish() - serialized.data());
}

Result<ThetaSketch::Header> ThetaSketch::read_header(ByteReader& in) {
    const auto preamble = in.read<std::uint8_t>() & 0x3F;  // above: a sampling rate, of no use here
    const auto version = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    const auto bits = in.read<std::uint8_t>();
    const auto count_bytes = in.read<std::uint8_t>();
    const auto flags = in.read<std::uint8_t>();
    const auto seed = in.read<std::uint16_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family) return Error::invalid;
    if ((version != plain && version != compressed) || flags & flag_big_endian)
        return Error::unsupported;
    if (preamble < 1 || preamble > (version == plain ? 3 : 2)) return Error::invalid;
    Header header;
    if (flags & flag_empty) {  // a threshold says nothing then
        const Bytes rest = (preamble - 1U) * 8;
        if (in.remaining() != rest)
            return in.remaining() < rest ? Error::truncated : Error::invalid;
        in.bytes(rest);
        return header;
    }
    if (seed != seed_hash) return Error::unsupported;
    if (version == plain) {
        header.count = preamble == 1 ? 1 : in.read<std::uint32_t>();
        if (preamble > 1) in.read<std::uint32_t>();
        if (preamble == 3) header.theta = in.read<std::uint64_t>();
    } else {
        header.bits = bits;
        if (preamble == 2) header.theta = in.read<std::uint64_t>();
        if (bits < 1 || bits > 63 || count_bytes > 4) return Error::invalid;
        for (std::uint8_t i = 0; i < count_bytes; ++i)
            header.count |= std::uint32_t{in.read<std::uint8_t>()} << (8 * i);
    }
    if (!in.ok()) return Error::truncated;
    if (header.theta == 0 || header.theta > theta_max) return Error::invalid;
    return header;
}

Result<ThetaSketch::Params> ThetaSketch::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    std::uint8_t lg_k = 5;
    for (; (std::uint64_t{1} << lg_k) / 8 * 15 < header->count; ++lg_k)
        if (lg_k == 26) return Error::out_of_range;
    return Params{lg_k};
}

Status ThetaSketch::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

Status ThetaSketch::load_checked(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    const std::uint64_t body_bits =
        std::uint64_t{header->count} * (header->bits ? header->bits : 64);
    const std::uint64_t body = (body_bits + 7) / 8;
    if (in.remaining() < body) return Error::truncated;
    if (in.remaining() > body) return Error::invalid;
    theta_ = header->theta;
    const bool good = header->bits ? load_deltas(in, *header) : load_plain(in, *header);
    return good ? Status::success() : Status(Error::invalid);
}

bool ThetaSketch::load_plain(ByteReader& in, const Header& header) {
    for (std::uint32_t i = 0; i < header.count; ++i) {
        const auto hash = in.read<std::uint64_t>();
        if (hash == 0 || hash >= header.theta) return false;
        if (hash >= theta_) continue;
        if (contains(hash)) return false;
        update_half(hash);
    }
    return true;
}

bool ThetaSketch::load_deltas(ByteReader& in, const Header& header) {
    std::uint64_t hash = 0;
    unsigned byte = 0;
    unsigned left = 0;  // bits of it
    for (std::uint32_t i = 0; i < header.count; ++i) {
        std::uint64_t delta = 0;
        for (unsigned missing = header.bits; missing > 0;) {
            if (left == 0) {
                byte = in.read<std::uint8_t>();
                left = 8;
            }
            const unsigned take = std::min(missing, left);
            left -= take;
            missing -= take;
            delta = delta << take | ((byte >> left) & ((1U << take) - 1));
        }
        if (delta == 0 || delta >= header.theta - hash) return false;
        hash += delta;
        if (hash < theta_) update_half(hash);
    }
    return true;
}

}  // namespace weir

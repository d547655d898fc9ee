// Byte counts, and bounded little-endian reading and writing of bytes.
// Memory: views only; the caller owns the bytes. Cost: O(bytes copied).
// Threads: plain values. Errors: sticky; after the first overrun every further call is a no-op that
// returns zero, so a caller checks ok() once at the end. Safe on hostile input.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace weir {

static_assert(std::endian::native == std::endian::little, "formats are written by memcpy");

using Bytes = std::size_t;  // a size or a capacity, in bytes
using ByteSpan = std::span<const std::byte>;
using MutableByteSpan = std::span<std::byte>;

inline ByteSpan as_byte_span(std::string_view text) {
    return std::as_bytes(std::span<const char>(text.data(), text.size()));
}
inline std::string_view as_text(ByteSpan bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr Bytes align_up(Bytes size, Bytes alignment) {
    return (size + alignment - 1) / alignment * alignment;
}

template <typename T>
T load_le(const void* from) {
    static_assert(std::is_trivially_copyable_v<T>);
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <typename T>
void store_le(void* to, T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    std::memcpy(to, &value, sizeof value);
}

class ByteReader {
public:
    explicit ByteReader(ByteSpan bytes) : bytes_(bytes) {}

    bool ok() const { return ok_; }
    Bytes position() const { return position_; }
    Bytes remaining() const { return bytes_.size() - position_; }
    void fail() { ok_ = false; }

    template <typename T>
    T read() {
        if (!take(sizeof(T))) return T{};
        return load_le<T>(bytes_.data() + position_ - sizeof(T));
    }
    // A view into the input; empty after an overrun.
    ByteSpan bytes(Bytes count) {
        if (!take(count)) return {};
        return bytes_.subspan(position_ - count, count);
    }
    // u32 length, then that many bytes.
    std::string_view text() { return as_text(bytes(read<std::uint32_t>())); }

private:
    bool take(Bytes count) {
        if (!ok_ || count > remaining()) {
            ok_ = false;
            return false;
        }
        position_ += count;
        return true;
    }

    ByteSpan bytes_;
    Bytes position_ = 0;
    bool ok_ = true;
};

class ByteWriter {
public:
    explicit ByteWriter(MutableByteSpan bytes) : bytes_(bytes) {}

    bool ok() const { return ok_; }
    Bytes size() const { return position_; }
    Bytes remaining() const { return bytes_.size() - position_; }
    ByteSpan written() const { return bytes_.first(position_); }
    void fail() { ok_ = false; }

    template <typename T>
    void write(T value) {
        if (MutableByteSpan place = reserve(sizeof value); !place.empty()) store_le(place.data(), value);
    }
    void bytes(ByteSpan from) {
        if (MutableByteSpan place = reserve(from.size()); !place.empty())
            std::memcpy(place.data(), from.data(), from.size());
    }
    void text(std::string_view value) {
        write(static_cast<std::uint32_t>(value.size()));
        bytes(as_byte_span(value));
    }
    // The next count bytes, for the caller to fill; empty after an overrun.
    MutableByteSpan reserve(Bytes count) {
        if (!ok_ || count > remaining()) {
            ok_ = false;
            return {};
        }
        position_ += count;
        return bytes_.subspan(position_ - count, count);
    }
    // Overwrites what was written at an earlier position. REQUIRES: position + sizeof value <= size().
    template <typename T>
    void patch(Bytes position, T value) {
        if (ok_ && position + sizeof value <= position_) store_le(bytes_.data() + position, value);
    }

private:
    MutableByteSpan bytes_;
    Bytes position_ = 0;
    bool ok_ = true;
};

}  // namespace weir

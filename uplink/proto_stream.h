// Protocol Buffers fields written to and read from spans, over nanopb's streams.
// Memory: none. Cost: O(bytes). Threads: plain values. Errors: sticky, as ByteWriter and ByteReader.
// Defaults (zero, empty) are left out by the plain writers and kept by those named always_.
#pragma once

#include <pb_decode.h>
#include <pb_encode.h>

#include <cstring>
#include <span>
#include <string_view>

#include "agent/base/bytes.h"

namespace weir {

// Whether text is well-formed UTF-8, as protobuf strings must be.
bool valid_utf8(std::string_view text);

class ProtoWriter {
public:
    explicit ProtoWriter(ByteWriter& out) : out_(out), stream_{&write_some, &out, SIZE_MAX, 0, nullptr} {}

    void number(std::uint32_t tag, std::uint64_t value) {
        if (value != 0) always_number(tag, value);
    }
    void always_number(std::uint32_t tag, std::uint64_t value) {
        check(pb_encode_tag(&stream_, PB_WT_VARINT, tag) && pb_encode_varint(&stream_, value));
    }
    void signed_number(std::uint32_t tag, std::int64_t value) {
        if (value != 0) always_signed(tag, value);
    }
    void always_signed(std::uint32_t tag, std::int64_t value) {
        check(pb_encode_tag(&stream_, PB_WT_VARINT, tag) && pb_encode_svarint(&stream_, value));
    }
    void fixed64(std::uint32_t tag, std::uint64_t value) {
        if (value != 0) check(pb_encode_tag(&stream_, PB_WT_64BIT, tag) && pb_encode_fixed64(&stream_, &value));
    }
    // Minus zero is not a default.
    void real(std::uint32_t tag, double value) { fixed64(tag, std::bit_cast<std::uint64_t>(value)); }
    void always_real(std::uint32_t tag, double value) {
        check(pb_encode_tag(&stream_, PB_WT_64BIT, tag) && pb_encode_fixed64(&stream_, &value));
    }
    // Packed, as proto3 writes repeated numbers.
    void reals(std::uint32_t tag, std::span<const double> values) {
        if (values.empty()) return;
        const Mark mark = begin(tag);
        for (const double value : values) check(pb_encode_fixed64(&stream_, &value));
        end(mark);
    }
    void numbers(std::uint32_t tag, std::span<const std::uint64_t> values) {
        if (values.empty()) return;
        const Mark mark = begin(tag);
        for (const std::uint64_t value : values) check(pb_encode_varint(&stream_, value));
        end(mark);
    }
    void always_real32(std::uint32_t tag, float value) {
        check(pb_encode_tag(&stream_, PB_WT_32BIT, tag) && pb_encode_fixed32(&stream_, &value));
    }
    void bytes(std::uint32_t tag, ByteSpan value) {
        if (!value.empty()) always_bytes(tag, value);
    }
    void always_bytes(std::uint32_t tag, ByteSpan value) {
        check(pb_encode_tag(&stream_, PB_WT_STRING, tag) && pb_encode_varint(&stream_, value.size()));
        out_.bytes(value);
    }
    void text(std::uint32_t tag, std::string_view value) {
        if (!value.empty()) always_text(tag, value);
    }
    // Bytes that are not UTF-8 become U+FFFD: readers in other languages refuse the whole message else.
    void always_text(std::uint32_t tag, std::string_view value);

    // A message inside the message: begin, its fields, end.
    struct Mark {
        std::byte* length = nullptr;
        Bytes start = 0;
    };
    Mark begin(std::uint32_t tag) {
        check(pb_encode_tag(&stream_, PB_WT_STRING, tag));
        return open();
    }
    Mark open();          // the same without a tag: a length before what follows
    void end(Mark mark);  // moves the body if its length needs more than the byte kept for it

private:
    static bool write_some(pb_ostream_t* stream, const pb_byte_t* bytes, std::size_t count) {
        auto* out = static_cast<ByteWriter*>(stream->state);
        out->bytes({reinterpret_cast<const std::byte*>(bytes), count});
        return out->ok();
    }
    void check(bool written) {
        if (!written) out_.fail();
    }

    ByteWriter& out_;
    pb_ostream_t stream_;
};

class ProtoReader {
public:
    explicit ProtoReader(ByteSpan bytes)
        : bytes_(bytes),
          stream_(pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size())) {}

    bool ok() const { return ok_; }
    void fail() { ok_ = false; }
    // Steps to the next field; false at the end or after an error.
    bool next() {
        if (!ok_ || stream_.bytes_left == 0) return false;
        bool end = false;
        if (!pb_decode_tag(&stream_, &type_, &tag_, &end) || tag_ == 0) ok_ = false;
        return ok_;
    }
    std::uint32_t tag() const { return tag_; }

    std::uint64_t number() {
        std::uint64_t value = 0;
        return expect(PB_WT_VARINT) && done(pb_decode_varint(&stream_, &value)) ? value : 0;
    }
    std::uint32_t number32() {
        const std::uint64_t value = number();
        if (value > UINT32_MAX) ok_ = false;
        return static_cast<std::uint32_t>(value);
    }
    std::int64_t signed_number() {
        std::int64_t value = 0;
        return expect(PB_WT_VARINT) && done(pb_decode_svarint(&stream_, &value)) ? value : 0;
    }
    std::uint64_t fixed64() {
        std::uint64_t value = 0;
        return expect(PB_WT_64BIT) && done(pb_decode_fixed64(&stream_, &value)) ? value : 0;
    }
    double real() { return std::bit_cast<double>(fixed64()); }
    float real32() {
        float value = 0;
        return expect(PB_WT_32BIT) && done(pb_decode_fixed32(&stream_, &value)) ? value : 0;
    }
    // each(value) for what one field of repeated numbers holds, packed or one alone.
    template <typename Each>
    void reals(Each each) {
        if (type_ != PB_WT_STRING) return each(real());
        ByteReader in(bytes());
        while (ok_ && in.remaining() > 0) {
            const auto value = in.read<double>();
            if (!done(in.ok())) return;
            each(value);
        }
    }
    template <typename Each>
    void numbers(Each each) {
        if (type_ != PB_WT_STRING) return each(number());
        const ByteSpan packed = bytes();
        pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(packed.data()), packed.size());
        while (ok_ && stream.bytes_left > 0) {
            std::uint64_t value = 0;
            if (!done(pb_decode_varint(&stream, &value))) return;
            each(value);
        }
    }
    // A view into the input.
    ByteSpan bytes() {
        std::uint64_t length = 0;
        if (!expect(PB_WT_STRING) || !done(pb_decode_varint(&stream_, &length))) return {};
        if (length > stream_.bytes_left) {
            ok_ = false;
            return {};
        }
        const ByteSpan view = bytes_.subspan(bytes_.size() - stream_.bytes_left, static_cast<Bytes>(length));
        done(pb_read(&stream_, nullptr, view.size()));
        return view;
    }
    std::string_view text() {
        const std::string_view view = as_text(bytes());
        if (!valid_utf8(view)) ok_ = false;
        return view;
    }
    void skip() { done(pb_skip_field(&stream_, type_)); }

private:
    bool expect(pb_wire_type_t type) {
        if (type_ != type) ok_ = false;
        return ok_;
    }
    bool done(bool decoded) {
        if (!decoded) ok_ = false;
        return ok_;
    }

    ByteSpan bytes_;
    pb_istream_t stream_;
    pb_wire_type_t type_ = PB_WT_VARINT;
    std::uint32_t tag_ = 0;
    bool ok_ = true;
};

}  // namespace weir

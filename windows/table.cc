#include "windows/table.h"

#include <bit>
#include <cstring>

#include "agent/base/hash.h"
#include "windows/key.h"

namespace weir {
namespace {

constexpr std::uint64_t text_bits(std::size_t at, std::size_t size) {
    return static_cast<std::uint64_t>(at) | static_cast<std::uint64_t>(size) << 32;
}

void append(std::string& to, std::uint64_t bits) {
    char bytes[sizeof bits];
    store_le(bytes, bits);
    to.append(bytes, sizeof bytes);
}

// As hash_cell() of a column that holds it.
std::uint64_t hash_key(ColumnType type, std::uint64_t bits, std::string_view text) {
    auto integer = static_cast<std::int64_t>(bits);
    auto boolean = static_cast<std::uint8_t>(bits);
    Column column;
    column.type = type;
    column.present.set(0);
    column.integers = &integer;
    column.booleans = &boolean;
    column.texts = &text;
    return hash_cell(column, 0);
}

}  // namespace

std::uint64_t table_image_hash(ByteSpan image) {
    const std::uint64_t hash = hash64(image, {0x7461626c65, 0x77656972});
    return hash == 0 ? 1 : hash;
}

TableImage::TableImage(const TableSpec& spec) : layout_(spec) {
    cells_.reserve(layout_.rows_max * layout_.stride());
    text_.reserve(layout_.text_max);
}

std::uint64_t TableImage::keep(std::string_view text) {
    const std::uint64_t bits = text_bits(text_.size(), text.size());
    text_ += text;
    return bits;
}

void TableImage::begin_row(std::int64_t key) {
    append(cells_, static_cast<std::uint64_t>(key));
    cells_.append(layout_.columns * TableLayout::cell, '\0');
    ++rows_;
}

void TableImage::begin_row(std::string_view key) { begin_row(static_cast<std::int64_t>(keep(key))); }

void TableImage::put(std::size_t column, std::uint64_t bits) {
    char* const cell = cells_.data() + cells_.size() - (layout_.columns - column) * TableLayout::cell;
    cell[0] = 1;
    store_le(cell + 1, bits);
}
void TableImage::set(std::size_t column, std::int64_t value) { put(column, static_cast<std::uint64_t>(value)); }
void TableImage::set(std::size_t column, double value) { put(column, std::bit_cast<std::uint64_t>(value)); }
void TableImage::set(std::size_t column, std::string_view value) { put(column, keep(value)); }

std::string TableImage::bytes() const {
    std::string out;
    out.reserve(TableLayout::head + cells_.size() + text_.size());
    append(out, text_bits(rows_, text_.size()));
    out += cells_;
    return out += text_;
}

Bytes Table::need(const TableSpec& spec) {
    const Bytes image = Arena::need<std::byte>(TableLayout(spec).image_max());
    return 2 * (Arena::need<Content>() + image + HashIndex::need(spec.max_rows));
}

Table::Content::Content(Arena& arena, const TableSpec& spec)
    : image(arena.take<std::byte>(TableLayout(spec).image_max())), index(arena, spec.max_rows) {}

Table::Table(Arena& arena, const TableSpec& spec) : spec_(spec), layout_(spec) {
    for (Content*& content : contents_) content = arena.make<Content>(arena, spec);
}

void Table::reset() {
    for (Content* content : contents_) {
        content->size = 0;
        content->index.reset();
    }
    received_ = expected_ = 0;
    status_ = {};
}

std::uint32_t Table::rows_of(const Content& content) const {
    return content.size == 0 ? 0 : load_le<std::uint32_t>(content.image.data());
}

std::string_view Table::text_of(const Content& content, std::uint64_t bits) const {
    const std::byte* const texts = row_of(content, rows_of(content));
    return {reinterpret_cast<const char*>(texts) + static_cast<std::uint32_t>(bits), static_cast<std::size_t>(bits >> 32)};
}

weir::Status Table::load_part(ByteSpan part, Bytes offset, Bytes total) {
    if (offset == 0) {
        received_ = 0;
        expected_ = total;
    }
    const bool in_order = total == expected_ && offset == received_ && !part.empty();
    if (!in_order || total > layout_.image_max() || part.size() > total - received_) {
        received_ = expected_ = 0;
        ++status_.refused;
        return Error::invalid;
    }
    Content& next = coming();
    std::memcpy(next.image.data() + received_, part.data(), part.size());
    received_ += part.size();
    if (received_ < expected_) return {};
    next.size = received_;
    received_ = expected_ = 0;
    if (!index_rows(next)) {
        next.size = 0;
        ++status_.refused;
        return Error::invalid;
    }
    active_ = 1 - active_;
    status_.rows = rows_of(next);
    status_.image_hash = table_image_hash(next.image.first(next.size));
    ++status_.loads;
    return {};
}

// Checks an image from end to end, and finds places for its keys.
bool Table::index_rows(Content& next) const {
    next.index.reset();
    if (next.size < TableLayout::head) return false;
    const std::uint32_t rows = rows_of(next);
    const auto text_bytes = load_le<std::uint32_t>(next.image.data() + 4);
    if (rows > layout_.rows_max || text_bytes > layout_.text_max) return false;
    if (next.size != TableLayout::head + rows * layout_.stride() + text_bytes) return false;
    for (std::uint32_t row = 0; row < rows; ++row) {
        const std::byte* const at = row_of(next, row);
        if (!sound_row(at, text_bytes)) return false;
        const std::uint64_t hash = hash_of(next, row);
        const auto bits = load_le<std::uint64_t>(at);
        const std::string_view text = spec_.key.type == ColumnType::text ? text_of(next, bits) : std::string_view();
        if (next.index.find(hash, [&](std::uint32_t other) { return same_key(next, other, bits, text); }) != none) return false;
        next.index.insert(hash, row);
    }
    return true;
}

bool Table::sound_row(const std::byte* row, std::size_t text_bytes) const {
    const auto sound = [&](ColumnType type, std::uint64_t bits) {
        if (type == ColumnType::boolean) return bits <= 1;
        if (type != ColumnType::text) return true;
        const std::uint64_t from = static_cast<std::uint32_t>(bits);
        const std::uint64_t size = bits >> 32;
        return size <= table_text_max && from + size <= text_bytes;
    };
    if (!sound(spec_.key.type, load_le<std::uint64_t>(row))) return false;
    for (std::size_t i = 0; i < layout_.columns; ++i) {
        const std::byte* const cell = row + 8 + i * TableLayout::cell;
        if (cell[0] > std::byte{1} || !sound(spec_.columns[i].type, load_le<std::uint64_t>(cell + 1))) return false;
    }
    return true;
}

std::uint64_t Table::hash_of(const Content& content, std::uint32_t row) const {
    const auto bits = load_le<std::uint64_t>(row_of(content, row));
    return hash_key(spec_.key.type, bits, spec_.key.type == ColumnType::text ? text_of(content, bits) : std::string_view());
}

bool Table::same_key(const Content& content, std::uint32_t row, std::uint64_t bits, std::string_view text) const {
    const auto stored = load_le<std::uint64_t>(row_of(content, row));
    return spec_.key.type == ColumnType::text ? same_key_text(text_of(content, stored), text) : stored == bits;
}

std::uint32_t Table::find(const Column& on, std::size_t row) const {
    if (!on.present.test(row)) return none;
    const Content& now = content();
    std::uint64_t bits = 0;
    std::string_view text;
    switch (on.type) {
        case ColumnType::integer: bits = static_cast<std::uint64_t>(on.integers[row]); break;
        case ColumnType::boolean: bits = on.booleans[row]; break;
        case ColumnType::text: text = on.texts[row]; break;
        case ColumnType::real: return none;
    }
    return now.index.find(hash_cell(on, row), [&](std::uint32_t number) { return same_key(now, number, bits, text); });
}

void Table::read(std::uint32_t row, std::size_t column, Column& to, std::size_t at) const {
    const std::byte* const cell = row_of(content(), row) + 8 + column * TableLayout::cell;
    if (cell[0] == std::byte{0}) return to.present.reset(at);
    to.present.set(at);
    const auto bits = load_le<std::uint64_t>(cell + 1);
    switch (to.type) {
        case ColumnType::integer: to.integers[at] = static_cast<std::int64_t>(bits); break;
        case ColumnType::real: to.reals[at] = std::bit_cast<double>(bits); break;
        case ColumnType::boolean: to.booleans[at] = static_cast<std::uint8_t>(bits); break;
        case ColumnType::text: to.texts[at] = text_of(content(), bits); break;
    }
}

Bytes Table::save_size_max(const TableSpec& spec) { return 2 * TableLayout(spec).image_max() + 64; }

void Table::save(ByteWriter& out) const {
    out.write(status_.loads);
    out.write(status_.refused);
    out.write(static_cast<std::uint32_t>(content().size));
    out.bytes(content().image.first(content().size));
    out.write(static_cast<std::uint32_t>(expected_));
    out.write(static_cast<std::uint32_t>(received_));
    out.bytes(contents_[1 - active_]->image.first(received_));
}

bool Table::load(ByteReader& in) {
    reset();
    const auto loads = in.read<std::uint64_t>();
    const auto refused = in.read<std::uint64_t>();
    const ByteSpan image = in.bytes(in.read<std::uint32_t>());
    if (!in.ok() || (!image.empty() && !load_part(image, 0, image.size()).ok())) return false;
    const Bytes expected = in.read<std::uint32_t>();
    const ByteSpan part = in.bytes(in.read<std::uint32_t>());
    const bool sound = part.empty() ? expected == 0 : part.size() < expected && expected <= layout_.image_max();
    if (!in.ok() || !sound) return false;
    if (!part.empty()) std::memcpy(coming().image.data(), part.data(), part.size());
    received_ = part.size();
    expected_ = expected;
    status_.loads = loads;
    status_.refused = refused;
    return true;
}

}  // namespace weir

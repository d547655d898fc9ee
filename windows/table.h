// A bounded table that rows of sources are enriched from: by key, the values of its columns.
// Its content comes as an image, bytes that an agent makes of a file (TableImage) and hands over in parts, since a part
// is an entry of the journal. The last part makes the image the content, whole or not at all; what came of an image
// that is never completed is forgotten when another begins. Content and what came so far are state.
// Memory: need(spec): two images (8 bytes a key and 9 a cell for max_rows, and max_text), and 8 to 16 bytes a row twice.
// Cost: find() O(1); load_part() O(bytes), the last one O(image). Threads: one owner.
// Errors: load_part() refuses what is not an image of this spec: sizes, offsets, flags, two equal keys.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "windows/hash_index.h"

namespace weir {

struct TableSpec {
    std::string name;
    ColumnSpec key{"", ColumnType::text};  // not a float
    Schema columns;                        // beside the key
    std::size_t max_rows = 1000;
    Bytes max_text = Bytes{64} << 10;      // of all strings together; 0 where there are none
};

inline constexpr std::size_t table_text_max = 4096;  // one string

// Of a spec: u32 rows, u32 bytes of text; a row: the key, then for each column whether it is there and its value, 8 bytes
// each, of a string where its bytes begin in the text and how many they are; the text.
struct TableLayout {
    explicit TableLayout(const TableSpec& spec) : columns(spec.columns.size()), rows_max(spec.max_rows), text_max(spec.max_text) {}
    static constexpr Bytes head = 8;
    static constexpr Bytes cell = 9;
    Bytes stride() const { return 8 + columns * cell; }
    Bytes image_max() const { return head + rows_max * stride() + text_max; }

    std::size_t columns;
    std::size_t rows_max;
    Bytes text_max;
};

// Makes an image. REQUIRES: at most max_rows rows, and at most max_text bytes of strings (fits() tells).
class TableImage {
public:
    explicit TableImage(const TableSpec& spec);

    bool full() const { return rows_ == layout_.rows_max; }
    bool fits(std::string_view text) const { return text.size() <= layout_.text_max - text_.size(); }
    // The key of the next row; its columns are null until set.
    void begin_row(std::int64_t key);
    void begin_row(std::string_view key);
    void set(std::size_t column, std::int64_t value);  // of a bool, 0 or 1
    void set(std::size_t column, double value);
    void set(std::size_t column, std::string_view value);
    std::string bytes() const;

private:
    std::uint64_t keep(std::string_view text);
    void put(std::size_t column, std::uint64_t bits);

    TableLayout layout_;
    std::size_t rows_ = 0;
    std::string cells_;
    std::string text_;
};

class Table {
public:
    static constexpr std::uint32_t none = HashIndex::none;
    struct Status {
        std::size_t rows = 0;
        std::uint64_t image_hash = 0;  // table_image_hash(); 0 before the first
        std::uint64_t loads = 0;       // images that became the content
        std::uint64_t refused = 0;     // parts that were none, or out of order
    };

    static Bytes need(const TableSpec& spec);
    // spec must outlive it.
    Table(Arena& arena, const TableSpec& spec);

    weir::Status load_part(ByteSpan part, Bytes offset, Bytes total);
    // The row of the table whose key the cell is; none for null.
    std::uint32_t find(const Column& on, std::size_t row) const;
    // A cell of the content, to row `at` of a column of its type.
    void read(std::uint32_t row, std::size_t column, Column& to, std::size_t at) const;
    Status status() const { return status_; }

    static Bytes save_size_max(const TableSpec& spec);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    struct Content {
        Content(Arena& arena, const TableSpec& spec);
        std::span<std::byte> image;
        HashIndex index;
        Bytes size = 0;
    };
    bool index_rows(Content& content) const;
    bool sound_row(const std::byte* row, std::size_t text_bytes) const;
    std::uint64_t hash_of(const Content& content, std::uint32_t row) const;
    bool same_key(const Content& content, std::uint32_t row, std::uint64_t bits, std::string_view text) const;
    std::uint32_t rows_of(const Content& content) const;
    std::string_view text_of(const Content& content, std::uint64_t bits) const;
    const std::byte* row_of(const Content& content, std::uint32_t row) const {
        return content.image.data() + TableLayout::head + row * layout_.stride();
    }
    Content& content() { return *contents_[active_]; }
    const Content& content() const { return *contents_[active_]; }
    Content& coming() { return *contents_[1 - active_]; }

    const TableSpec& spec_;
    TableLayout layout_;
    std::array<Content*, 2> contents_;
    std::size_t active_ = 0;
    Bytes received_ = 0;  // of the image that is coming, in the other content
    Bytes expected_ = 0;
    Status status_;
};

// The same for equal images, and never 0.
std::uint64_t table_image_hash(ByteSpan image);

}  // namespace weir

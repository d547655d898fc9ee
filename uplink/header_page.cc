#include "uplink/header_page.h"

#include <algorithm>

#include "uplink/database.h"

namespace weir {
namespace {

constexpr std::size_t header_bytes = 100;
constexpr std::size_t size_at = 28;
constexpr std::size_t change_counter_at = 24;
constexpr std::size_t version_at = 60;
constexpr std::size_t application_at = 68;
constexpr std::size_t size_valid_for_at = 92;

// Page size 4096, written and read by way of a log, nothing reserved, the fractions that no file has otherwise.
constexpr char begin[] = "SQLite format 3\0\x10\x00\x02\x02\x00\x40\x20\x20";
constexpr std::size_t begin_bytes = sizeof begin - 1;
static_assert(begin_bytes == 24 && Database::page_bytes == 0x1000);

struct Fixed {
    std::size_t at;
    std::uint32_t value;
};
// Schema format; no vacuum by itself; UTF-8; none little by little; nothing where nothing is yet.
constexpr Fixed fixed[] = {{44, 4}, {52, 0}, {56, 1}, {64, 0}, {72, 0}, {76, 0}, {80, 0}, {84, 0}, {88, 0}};

std::uint32_t load_be(ByteSpan page, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<std::uint32_t>(page[at + i]);
    return value;
}

void store_be(MutableByteSpan page, std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) page[at + i] = static_cast<std::byte>(value >> (24 - 8 * i));
}

// The size counts only while two counters agree.
void store_size(MutableByteSpan page, Bytes file_bytes) {
    store_be(page, size_at, static_cast<std::uint32_t>(file_bytes / Database::page_bytes));
    store_be(page, size_valid_for_at, load_be(page, change_counter_at));
}

// Half of what is always the same: other files share the letters "SQLite format 3" at most.
bool may_be_ours(ByteSpan page, std::uint32_t application_id) {
    std::size_t right = load_be(page, application_at) == application_id ? 4 : 0;
    const ByteSpan start = as_byte_span(std::string_view(begin, begin_bytes));
    for (std::size_t i = 0; i < begin_bytes; ++i) right += page[i] == start[i] ? 1 : 0;
    return right >= begin_bytes / 2;
}

}  // namespace

bool mend_header(MutableByteSpan page, Bytes file_bytes, std::uint32_t application_id, std::uint32_t newest_version) {
    if (page.size() < header_bytes || !may_be_ours(page, application_id)) return false;
    const ByteSpan start = as_byte_span(std::string_view(begin, begin_bytes));
    std::copy(start.begin(), start.end(), page.begin());
    for (const Fixed& each : fixed) store_be(page, each.at, each.value);
    store_be(page, application_at, application_id);
    if (load_be(page, version_at) > newest_version || load_be(page, version_at) == 0) store_be(page, version_at, newest_version);
    store_size(page, file_bytes);
    return true;
}

void replace_page(MutableByteSpan page, ByteSpan other, Bytes file_bytes) {
    std::copy(other.begin(), other.end(), page.begin());
    store_size(page, file_bytes);
}

}  // namespace weir

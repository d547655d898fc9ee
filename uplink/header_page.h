// The first page of a file of SQLite's, which says how all others are to be read, and what of it is always the same in the
// outbox's file. Nothing in it has a checksum: this is how a damaged one is put right, so that the rest can be read.
// Memory: none. Cost: a hundred bytes. Threads: any. Errors: none; who reads on checks what is found.
// Source: sqlite.org/fileformat2.html, section 1.3.
#pragma once

#include "agent/base/bytes.h"

namespace weir {

// The header's hundred bytes as they must be in a file of so many bytes that was not written to by a rollback journal,
// with the schema's newest version if the one there cannot be. False: it is so different that it is not of our files.
bool mend_header(MutableByteSpan page, Bytes file_bytes, std::uint32_t application_id, std::uint32_t newest_version);
// The page of another file in its place, which has the same tables on the same pages.
void replace_page(MutableByteSpan page, ByteSpan other, Bytes file_bytes);

}  // namespace weir

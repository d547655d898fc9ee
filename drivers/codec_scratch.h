// What DecodeScratch holds. Internal to drivers: keeps simdjson out of codec.h.
// Memory: DecodeScratch::need(). Cost: none. Threads: one owner. Errors: none.
#pragma once

#include <simdjson.h>

#include <memory>

#include "drivers/codec.h"

namespace weir {

static_assert(payload_padding >= simdjson::SIMDJSON_PADDING);

struct DecodeScratch::Parts {
    simdjson::ondemand::parser parser;
    std::unique_ptr<char[]> text;  // max_message bytes, for one unescaped string
    std::unique_ptr<char[]> copy;  // and with payload_padding, for a document that is read again
};

}  // namespace weir

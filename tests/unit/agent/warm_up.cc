// simdjson and RE2 make a few objects for good at their first use; here that use comes before the first test, so that
// no test is blamed for them.
#include "drivers/codec.h"
#include "windows/regex.h"

namespace {

const bool warm = [] {
    weir::DecodeScratch scratch(4096);
    weir::CodecSpec spec;
    spec.columns = {{"x"}};
    spec.max_message = 4096;
    weir::Problem problem;
    weir::Regex::make("a|(?i)b", problem);
    auto codec = weir::make_codec(spec, scratch, problem);
    const weir::Schema schema = weir::schema_of(spec);
    weir::ArenaBlock block(weir::Batch::need(schema, {}));
    weir::Arena arena(block.memory());
    weir::Batch batch(arena, schema, {});
    struct : weir::BatchSink {
        void push(weir::Batch& full) override { full.clear(); }
    } sink;
    static const char payload[128] = "{\"x\":1}";
    (*codec)->decode({"t", weir::as_byte_span({payload, 7}), weir::Timestamp(), true}, batch, sink);
    return true;
}();

}  // namespace

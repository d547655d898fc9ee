// What an alert keeps of a key's newest result, in a fixed width: key and plain values, so that what time alone brings about can be said with them.
// Lists are left out, texts are cut to 64 bytes, an estimate is kept without its bounds.
// Memory: width() bytes a key. Cost: O(fields). Threads: pure functions on the caller's memory.
// Errors: valid() tells hostile bytes; read() of others than keep() wrote is undefined.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/base/record.h"
#include "windows/expression.h"

namespace weir {

class AlertShape {
public:
    AlertShape() = default;
    // fields: the keys first, as records have them.
    AlertShape(std::span<const FieldType> fields, std::size_t keys);

    std::size_t keys() const { return keys_; }
    std::size_t values() const { return parts_.size() - keys_; }
    Bytes width() const { return width_; }
    void keep(const Record& record, std::byte* to) const;
    // key has keys() places, values values(); both point into from.
    void read(const std::byte* from, std::span<Field> key, std::span<Field> values) const;
    bool valid(const std::byte* from) const;

private:
    struct Part {
        std::string name;
        Bytes offset = 0;
        Bytes width = 0;
    };
    std::vector<Part> parts_;
    std::size_t keys_ = 0;
    Bytes width_ = 0;
};

}  // namespace weir

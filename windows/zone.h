// The civil time of a place: when its offset from UTC changed, and to what. The agent makes the table from
// the IANA data base at start; expressions read clocks by it, calendar windows cut days by it.
// Memory: 16 bytes a change, on the heap, at start-up. Cost: O(log changes) a call.
// Threads: constant once made. Errors: make() refuses changes out of order and offsets beyond a day.
// Source: RFC 8536 (what a time zone is), section 3.2.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/time.h"

namespace weir {

class ZoneTable {
public:
    struct Change {
        Timestamp at;     // UTC, the first instant of the new offset
        Duration offset;  // local time less UTC
    };

    // before: the offset until the first change. changes in order of time.
    static std::optional<ZoneTable> make(std::string name, Duration before, std::vector<Change> changes);
    static ZoneTable fixed(std::string name, Duration offset);

    const std::string& name() const { return name_; }
    Duration offset(Timestamp utc) const;

    // Local clock readings are written as Timestamps, too: what a clock there shows, as if it were UTC.
    Timestamp local(Timestamp utc) const { return utc + offset(utc); }
    // The first instant at which a clock there shows local or more: of a time that comes twice the earlier, of
    // one that is skipped the end of the gap.
    Timestamp utc(Timestamp local) const;

    // The local day and the local hour that hold utc, [start, end). Days and hours follow each other without
    // gap or overlap; a day may have 23 or 25 hours, and an hour that comes twice is two hours.
    Timestamp day_start(Timestamp utc) const;
    Timestamp day_end(Timestamp utc) const;
    Timestamp hour_start(Timestamp utc) const;
    Timestamp hour_end(Timestamp utc) const;

    std::span<const Change> changes() const { return changes_; }
    Duration before() const { return before_; }
    Bytes memory() const { return sizeof *this + changes_.capacity() * sizeof(Change) + name_.capacity(); }

private:
    ZoneTable() = default;
    // The stretch of one offset that holds utc: its first instant, its offset.
    Change stretch(Timestamp utc) const;
    Timestamp midnight(Timestamp utc) const;  // local, that began the day

    std::string name_;
    Duration before_;
    std::vector<Change> changes_;
};

// Where tables come from: asked while expressions and windows are compiled, at start-up.
class Zones {
public:
    virtual ~Zones() = default;
    // nullopt if nobody knows a zone of this name.
    virtual std::optional<ZoneTable> find(std::string_view name) const = 0;
    // All that there are, to say which one was meant.
    virtual std::vector<std::string> names() const { return {}; }
};

}  // namespace weir

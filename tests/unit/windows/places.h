// Time zones for tests, with the changes of their clocks written out.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "windows/civil.h"
#include "windows/zone.h"

namespace weir::test {

inline Timestamp utc(const char* text) { return Timestamp::micros(*parse_timestamp(text)); }

class Places final : public Zones {
public:
    std::optional<ZoneTable> find(std::string_view name) const override {
        const auto minutes = [](std::int64_t m) { return Duration::minutes(m); };
        if (name == "Europe/Amsterdam")
            return ZoneTable::make("Europe/Amsterdam", minutes(60),
                                   {{utc("2026-03-29T01:00:00Z"), minutes(120)}, {utc("2026-10-25T01:00:00Z"), minutes(60)}});
        if (name == "Australia/Lord_Howe")  // half an hour
            return ZoneTable::make("Australia/Lord_Howe", minutes(660),
                                   {{utc("2026-04-04T15:00:00Z"), minutes(630)}, {utc("2026-10-03T15:30:00Z"), minutes(660)}});
        if (name == "Pacific/Apia")  // 30 December 2011 was left out
            return ZoneTable::make("Pacific/Apia", minutes(-600), {{utc("2011-12-30T10:00:00Z"), minutes(840)}});
        if (name == "America/St_Johns")  // clocks went back at one minute past midnight, across the date
            return ZoneTable::make("America/St_Johns", minutes(-150), {{utc("2009-11-01T02:31:00Z"), minutes(-210)}});
        return std::nullopt;
    }
    std::vector<std::string> names() const override {
        return {"Europe/Amsterdam", "Australia/Lord_Howe", "Pacific/Apia", "America/St_Johns"};
    }
};

}  // namespace weir::test

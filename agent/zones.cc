#include "agent/zones.h"

#include <date/tz.h>

#include <exception>

namespace weir {
namespace {

// The year 2100: nothing in the data base lies beyond.
constexpr std::chrono::seconds last_asked{4'102'444'800};

class SystemZones final : public Zones {
public:
    std::optional<ZoneTable> find(std::string_view name) const override {
        try {
            const date::time_zone* const zone = date::locate_zone(std::string(name));
            date::sys_info info = zone->get_info(date::sys_seconds{});
            const Duration before = Duration::seconds(info.offset.count());
            std::vector<ZoneTable::Change> changes;
            while (info.end.time_since_epoch() < last_asked) {
                const date::sys_seconds at = info.end;
                const std::chrono::seconds offset = info.offset;
                info = zone->get_info(at);
                // A change of the name or of what counts as summer alone is none.
                if (info.offset != offset)
                    changes.push_back({Timestamp::seconds(at.time_since_epoch().count()), Duration::seconds(info.offset.count())});
            }
            return ZoneTable::make(std::string(name), before, std::move(changes));
        } catch (const std::exception&) {
            return std::nullopt;
        }
    }

    std::vector<std::string> names() const override {
        std::vector<std::string> names;
        try {
            for (const date::time_zone& zone : date::get_tzdb().zones) names.push_back(zone.name());
        } catch (const std::exception&) {
        }
        return names;
    }
};

}  // namespace

const Zones& system_zones() {
    static const SystemZones zones;
    return zones;
}

}  // namespace weir

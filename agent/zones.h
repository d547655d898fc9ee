// Time zones by name, from the system's copy of the IANA data base, as tables for the engine.
// Memory: the library keeps its list of names and the zones that were asked for, 0.2 MiB of heap.
// Cost: files are read at the first call and for each zone. Threads: at start-up only.
// Errors: nullopt for a name that nobody knows, or when there is no data base. Changes after 2037 are not in the
// system's files: the last offset then goes on.
// Source: IANA time zone data base; Howard Hinnant's date library.
#pragma once

#include "windows/zone.h"

namespace weir {

const Zones& system_zones();

}  // namespace weir

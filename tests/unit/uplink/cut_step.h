// How many bytes lie between two places where an exchange is cut: 1, or more where a step takes long (tests/arm/unit).
#pragma once

#include <algorithm>
#include <cstdlib>

#include "agent/base/bytes.h"

namespace weir {

inline Bytes cut_step() {
    const char* text = std::getenv("WEIR_CUT_STEP");
    return text == nullptr ? 1 : static_cast<Bytes>(std::max(1, std::atoi(text)));
}

}  // namespace weir

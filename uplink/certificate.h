// Who a certificate is for.
// Memory: mbedTLS' parse of one chain, for the time of the call. Cost: O(bytes). Threads: a pure function.
// Errors: invalid (no certificate), missing (no common name). Source: RFC 5280, 4.1.2.6.
#pragma once

#include <string>
#include <string_view>

#include "agent/base/result.h"

namespace weir {

// The common name of the first certificate in a PEM text: an agent's id.
Result<std::string> certificate_common_name(std::string_view pem);

}  // namespace weir

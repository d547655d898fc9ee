// Why a connection cannot be made, in words: Paho says only that it failed. Tries the steps again, one by one.
// Memory: OpenSSL's, for the time of the call. Cost: at most `limit`, blocking; only after a failure.
// Threads: any. Errors: empty when every step succeeds now.
#pragma once

#include <string>

#include "agent/base/time.h"
#include "drivers/mqtt_source.h"

namespace weir {

// "no such host", "connection refused", "the server's certificate has expired", ...
std::string probe_connection(const MqttUrl& url, const MqttTls& tls, Duration limit);

// Why the files will not do (a key that does not belong to its certificate, say); empty if they will. No network.
std::string tls_files_problem(const MqttTls& tls);

}  // namespace weir

// Certificates for a fleet: a certificate authority of its own, bundles for agents and bridges, and
// signatures under the requests of agents that made their own key. EC P-256 with SHA-256 throughout.
// Memory: allocates; a command, not a service. Cost: a few signatures. Threads: one owner.
// Errors: Problem says what to do; nothing is ever overwritten, keys are made with mode 0600.
// Source: RFC 5280 (certificates), RFC 2986 (requests), by mbedTLS's x509write.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/problem.h"

namespace weir {

struct EnrolRequest {
    std::string id;                 // common name: the agent's id, or the bridge's first name
    std::vector<std::string> names; // of a server, subject alternative names; empty: an agent's certificate
    std::string request_file;       // a CSR in PEM or DER; empty: the key is made here
    std::string authority = "weir-ca";  // folder of ca.pem and ca.key; made if it is not there
    std::string out = ".";
    int days = 3650;
};

struct Enrolled {
    std::vector<std::string> written;  // paths
    bool authority_made = false;
};

// 1 to 64 letters, digits, '.', '_' and '-', not beginning with '.' or '-': an id is a file name, a
// level of an MQTT topic and a certificate's common name.
bool valid_agent_id(std::string_view id);

// nullopt: problem says why.
std::optional<Enrolled> enrol(const EnrolRequest& request, Problem& problem);

}  // namespace weir

#include "uplink/certificate.h"

#include <mbedtls/oid.h>
#include <mbedtls/x509_crt.h>

#include <cstring>

namespace weir {

Result<std::string> certificate_common_name(std::string_view pem) {
    const std::string text(pem);  // mbedTLS wants the NUL counted
    mbedtls_x509_crt chain;
    mbedtls_x509_crt_init(&chain);
    const int parsed =
        mbedtls_x509_crt_parse(&chain, reinterpret_cast<const unsigned char*>(text.c_str()), text.size() + 1);
    std::string name;
    for (const mbedtls_x509_name* part = parsed == 0 ? &chain.subject : nullptr; part != nullptr; part = part->next)
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) == 0)
            name.assign(reinterpret_cast<const char*>(part->val.p), part->val.len);
    mbedtls_x509_crt_free(&chain);
    if (parsed != 0) return Error::invalid;
    if (name.empty()) return Error::missing;
    return name;
}

}  // namespace weir

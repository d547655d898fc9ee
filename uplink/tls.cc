#include "uplink/tls.h"

#include <arpa/inet.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/oid.h>
#include <mbedtls/ssl.h>
#include <mbedtls/x509_crt.h>

#include <array>
#include <cstdio>
#include <ctime>

namespace weir {
namespace {

// Forward secrecy and AEAD only. ChaCha20 first: the small ARM boards have no AES instructions.
constexpr std::array<int, 9> ciphers{
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,       MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,       MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CCM,              MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_CCM,
    0};

// Of handshakes, as SHA-1 is by mbedTLS' default. Certificates: its default profile, which takes SHA-2 and RSA from 2,048 bits.
constexpr std::array<int, 4> handshake_hashes{MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512, MBEDTLS_MD_NONE};

int random_bytes(void* entropy, unsigned char* out, std::size_t count) {
    static_cast<Entropy*>(entropy)->fill({reinterpret_cast<std::byte*>(out), count});
    return 0;
}

std::string error_text(int code) {
    char text[128];
    mbedtls_strerror(code, text, sizeof text);
    return text;
}

// The common name, if there is one that can stand in logs and comparisons.
std::string common_name(const mbedtls_x509_crt& certificate) {
    for (const mbedtls_x509_name* part = &certificate.subject; part != nullptr; part = part->next) {
        if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) != 0) continue;
        std::string text(reinterpret_cast<const char*>(part->val.p), part->val.len);
        for (const char c : text)
            if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return {};
        return text;
    }
    return {};
}

// Days since 1970-01-01 of a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
std::int64_t days_from_civil(std::int64_t y, std::int64_t m, std::int64_t d) {
    y -= m <= 2;
    const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    const std::int64_t year_of_era = y - era * 400;
    const std::int64_t day_of_year = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

Timestamp to_timestamp(const mbedtls_x509_time& t) {
    return Timestamp::seconds(((days_from_civil(t.year, t.mon, t.day) * 24 + t.hour) * 60 + t.min) * 60 + t.sec);
}

// An address in the form certificates hold; size 0 if the text is a name.
struct Address {
    std::array<unsigned char, 16> bytes{};
    std::size_t size = 0;
};
Address parse_address(const std::string& host) {
    Address address;
    if (inet_pton(AF_INET, host.c_str(), address.bytes.data()) == 1) address.size = 4;
    else if (inet_pton(AF_INET6, host.c_str(), address.bytes.data()) == 1) address.size = 16;
    return address;
}

bool names_address(const mbedtls_x509_crt& certificate, const Address& address) {
    constexpr int tag_mask = 0x1F;
    constexpr int ip_address_tag = 7;  // RFC 5280: [7] iPAddress
    for (const mbedtls_x509_sequence* name = &certificate.subject_alt_names; name != nullptr; name = name->next) {
        if ((name->buf.tag & tag_mask) == ip_address_tag && name->buf.len == address.size &&
            std::equal(name->buf.p, name->buf.p + name->buf.len, address.bytes.begin()))
            return true;
    }
    return false;
}

std::string_view alert_text(unsigned alert) {
    switch (alert) {
        case 10: return "unexpected message";
        case 20: return "bad record";
        case 50: return "cannot be decoded";
        case 51: return "cannot be decrypted";
        case 40: return "handshake failure (no certificate of ours that it accepts, or no common cipher)";
        case 41: return "no certificate";
        case 42: return "bad certificate";
        case 43: return "unsupported certificate";
        case 44: return "certificate revoked";
        case 45: return "certificate expired";
        case 46: return "certificate unknown";
        case 48: return "unknown certificate authority";
        case 49: return "access denied";
        case 70: return "protocol version not supported";
        case 71: return "insufficient security";
        case 80: return "internal error";
        default: return "";
    }
}

// Said of bytes that were damaged on the way, or by a peer in trouble: another try may well do.
bool of_the_transport(unsigned alert) {
    return alert == 10 || alert == 20 || alert == 21 || alert == 22 || alert == 50 || alert == 51 || alert == 80;
}

// The flags as one line: "expired; not for this host name".
std::string verification_text(std::uint32_t flags, const std::string& host) {
    std::string text;
    const auto add = [&](std::uint32_t flag, std::string_view what) {
        if ((flags & flag) == 0) return;
        if (!text.empty()) text += "; ";
        text += what;
        flags &= ~flag;
    };
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    gmtime_r(&now, &utc);
    char clock[64];
    std::strftime(clock, sizeof clock, " (the clock here says %Y-%m-%dT%H:%M:%SZ)", &utc);
    add(MBEDTLS_X509_BADCERT_EXPIRED, std::string("has expired") + clock);
    add(MBEDTLS_X509_BADCERT_FUTURE, std::string("is not valid yet") + clock);
    add(MBEDTLS_X509_BADCERT_REVOKED, "has been revoked");
    add(MBEDTLS_X509_BADCERT_CN_MISMATCH, "is not for the name " + host);
    add(MBEDTLS_X509_BADCERT_NOT_TRUSTED, "is not signed by the configured authority");
    add(MBEDTLS_X509_BADCERT_MISSING, "was not shown");
    add(MBEDTLS_X509_BADCERT_KEY_USAGE, "is not meant for this use");
    add(MBEDTLS_X509_BADCERT_EXT_KEY_USAGE, "is not meant for this use (extended key usage)");
    add(MBEDTLS_X509_BADCERT_BAD_MD, "is signed with a weak hash");
    add(MBEDTLS_X509_BADCERT_BAD_PK, "has a kind of key that is not accepted");
    add(MBEDTLS_X509_BADCERT_BAD_KEY, "has a key that is too weak");
    add(MBEDTLS_X509_BADCRL_EXPIRED, std::string("cannot be checked: the revocation list has expired") + clock);
    add(MBEDTLS_X509_BADCRL_FUTURE, std::string("cannot be checked: the revocation list is not valid yet") + clock);
    add(MBEDTLS_X509_BADCRL_NOT_TRUSTED, "cannot be checked: the revocation list is not signed by the configured authority");
    add(MBEDTLS_X509_BADCRL_BAD_MD | MBEDTLS_X509_BADCRL_BAD_PK | MBEDTLS_X509_BADCRL_BAD_KEY,
        "cannot be checked: the revocation list has a weak signature");
    if (flags != 0) add(flags, "failed verification");
    return text;
}

Error error_of(int code) {
    switch (code) {
        case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
        case MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE:
        case MBEDTLS_ERR_SSL_PEER_VERIFY_FAILED:
        case MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE: return Error::unauthenticated;
        case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE: return Error::refused;
        case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
        case MBEDTLS_ERR_SSL_CONN_EOF:
        case MBEDTLS_ERR_NET_CONN_RESET: return Error::closed;
        case MBEDTLS_ERR_NET_RECV_FAILED:
        case MBEDTLS_ERR_NET_SEND_FAILED: return Error::io;
        case MBEDTLS_ERR_SSL_ALLOC_FAILED:
        case MBEDTLS_ERR_X509_ALLOC_FAILED: return Error::no_memory;
        case MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION:
        case MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN: return Error::refused;
        default: return Error::invalid;
    }
}

}  // namespace

// ---- context -----------------------------------------------------------------------------------------

struct TlsContext::State {
    mbedtls_ssl_config config{};
    mbedtls_x509_crt authorities{};
    mbedtls_x509_crt own{};
    mbedtls_x509_crl revoked{};
    mbedtls_pk_context key{};
    TlsRole role = TlsRole::client;
    bool has_list = false;

    State() {
        mbedtls_ssl_config_init(&config);
        mbedtls_x509_crt_init(&authorities);
        mbedtls_x509_crt_init(&own);
        mbedtls_x509_crl_init(&revoked);
        mbedtls_pk_init(&key);
    }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() {
        mbedtls_ssl_config_free(&config);
        mbedtls_x509_crt_free(&authorities);
        mbedtls_x509_crt_free(&own);
        mbedtls_x509_crl_free(&revoked);
        mbedtls_pk_free(&key);
    }

    Status read(const TlsFiles& files, std::string& reason) {
        const auto failed = [&](const std::string& path, int code) -> Status {
            reason = path + ": " + (code > 0 ? "some certificates in it cannot be read" : error_text(code));
            return code == MBEDTLS_ERR_PK_FILE_IO_ERROR || code == MBEDTLS_ERR_X509_FILE_IO_ERROR ? Error::missing
                                                                                                  : Error::invalid;
        };
        if (const int code = mbedtls_x509_crt_parse_file(&authorities, files.ca.c_str()); code != 0)
            return failed(files.ca, code);
        if (const int code = mbedtls_x509_crt_parse_file(&own, files.certificate.c_str()); code != 0)
            return failed(files.certificate, code);
        if (const int code = mbedtls_pk_parse_keyfile(&key, files.key.c_str(), nullptr); code != 0)
            return failed(files.key, code);
        if (const int code = files.crl.empty() ? 0 : mbedtls_x509_crl_parse_file(&revoked, files.crl.c_str()); code != 0)
            return failed(files.crl, code);
        if (mbedtls_pk_check_pair(&own.pk, &key) != 0) {
            reason = files.key + ": does not belong to the certificate " + files.certificate;
            return Error::invalid;
        }
        has_list = !files.crl.empty();
        return {};
    }

    Status configure(Entropy& entropy) {
        const int endpoint = role == TlsRole::client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER;
        if (mbedtls_ssl_config_defaults(&config, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0)
            return Error::no_memory;
        mbedtls_ssl_conf_min_version(&config, MBEDTLS_SSL_MAJOR_VERSION_3, MBEDTLS_SSL_MINOR_VERSION_3);
        mbedtls_ssl_conf_ciphersuites(&config, ciphers.data());
        mbedtls_ssl_conf_authmode(&config, MBEDTLS_SSL_VERIFY_REQUIRED);
        mbedtls_ssl_conf_rng(&config, &random_bytes, &entropy);
        mbedtls_ssl_conf_sig_hashes(&config, handshake_hashes.data());
        mbedtls_ssl_conf_ca_chain(&config, &authorities, has_list ? &revoked : nullptr);
        // A ticket would let a later session skip the verification.
        if (role == TlsRole::client) mbedtls_ssl_conf_session_tickets(&config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
        return mbedtls_ssl_conf_own_cert(&config, &own, &key) == 0 ? Status{} : Status(Error::no_memory);
    }
};

TlsContext::TlsContext() : state_(std::make_unique<State>()) {}
TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::load(TlsRole role, const TlsFiles& files, Entropy& entropy,
                                                           std::string& reason) {
    std::shared_ptr<TlsContext> context(new TlsContext());
    context->state_->role = role;
    if (const Status read = context->state_->read(files, reason); !read) return read.error();
    if (const Status configured = context->state_->configure(entropy); !configured) {
        reason = "no memory for TLS";
        return configured.error();
    }
    context->own_name_ = common_name(context->state_->own);
    context->own_expiry_ = to_timestamp(context->state_->own.valid_to);
    return std::shared_ptr<const TlsContext>(std::move(context));
}

// ---- stream ------------------------------------------------------------------------------------------

struct TlsStream::State {
    mbedtls_ssl_context ssl{};
    Stream* below = nullptr;
    Address address;  // of the host, if it is one: mbedTLS compares names only
    std::string host;

    State() { mbedtls_ssl_init(&ssl); }
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    ~State() { mbedtls_ssl_free(&ssl); }

    static int send(void* state, const unsigned char* bytes, std::size_t count) {
        const auto sent =
            static_cast<State*>(state)->below->send({reinterpret_cast<const std::byte*>(bytes), count});
        if (sent) return static_cast<int>(*sent);
        if (sent.error() == Error::busy) return MBEDTLS_ERR_SSL_WANT_WRITE;
        return sent.error() == Error::closed ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_SEND_FAILED;
    }
    static int receive(void* state, unsigned char* bytes, std::size_t count) {
        const auto received =
            static_cast<State*>(state)->below->receive({reinterpret_cast<std::byte*>(bytes), count});
        if (received) return static_cast<int>(*received);
        if (received.error() == Error::busy) return MBEDTLS_ERR_SSL_WANT_READ;
        return received.error() == Error::closed ? MBEDTLS_ERR_NET_CONN_RESET : MBEDTLS_ERR_NET_RECV_FAILED;
    }
    static int verify_address(void* state, mbedtls_x509_crt* certificate, int depth, std::uint32_t* flags) {
        if (depth == 0 && !names_address(*certificate, static_cast<State*>(state)->address))
            *flags |= MBEDTLS_X509_BADCERT_CN_MISMATCH;
        return 0;
    }
};

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, std::unique_ptr<Stream> below)
    : context_(std::move(context)), below_(std::move(below)), state_(std::make_unique<State>()) {}
TlsStream::~TlsStream() = default;

Result<std::unique_ptr<TlsStream>> TlsStream::make(std::shared_ptr<const TlsContext> context,
                                                   std::unique_ptr<Stream> below, const std::string& host) {
    std::unique_ptr<TlsStream> stream(new TlsStream(std::move(context), std::move(below)));
    State& state = *stream->state_;
    state.below = stream->below_.get();
    if (mbedtls_ssl_setup(&state.ssl, &stream->context_->state_->config) != 0) return Error::no_memory;
    mbedtls_ssl_set_bio(&state.ssl, &state, &State::send, &State::receive, nullptr);
    if (stream->context_->state_->role == TlsRole::server) return stream;
    // A client that checks no name would accept any certificate of the authority.
    WEIR_ASSERT(!host.empty());
    state.host = host;
    state.address = parse_address(host);
    if (state.address.size != 0)
        mbedtls_ssl_set_verify(&state.ssl, &State::verify_address, &state);
    else if (mbedtls_ssl_set_hostname(&state.ssl, host.c_str()) != 0)
        return Error::invalid;
    return stream;
}

Status TlsStream::fail(int code) {
    failed_ = error_of(code);
    const std::string_view peer = context_->state_->role == TlsRole::client ? "server" : "client";
    const std::uint32_t flags = mbedtls_ssl_get_verify_result(&state_->ssl);
    if (code == MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE) {
        reason_ = "client certificate: was not shown";
    } else if ((code == MBEDTLS_ERR_X509_CERT_VERIFY_FAILED || code == MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE) && flags != 0 &&
               flags != UINT32_MAX) {  // a certificate for another use fails as BAD_HS_CERTIFICATE, with its flag set
        reason_ = std::string(peer) + " certificate: " + verification_text(flags, state_->host);
    } else if (code == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE) {
        const unsigned alert = state_->ssl.in_msg != nullptr ? state_->ssl.in_msg[1] : 0;
        if (of_the_transport(alert)) failed_ = Error::closed;
        reason_ = "the " + std::string(peer) + " refused: alert " + std::to_string(alert);
        if (const std::string_view text = alert_text(alert); !text.empty()) reason_ += ", " + std::string(text);
    } else if (failed_ == Error::closed) {
        reason_ = "the " + std::string(peer) + " closed the connection";
        if (!established_) reason_ += " during the handshake";
    } else {
        reason_ = error_text(code);
    }
    return failed_;
}

Status TlsStream::handshake() {
    if (failed_ != Error::none) return failed_;
    if (established_) return {};
    const int code = mbedtls_ssl_handshake(&state_->ssl);
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        wants_write_ = code == MBEDTLS_ERR_SSL_WANT_WRITE;
        return Error::busy;
    }
    return code == 0 ? finish_handshake() : fail(code);
}

// mbedTLS has verified by now; this asks it once more, so that no setting can ever weaken it unseen.
Status TlsStream::finish_handshake() {
    const mbedtls_x509_crt* peer = mbedtls_ssl_get_peer_cert(&state_->ssl);
    if (peer == nullptr || mbedtls_ssl_get_verify_result(&state_->ssl) != 0)
        return fail(MBEDTLS_ERR_X509_CERT_VERIFY_FAILED);
    peer_name_ = common_name(*peer);
    wants_write_ = false;
    established_ = true;
    return {};
}

Status TlsStream::handshake(const Clock& clock, Duration limit) {
    const MonotonicTime until = clock.monotonic() + limit;
    for (;;) {
        const Status status = handshake();
        if (status.error() != Error::busy) return status;
        const Duration left = until - clock.monotonic();
        const Status ready = left <= Duration{} ? Status(Error::timed_out)
                             : wants_write_     ? below_->wait_writable(left)
                                                : below_->wait_readable(left);
        if (ready || clock.monotonic() < until) continue;
        failed_ = Error::timed_out;
        reason_ = "the TLS handshake took too long";
        return failed_;
    }
}

Result<Bytes> TlsStream::receive(MutableByteSpan into) {
    WEIR_ASSERT(established_ || failed_ != Error::none);
    if (failed_ != Error::none) return failed_;
    const int code = mbedtls_ssl_read(&state_->ssl, reinterpret_cast<unsigned char*>(into.data()), into.size());
    if (code > 0) return static_cast<Bytes>(code);
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        wants_write_ = code == MBEDTLS_ERR_SSL_WANT_WRITE;
        return Error::busy;
    }
    return fail(code == 0 ? MBEDTLS_ERR_SSL_CONN_EOF : code).error();
}

Result<Bytes> TlsStream::send(ByteSpan from) {
    WEIR_ASSERT(established_ || failed_ != Error::none);
    if (failed_ != Error::none) return failed_;
    // mbedTLS has encrypted the bytes of a send that gave busy already: the same length goes in again.
    WEIR_ASSERT(from.size() >= unsent_);
    const Bytes size = unsent_ != 0 ? unsent_ : from.size();
    const int code = mbedtls_ssl_write(&state_->ssl, reinterpret_cast<const unsigned char*>(from.data()), size);
    unsent_ = 0;
    if (code >= 0) return static_cast<Bytes>(code);
    if (code == MBEDTLS_ERR_SSL_WANT_READ || code == MBEDTLS_ERR_SSL_WANT_WRITE) {
        wants_write_ = code == MBEDTLS_ERR_SSL_WANT_WRITE;
        unsent_ = size;
        return Error::busy;
    }
    return fail(code).error();
}

Bytes TlsStream::pending() const { return established_ ? mbedtls_ssl_get_bytes_avail(&state_->ssl) : 0; }

Status TlsStream::wait_readable(Duration limit) {
    return pending() > 0 ? Status{} : below_->wait_readable(limit);
}
Status TlsStream::wait_writable(Duration limit) { return below_->wait_writable(limit); }
int TlsStream::descriptor() const { return below_->descriptor(); }

void TlsStream::close() {
    if (established_ && failed_ == Error::none) mbedtls_ssl_close_notify(&state_->ssl);
}

}  // namespace weir

#include "drivers/connect_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace weir {

namespace {

template <auto function>
struct Free {
    template <typename T>
    void operator()(T* object) const {
        function(object);
    }
};
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Free<SSL_free>>;
using Addresses = std::unique_ptr<addrinfo, Free<freeaddrinfo>>;

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

private:
    int fd_;
};

std::string openssl_reason() {
    const unsigned long code = ERR_get_error();
    char text[256];
    ERR_error_string_n(code, text, sizeof text);
    const char* reason = ERR_reason_error_string(code);
    return reason ? reason : text;
}

// Empty, or what went wrong. The socket stays non-blocking.
std::string connect_tcp(int fd, const addrinfo& address, Duration limit) {
    if (::connect(fd, address.ai_addr, address.ai_addrlen) == 0) return {};
    if (errno != EINPROGRESS) return std::strerror(errno);
    pollfd wait{fd, POLLOUT, 0};
    if (::poll(&wait, 1, static_cast<int>(limit.ms())) <= 0) return "no answer (timed out)";
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
    return error == 0 ? std::string() : std::strerror(error);
}

std::string load_files(SSL_CTX* context, const MqttTls& tls) {
    if (tls.ca.empty())
        SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_locations(context, tls.ca.c_str(), nullptr) != 1)
        return "tls.ca '" + tls.ca + "': " + openssl_reason();
    if (tls.cert.empty()) return {};
    if (SSL_CTX_use_certificate_chain_file(context, tls.cert.c_str()) != 1)
        return "tls.cert '" + tls.cert + "': " + openssl_reason();
    if (SSL_CTX_use_PrivateKey_file(context, tls.key.c_str(), SSL_FILETYPE_PEM) != 1)
        return "tls.key '" + tls.key + "': " + openssl_reason();
    return {};
}

}  // namespace

std::string tls_files_problem(const MqttTls& tls) {
    const Context context(SSL_CTX_new(TLS_client_method()));
    ERR_clear_error();
    if (!context) return openssl_reason();
    if (std::string problem = load_files(context.get(), tls); !problem.empty()) return problem;
    if (!tls.cert.empty() && SSL_CTX_check_private_key(context.get()) != 1)
        return "tls.key '" + tls.key + "': does not belong to the certificate '" + tls.cert + "'";
    return {};
}

namespace {

std::string verify_reason(long result, const std::string& name, const MqttTls& tls) {
    const std::string text = X509_verify_cert_error_string(result);
    switch (result) {
        case X509_V_ERR_HOSTNAME_MISMATCH:
        case X509_V_ERR_IP_ADDRESS_MISMATCH: return "the server's certificate is not for '" + name + "' (" + text + ")";
        case X509_V_ERR_CERT_HAS_EXPIRED: return "the server's certificate has expired (or this board's clock is wrong)";
        case X509_V_ERR_CERT_NOT_YET_VALID: return "the server's certificate is not yet valid (or this board's clock is wrong)";
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
        case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
            return "the server's certificate was not issued by " +
                   (tls.ca.empty() ? std::string("a CA that the system trusts") : "the CA in '" + tls.ca + "'") + " (" + text + ")";
        default: return "the server's certificate is not valid: " + text;
    }
}

std::string try_tls(int fd, const MqttUrl& url, const MqttTls& tls, Duration limit) {
    const Context context(SSL_CTX_new(TLS_client_method()));
    if (!context) return openssl_reason();
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(context.get(), "DEFAULT:@SECLEVEL=2");  // as in paho.cc
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    if (std::string problem = load_files(context.get(), tls); !problem.empty()) return problem;
    const Session session(SSL_new(context.get()));
    if (!session) return openssl_reason();
    const std::string& name = tls.server_name.empty() ? url.host : tls.server_name;
    if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(session.get()), name.c_str()) != 1) SSL_set1_host(session.get(), name.c_str());
    SSL_set_tlsext_host_name(session.get(), name.c_str());
    SSL_set_fd(session.get(), fd);
    ERR_clear_error();
    int result = 0;
    for (int rounds = 0; rounds < 16; ++rounds) {
        result = SSL_connect(session.get());
        if (result == 1) break;
        const int error = SSL_get_error(session.get(), result);
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) break;
        pollfd wait{fd, static_cast<short>(error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT), 0};
        if (::poll(&wait, 1, static_cast<int>(limit.ms())) <= 0) return "no answer in the TLS handshake (is it a TLS port?)";
    }
    const long verified = SSL_get_verify_result(session.get());
    if (verified != X509_V_OK) return verify_reason(verified, name, tls);
    if (result != 1) return "TLS: " + openssl_reason();
    // TLS 1.3 tells a client that its certificate was refused only after the handshake.
    char byte = 0;
    pollfd wait{fd, POLLIN, 0};
    if (::poll(&wait, 1, 200) > 0 && SSL_read(session.get(), &byte, 1) <= 0 && ERR_peek_error() != 0)
        return "the server refused us: " + openssl_reason();
    return {};
}

}  // namespace

std::string probe_connection(const MqttUrl& url, const MqttTls& tls, Duration limit) {
    const addrinfo hints{.ai_flags = AI_ADDRCONFIG, .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = 0,
                         .ai_addrlen = 0, .ai_addr = nullptr, .ai_canonname = nullptr, .ai_next = nullptr};
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(url.host.c_str(), std::to_string(url.port).c_str(), &hints, &found);
    if (error != 0) return "host '" + url.host + "': " + gai_strerror(error);
    const Addresses addresses(found);
    std::string problem;
    for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
        const Descriptor descriptor(::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        problem = descriptor.get() < 0 ? std::strerror(errno) : connect_tcp(descriptor.get(), *address, limit);
        if (problem.empty()) return url.tls ? try_tls(descriptor.get(), url, tls, limit) : std::string();
    }
    return url.host + ":" + std::to_string(url.port) + ": " + problem;
}

}  // namespace weir

// TLS between agents and bridges, on mbedTLS: mutual authentication, always verified.
// TLS 1.2 (the newest this mbedTLS has) with ephemeral ECDH and AEAD ciphers only; both ends must show a
// certificate of the configured authority, within its dates by the system's clock; a client also checks
// the server's name (DNS name or IP address). Nothing of the application goes out before that.
// With a revocation list, none of the chain may be on it.
// Memory: by mbedTLS with malloc: tls_session_bytes a session (33 KiB of record buffers, the rest is the
// handshake and the peer's chain), tls_context_bytes a context with a chain of two, the revocation list beside it. Allocation failures
// are errors of that session. Cost: a handshake is about 2 ms on a PC, 40 ms on a Cortex-A53.
// Threads: a context and its streams belong to one thread.
// Errors: unauthenticated (a certificate would not do; reason() says which and why), refused (the peer
// ended the handshake), closed, timed_out, io, no_memory.
// Reload: make a new context and use it for new streams; streams keep the one they were made with (so there may be two).
// Source: RFC 5246, 5288, 6125, 7905.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "agent/base/socket.h"

namespace weir {

inline constexpr Bytes tls_session_bytes = Bytes{56} << 10;
inline constexpr Bytes tls_context_bytes = Bytes{24} << 10;

enum class TlsRole { client, server };

// Paths of PEM files. The key may be RSA (2048 bits or more) or ECDSA and must not have a passphrase.
struct TlsFiles {
    std::string ca;           // one or more authorities; the system's are not consulted
    std::string certificate;  // our own, leaf first, then intermediates
    std::string key;
    // Revocation lists (PEM) of those authorities; empty: none. A list that has expired refuses every
    // certificate of its authority: what it would have revoked is not known.
    std::string crl = {};
};

class TlsContext {
public:
    // On failure the reason is a sentence that names the file. entropy outlives the context.
    static Result<std::shared_ptr<const TlsContext>> load(TlsRole role, const TlsFiles& files, Entropy& entropy,
                                                          std::string& reason);
    ~TlsContext();

    // Common name of our own certificate: the agent's id where none is configured.
    std::string_view own_name() const { return own_name_; }
    Timestamp own_expiry() const { return own_expiry_; }

private:
    friend class TlsStream;
    struct State;
    TlsContext();
    std::unique_ptr<State> state_;
    std::string own_name_;
    Timestamp own_expiry_;
};

class TlsStream final : public Stream {
public:
    // host: the name or address the server must prove (clients); ignored for servers.
    static Result<std::unique_ptr<TlsStream>> make(std::shared_ptr<const TlsContext> context,
                                                   std::unique_ptr<Stream> below, const std::string& host);
    ~TlsStream() override;

    // Goes on with the handshake without waiting: ok when done (and from then on), busy when it needs
    // the socket (wants_write() says for what). Any other error is final; reason() explains it.
    Status handshake();
    // The same, waiting at most until limit is over.
    Status handshake(const Clock& clock, Duration limit);

    // Non-blocking, as Stream says. REQUIRES: handshake() has succeeded. After send() gave busy the
    // next send() must begin with the same bytes.
    Result<Bytes> receive(MutableByteSpan into) override;
    Result<Bytes> send(ByteSpan from) override;
    Status wait_readable(Duration limit) override;  // at once if decrypted bytes are waiting
    Status wait_writable(Duration limit) override;
    int descriptor() const override;

    bool established() const { return established_; }
    // What the last busy waits for: true, that the socket takes bytes; false, that it has some.
    bool wants_write() const { return wants_write_; }
    // Decrypted bytes that receive() gives without the socket: poll() alone would miss them.
    Bytes pending() const;

    // Common name of the verified peer; empty before the handshake is done.
    std::string_view peer_name() const { return peer_name_; }
    // Why it failed, for a person: "server certificate: has expired".
    std::string_view reason() const { return reason_; }

    // Says goodbye to the peer (close_notify) if the socket takes it at once; then destroy the stream.
    void close();

private:
    struct State;
    TlsStream(std::shared_ptr<const TlsContext> context, std::unique_ptr<Stream> below);
    Status fail(int code);
    Status finish_handshake();

    std::shared_ptr<const TlsContext> context_;
    std::unique_ptr<Stream> below_;
    std::unique_ptr<State> state_;
    std::string peer_name_;
    std::string reason_;
    Error failed_ = Error::none;
    bool established_ = false;
    bool wants_write_ = false;
    Bytes unsent_ = 0;  // length of the send that gave busy
};

}  // namespace weir

#include "uplink/bridge/enrol.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>
#include <mbedtls/x509_csr.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>

#include "agent/base/bytes.h"
#include "agent/base/files.h"

namespace weir {
namespace {

constexpr std::size_t pem_bytes_max = 16384;
constexpr int authority_days = 7300;

std::string tls_error(int code) {
    std::array<char, 160> text{};
    mbedtls_strerror(code, text.data(), text.size());
    return text.data();
}

struct Random {
    Random() {
        mbedtls_entropy_init(&entropy);
        mbedtls_ctr_drbg_init(&generator);
        seeded = mbedtls_ctr_drbg_seed(&generator, mbedtls_entropy_func, &entropy, nullptr, 0);
    }
    ~Random() {
        mbedtls_ctr_drbg_free(&generator);
        mbedtls_entropy_free(&entropy);
    }
    Random(const Random&) = delete;
    Random& operator=(const Random&) = delete;
    mbedtls_entropy_context entropy;
    mbedtls_ctr_drbg_context generator;
    int seeded;
};

struct Key {
    Key() { mbedtls_pk_init(&pk); }
    ~Key() { mbedtls_pk_free(&pk); }
    Key(const Key&) = delete;
    Key& operator=(const Key&) = delete;
    int make(Random& random) {
        const int set = mbedtls_pk_setup(&pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
        if (set != 0) return set;
        return mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(pk), mbedtls_ctr_drbg_random,
                                   &random.generator);
    }
    mbedtls_pk_context pk;
};

struct Certificate {
    Certificate() { mbedtls_x509_crt_init(&crt); }
    ~Certificate() { mbedtls_x509_crt_free(&crt); }
    Certificate(const Certificate&) = delete;
    Certificate& operator=(const Certificate&) = delete;
    mbedtls_x509_crt crt;
};

struct SigningRequest {
    SigningRequest() { mbedtls_x509_csr_init(&csr); }
    ~SigningRequest() { mbedtls_x509_csr_free(&csr); }
    SigningRequest(const SigningRequest&) = delete;
    SigningRequest& operator=(const SigningRequest&) = delete;
    mbedtls_x509_csr csr;
};

// YYYYMMDDhhmmss. By the calendar of <chrono>: time_t ends in 2038 on 32-bit machines, an authority later.
std::string time_text(std::chrono::sys_seconds at) {
    const auto day = std::chrono::floor<std::chrono::days>(at);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss time(at - day);
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%04d%02u%02u%02d%02d%02d", static_cast<int>(date.year()),
                  static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                  static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                  static_cast<int>(time.seconds().count()));
    return text.data();
}

enum class Role { authority, server, agent };

// GeneralNames of RFC 5280 4.2.1.6, written by hand: mbedTLS 2.28 has no writer for them. An address is
// listed as iPAddress and as dNSName too, since mbedTLS 2.28 compares only the latter.
std::string alternative_names(const std::vector<std::string>& names) {
    std::string entries;
    const auto add = [&](unsigned char tag, std::string_view value) {
        entries.push_back(static_cast<char>(tag));
        entries.push_back(static_cast<char>(value.size()));
        entries.append(value);
    };
    for (const std::string& name : names) {
        add(0x82, name);
        std::array<char, 16> address{};
        if (inet_pton(AF_INET, name.c_str(), address.data()) == 1) add(0x87, {address.data(), 4});
        if (inet_pton(AF_INET6, name.c_str(), address.data()) == 1) add(0x87, {address.data(), 16});
    }
    std::string der("\x30");
    if (entries.size() >= 256) {
        der.push_back(static_cast<char>(0x82));
        der.push_back(static_cast<char>(entries.size() >> 8));
    } else if (entries.size() >= 128) {
        der.push_back(static_cast<char>(0x81));
    }
    der.push_back(static_cast<char>(entries.size() & 0xff));
    return der + entries;
}

int set_usage(mbedtls_x509write_cert& writer, Role role, const std::vector<std::string>& names) {
    const bool authority = role == Role::authority;
    int error = mbedtls_x509write_crt_set_basic_constraints(&writer, authority ? 1 : 0, authority ? 0 : -1);
    if (error != 0) return error;
    error = mbedtls_x509write_crt_set_key_usage(
        &writer, authority ? MBEDTLS_X509_KU_KEY_CERT_SIGN | MBEDTLS_X509_KU_CRL_SIGN : MBEDTLS_X509_KU_DIGITAL_SIGNATURE);
    if (error != 0 || authority) return error;
    // ExtKeyUsage: one purpose, serverAuth 1.3.6.1.5.5.7.3.1 or clientAuth ...3.2.
    std::array<unsigned char, 12> purpose = {0x30, 0x0a, 0x06, 0x08, 0x2b, 6, 1, 5, 5, 7, 3, 0};
    purpose.back() = role == Role::server ? 1 : 2;
    error = mbedtls_x509write_crt_set_extension(&writer, MBEDTLS_OID_EXTENDED_KEY_USAGE,
                                                MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, purpose.data(),
                                                purpose.size());
    if (error != 0 || names.empty()) return error;
    const std::string der = alternative_names(names);
    return mbedtls_x509write_crt_set_extension(&writer, MBEDTLS_OID_SUBJECT_ALT_NAME,
                                               MBEDTLS_OID_SIZE(MBEDTLS_OID_SUBJECT_ALT_NAME), 0,
                                               reinterpret_cast<const unsigned char*>(der.data()), der.size());
}

struct Issue {
    Role role;
    std::string subject;  // "CN=..."
    std::string issuer;
    mbedtls_pk_context* subject_key;
    mbedtls_pk_context* issuer_key;
    std::vector<std::string> names;
    int days;
};

// The certificate in PEM; empty: error says why.
std::string issue(const Issue& what, Random& random, int& error) {
    mbedtls_x509write_cert writer;
    mbedtls_x509write_crt_init(&writer);
    mbedtls_mpi serial;
    mbedtls_mpi_init(&serial);
    std::string pem(pem_bytes_max, '\0');
    const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    // A day of grace for clocks that lag.
    const std::string from = time_text(now - std::chrono::days(1));
    const std::string until = time_text(now + std::chrono::days(what.days));
    mbedtls_x509write_crt_set_version(&writer, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(&writer, MBEDTLS_MD_SHA256);
    mbedtls_x509write_crt_set_subject_key(&writer, what.subject_key);
    mbedtls_x509write_crt_set_issuer_key(&writer, what.issuer_key);
    error = mbedtls_mpi_fill_random(&serial, 16, mbedtls_ctr_drbg_random, &random.generator);
    if (error == 0) error = mbedtls_mpi_set_bit(&serial, 127, 0);  // positive
    if (error == 0) error = mbedtls_mpi_set_bit(&serial, 126, 1);  // never zero
    if (error == 0) error = mbedtls_x509write_crt_set_serial(&writer, &serial);
    if (error == 0) error = mbedtls_x509write_crt_set_validity(&writer, from.c_str(), until.c_str());
    if (error == 0) error = mbedtls_x509write_crt_set_subject_name(&writer, what.subject.c_str());
    if (error == 0) error = mbedtls_x509write_crt_set_issuer_name(&writer, what.issuer.c_str());
    if (error == 0) error = set_usage(writer, what.role, what.names);
    if (error == 0) error = mbedtls_x509write_crt_set_subject_key_identifier(&writer);
    if (error == 0) error = mbedtls_x509write_crt_set_authority_key_identifier(&writer);
    if (error == 0)
        error = mbedtls_x509write_crt_pem(&writer, reinterpret_cast<unsigned char*>(pem.data()), pem.size(),
                                          mbedtls_ctr_drbg_random, &random.generator);
    mbedtls_mpi_free(&serial);
    mbedtls_x509write_crt_free(&writer);
    if (error != 0) return {};
    pem.resize(std::strlen(pem.c_str()));
    return pem;
}

std::string key_pem(Key& key) {
    std::string pem(pem_bytes_max, '\0');
    if (mbedtls_pk_write_key_pem(&key.pk, reinterpret_cast<unsigned char*>(pem.data()), pem.size()) != 0) return {};
    pem.resize(std::strlen(pem.c_str()));
    return pem;
}

bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// One enrolment, from the request to the files.
class Enrolment {
public:
    Enrolment(const EnrolRequest& request, Problem& problem) : request_(request), problem_(problem) {}

    std::optional<Enrolled> run() {
        if (!check_request() || !check_targets()) return std::nullopt;
        if (random_.seeded != 0) return fail("no randomness from the system: " + tls_error(random_.seeded));
        if (!exists(authority_cert()) && !make_authority()) return std::nullopt;
        if (!load_authority()) return std::nullopt;
        mbedtls_pk_context* subject_key = &key_.pk;
        if (request_.request_file.empty()) {
            if (const int error = key_.make(random_); error != 0) return fail("no key: " + tls_error(error));
        } else {
            if (!load_request()) return std::nullopt;
            subject_key = &csr_.csr.pk;
        }
        if (!write_bundle(subject_key)) return std::nullopt;
        return done_;
    }

private:
    std::string authority_cert() const { return request_.authority + "/ca.pem"; }
    std::string authority_key() const { return request_.authority + "/ca.key"; }
    std::string target(const char* name) const { return request_.out + "/" + request_.id + name; }

    std::nullopt_t fail(const std::string& what) {
        problem_.what = what;
        return std::nullopt;
    }
    bool refuse(const std::string& what) {
        problem_.what = what;
        return false;
    }

    bool check_request() {
        for (const std::string& name : request_.names)
            if (name.empty() || name.size() > 120 || name.find_first_of(" ,/\"") != std::string::npos)
                return refuse("\"" + name + "\" is not the name or address of a server");
        if (request_.names.size() > 16) return refuse("more than 16 server names");
        if (request_.id == "ca") return refuse("\"ca\" cannot be an id: ca.pem is the authority's certificate");
        if (!valid_agent_id(request_.id))
            return refuse("\"" + request_.id + "\" cannot be an id: use 1 to 64 letters, digits, '.', '_' and '-', not "
                          "beginning with '.' or '-'");
        return true;
    }

    // Before anything is made: nothing may be in the way.
    bool check_targets() {
        for (const char* name : {".pem", ".key"})
            if ((request_.request_file.empty() || std::strcmp(name, ".pem") == 0) && exists(target(name)))
                return refuse(target(name) + " is already there; remove it or choose another --out");
        if (exists(authority_cert()) != exists(authority_key()))
            return refuse(request_.authority + " has one of ca.pem and ca.key, but not both");
        SystemFiles files;
        if (!files.make_folders(request_.out).ok()) return refuse(request_.out + ": the folder cannot be made");
        return true;
    }

    bool write(const std::string& path, std::string_view text, mode_t mode) {
        const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (file < 0) return refuse(path + ": " + std::strerror(errno));
        const bool whole = ::write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) && fsync(file) == 0;
        const int why = errno;
        if (close(file) != 0 || !whole) {
            unlink(path.c_str());
            return refuse(path + ": " + std::strerror(why));
        }
        done_.written.push_back(path);
        return true;
    }

    bool make_authority() {
        SystemFiles files;
        if (!files.make_folders(request_.authority).ok())
            return refuse(request_.authority + ": the folder cannot be made");
        Key key;
        int error = key.make(random_);
        if (error != 0) return refuse("no key: " + tls_error(error));
        std::array<unsigned char, 4> tag{};
        mbedtls_ctr_drbg_random(&random_.generator, tag.data(), tag.size());
        char name[48];
        std::snprintf(name, sizeof name, "CN=Weir CA %02x%02x%02x%02x", tag[0], tag[1], tag[2], tag[3]);
        const std::string pem = issue({Role::authority, name, name, &key.pk, &key.pk, {}, authority_days}, random_, error);
        if (error != 0) return refuse("no authority: " + tls_error(error));
        done_.authority_made = true;
        return write(authority_key(), key_pem(key), 0600) && write(authority_cert(), pem, 0644);
    }

    bool load_authority() {
        int error = mbedtls_x509_crt_parse_file(&authority_.crt, authority_cert().c_str());
        if (error != 0) return refuse(authority_cert() + ": " + tls_error(error));
        error = mbedtls_pk_parse_keyfile(&authority_key_.pk, authority_key().c_str(), nullptr);
        if (error != 0) return refuse(authority_key() + ": " + tls_error(error));
        if (mbedtls_pk_check_pair(&authority_.crt.pk, &authority_key_.pk) != 0)
            return refuse(authority_key() + " is not the key of " + authority_cert());
        std::array<char, 512> issuer{};
        if (mbedtls_x509_dn_gets(issuer.data(), issuer.size(), &authority_.crt.subject) < 0)
            return refuse(authority_cert() + ": its subject is too long");
        issuer_ = issuer.data();
        return true;
    }

    // The signature proves that whoever asks has the key; the subject must not name somebody else.
    bool load_request() {
        int error = mbedtls_x509_csr_parse_file(&csr_.csr, request_.request_file.c_str());
        if (error != 0) return refuse(request_.request_file + ": " + tls_error(error));
        const mbedtls_x509_csr& csr = csr_.csr;
        const mbedtls_md_info_t* digest = mbedtls_md_info_from_type(csr.sig_md);
        std::array<unsigned char, MBEDTLS_MD_MAX_SIZE> hash{};
        error = digest == nullptr ? -1 : mbedtls_md(digest, csr.cri.p, csr.cri.len, hash.data());
        if (error == 0)
            error = mbedtls_pk_verify_ext(csr.sig_pk, csr.sig_opts, &csr_.csr.pk, csr.sig_md, hash.data(),
                                          mbedtls_md_get_size(digest), csr.sig.p, csr.sig.len);
        if (error != 0) return refuse(request_.request_file + ": its signature is not by its own key");
        for (const mbedtls_x509_name* part = &csr.subject; part != nullptr; part = part->next) {
            if (part->oid.p == nullptr || MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &part->oid) != 0) continue;
            const std::string_view name(reinterpret_cast<const char*>(part->val.p), part->val.len);
            if (name != request_.id)
                return refuse(request_.request_file + " asks for \"" + std::string(name) + "\", not for \"" + request_.id + "\"");
        }
        return true;
    }

    bool write_bundle(mbedtls_pk_context* subject_key) {
        const Role role = request_.names.empty() ? Role::agent : Role::server;
        int error = 0;
        const std::string pem = issue({role, "CN=" + request_.id, issuer_, subject_key, &authority_key_.pk,
                                       request_.names, request_.days}, random_, error);
        if (error != 0) return refuse("no certificate: " + tls_error(error));
        if (request_.request_file.empty() && !write(target(".key"), key_pem(key_), 0600)) return false;
        if (!write(target(".pem"), pem, 0644)) return false;
        SystemFiles files;
        const Result<std::string> authority = files.read(authority_cert(), pem_bytes_max);
        if (!authority) return refuse(authority_cert() + " cannot be read");
        const std::string copy = request_.out + "/ca.pem";
        if (!exists(copy)) return write(copy, *authority, 0644);
        const Result<std::string> present = files.read(copy, pem_bytes_max);
        if (!present || *present != *authority)
            return refuse(copy + " is another authority's; the certificate was made, its ca.pem is " + authority_cert());
        return true;
    }

    const EnrolRequest& request_;
    Problem& problem_;
    Enrolled done_;
    Random random_;
    Certificate authority_;
    Key authority_key_;
    Key key_;
    SigningRequest csr_;
    std::string issuer_;
};

}  // namespace

bool valid_agent_id(std::string_view id) {
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !id.empty() && id.size() <= 64 && id.front() != '.' && id.front() != '-' &&
           std::all_of(id.begin(), id.end(), legal);
}

std::optional<Enrolled> enrol(const EnrolRequest& request, Problem& problem) {
    return Enrolment(request, problem).run();
}

}  // namespace weir

#include "uplink/bridge/enrol.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string file_text(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

// OpenSSL's command line judges what mbedTLS wrote.
TEST_GROUP(bridge_enrol) {
    std::string folder;
    void setup() override {
        char name[] = "/tmp/weir-enrol-XXXXXX";
        folder = mkdtemp(name);
    }
    void teardown() override { shell("rm -rf " + folder); }

    static bool shell(const std::string& command) { return std::system((command + " >/dev/null 2>&1").c_str()) == 0; }
    bool has_text(const std::string& certificate, const std::string& text) {
        return shell("openssl x509 -noout -text -in " + certificate + " | grep -q '" + text + "'");
    }
    EnrolRequest request(const std::string& id) {
        EnrolRequest out;
        out.id = id;
        out.authority = folder + "/ca";
        out.out = folder + "/" + id;
        return out;
    }
    std::string problem(const EnrolRequest& what) {
        Problem why;
        return enrol(what, why) ? "" : why.what;
    }
};

TEST(bridge_enrol, bundle_is_accepted_by_openssl_for_a_client_only) {
    STRCMP_EQUAL("", problem(request("junction-017")).c_str());
    const std::string base = folder + "/junction-017/";
    CHECK(shell("openssl verify -x509_strict -purpose sslclient -CAfile " + base + "ca.pem " + base + "junction-017.pem"));
    CHECK_FALSE(shell("openssl verify -purpose sslserver -CAfile " + base + "ca.pem " + base + "junction-017.pem"));
    CHECK(has_text(base + "junction-017.pem", "Subject: CN = junction-017"));
    CHECK(has_text(base + "junction-017.pem", "NIST CURVE: P-256"));
    CHECK(has_text(base + "ca.pem", "CA:TRUE, pathlen:0"));
    CHECK(shell("test \"$(openssl x509 -in " + base + "junction-017.pem -noout -pubkey)\" = \"$(openssl pkey -in " + base +
                "junction-017.key -pubout)\""));
}

TEST(bridge_enrol, keys_are_private) {
    STRCMP_EQUAL("", problem(request("a1")).c_str());
    for (const char* key : {"/a1/a1.key", "/ca/ca.key"}) {
        struct stat info {};
        LONGS_EQUAL(0, stat((folder + key).c_str(), &info));
        LONGS_EQUAL(0600, info.st_mode & 0777);
    }
}

TEST(bridge_enrol, second_agent_has_the_same_authority_and_another_serial) {
    STRCMP_EQUAL("", problem(request("a1")).c_str());
    STRCMP_EQUAL("", problem(request("a2")).c_str());
    CHECK(file_text(folder + "/a1/ca.pem") == file_text(folder + "/a2/ca.pem"));
    CHECK(shell("openssl verify -CAfile " + folder + "/a1/ca.pem " + folder + "/a2/a2.pem"));
    CHECK_FALSE(shell("test \"$(openssl x509 -noout -serial -in " + folder + "/a1/a1.pem)\" = \"$(openssl x509 -noout -serial -in " +
                      folder + "/a2/a2.pem)\""));
}

TEST(bridge_enrol, server_certificate_names_its_names_and_addresses) {
    EnrolRequest server = request("bridge.example.org");
    server.names = {"bridge.example.org", "10.1.2.3", "::1", "a-name-of-some-length-so-that-the-list-is-long.example.org",
                    "another-name-of-some-length-so-that-the-list-is-long.example.org",
                    "and-yet-another-name-of-some-length-so-that-the-list-is-longer.example.org"};
    STRCMP_EQUAL("", problem(server).c_str());
    const std::string pem = folder + "/bridge.example.org/bridge.example.org.pem";
    CHECK(has_text(pem, "DNS:bridge.example.org, DNS:10.1.2.3, IP Address:10.1.2.3"));
    CHECK(shell("openssl verify -x509_strict -purpose sslserver -verify_hostname bridge.example.org -CAfile " + folder +
                "/ca/ca.pem " + pem));
    CHECK(shell("openssl verify -verify_ip 10.1.2.3 -CAfile " + folder + "/ca/ca.pem " + pem));
    CHECK(shell("openssl verify -verify_ip ::1 -CAfile " + folder + "/ca/ca.pem " + pem));
    CHECK_FALSE(shell("openssl verify -verify_hostname other.example.org -CAfile " + folder + "/ca/ca.pem " + pem));
}

TEST(bridge_enrol, request_is_signed_and_its_key_stays_away) {
    CHECK(shell("openssl ecparam -name prime256v1 -genkey -noout -out " + folder + "/own.key"));
    CHECK(shell("openssl req -new -key " + folder + "/own.key -subj /O=City/CN=a1 -out " + folder + "/own.csr"));
    EnrolRequest with = request("a1");
    with.request_file = folder + "/own.csr";
    STRCMP_EQUAL("", problem(with).c_str());
    CHECK(shell("openssl verify -purpose sslclient -CAfile " + folder + "/a1/ca.pem " + folder + "/a1/a1.pem"));
    CHECK(has_text(folder + "/a1/a1.pem", "Subject: CN = a1"));
    CHECK(access((folder + "/a1/a1.key").c_str(), F_OK) != 0);
    EnrolRequest other = request("a2");
    other.request_file = folder + "/own.csr";
    STRCMP_CONTAINS("asks for \"a1\", not for \"a2\"", problem(other).c_str());
}

TEST(bridge_enrol, request_with_a_forged_signature_is_refused) {
    CHECK(shell("openssl ecparam -name prime256v1 -genkey -noout -out " + folder + "/own.key"));
    CHECK(shell("openssl req -new -key " + folder + "/own.key -subj /CN=a1 -outform DER -out " + folder + "/own.der"));
    std::string der = file_text(folder + "/own.der");
    der[der.size() - 3] = static_cast<char>(der[der.size() - 3] ^ 1);
    std::ofstream(folder + "/own.der") << der;
    EnrolRequest with = request("a1");
    with.request_file = folder + "/own.der";
    STRCMP_CONTAINS("signature", problem(with).c_str());
    CHECK(access((folder + "/a1/a1.pem").c_str(), F_OK) != 0);
}

TEST(bridge_enrol, nothing_is_overwritten) {
    STRCMP_EQUAL("", problem(request("a1")).c_str());
    const std::string before = file_text(folder + "/a1/a1.key");
    STRCMP_CONTAINS("already there", problem(request("a1")).c_str());
    CHECK(before == file_text(folder + "/a1/a1.key"));
    CHECK(shell("rm " + folder + "/ca/ca.key"));
    STRCMP_CONTAINS("not both", problem(request("a2")).c_str());
}

TEST(bridge_enrol, ids_that_could_leave_their_place_are_refused) {
    for (const char* id : {"", ".", "..", "-x", ".x", "a/b", "a b", "a+", "a#", "ca", "\xc3\xa9"})
        CHECK_FALSE(problem(request(id)).empty());
    CHECK(valid_agent_id(std::string(64, 'a')));
    CHECK_FALSE(valid_agent_id(std::string(65, 'a')));
    CHECK_FALSE(valid_agent_id(std::string_view("a\0b", 3)));
}

// Certificates for tests, made once a program with the openssl command in a folder of its own.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "uplink/tls.h"

namespace weir {

class Certificates {
public:
    static const Certificates& get() {
        static const Certificates all;
        return all;
    }
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;
    ~Certificates() { std::filesystem::remove_all(folder_); }

    // Signed by the right authority unless said otherwise. Names: bridge (localhost, 127.0.0.1),
    // elsewhere (another host name), old (expired), agent (junction-017), stranger (an agent of another
    // authority), fake (a bridge of that authority), selfsigned; leaked_bridge
    // and leaked_agent, good but for being in revoked.pem (revoked-old.pem is that list, out of date).
    TlsFiles files(const std::string& name, const std::string& authority = "ca") const {
        const std::string folder = folder_;
        return {folder + "/" + authority + ".pem", folder + "/" + name + ".pem", folder + "/" + name + ".key"};
    }
    bool ok() const { return ok_; }
    std::string folder() const { return folder_; }

private:
    Certificates() {
        ok_ = mkdtemp(folder_) != nullptr;
        authority("ca");
        authority("other");
        leaf("bridge", "ca", "DNS:localhost,IP:127.0.0.1");
        leaf("elsewhere", "ca", "DNS:elsewhere.example.org");
        leaf("agent", "ca", "", "junction-017");
        leaf("stranger", "other", "", "junction-017");
        leaf("fake", "other", "DNS:localhost,IP:127.0.0.1");
        old();
        leaf("leaked_bridge", "ca", "DNS:localhost,IP:127.0.0.1");
        leaf("leaked_agent", "ca", "", "junction-017");
        revocation_lists();
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=junction-017"
            " -keyout selfsigned.key -out selfsigned.pem");
    }

    void run(const std::string& command) {
        ok_ = std::system(("cd " + folder() + " && " + command + " >/dev/null 2>&1").c_str()) == 0 && ok_;
    }
    void authority(const std::string& name) {
        run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=" + name +
            " -addext keyUsage=keyCertSign,cRLSign -keyout " + name + ".key -out " + name + ".pem");
    }
    void request(const std::string& name, const std::string& common_name, const std::string& alt) {
        run("openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=" + common_name +
            (alt.empty() ? "" : " -addext subjectAltName=" + alt) + " -keyout " + name + ".key -out " + name + ".csr");
    }
    void leaf(const std::string& name, const std::string& authority, const std::string& alt, std::string common_name = {}) {
        request(name, common_name.empty() ? name : common_name, alt);
        run("openssl x509 -req -in " + name + ".csr -copy_extensions copy -days 30 -CA " + authority + ".pem -CAkey " +
            authority + ".key -CAcreateserial -out " + name + ".pem");
    }
    // openssl x509 cannot date back; ca can.
    void old() {
        request("old", "old", "DNS:localhost,IP:127.0.0.1");
        run("touch index.txt && echo 01 > serial && printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=index.txt\\n"
            "serial=serial\\nnew_certs_dir=.\\ndefault_md=sha256\\npolicy=p\\ncopy_extensions=copy\\n[p]\\n"
            "commonName=supplied\\n' > ca.cnf && openssl ca -batch -config ca.cnf -cert ca.pem -keyfile ca.key "
            "-startdate 20200101000000Z -enddate 20200201000000Z -in old.csr -out old.pem -notext");
    }

    void revocation_lists() {
        const std::string ca = "openssl ca -config ca.cnf -cert ca.pem -keyfile ca.key ";
        run("(" + ca + "-revoke leaked_bridge.pem && " + ca + "-revoke leaked_agent.pem && " + ca + "-gencrl -crldays 30 -out revoked.pem && " +
            ca + "-gencrl -crl_lastupdate 20200101000000Z -crl_nextupdate 20200201000000Z -out revoked-old.pem)");
    }

    char folder_[40] = "/tmp/weir-certificates-XXXXXX";  // no heap: outlives the tests that count leaks
    bool ok_ = true;
};

}  // namespace weir

"""The certificate factory: an authority with the OpenSSL command line, and from it every kind of
certificate, good and bad.

    python -m weirtest.certificates FOLDER     makes one of each kind for a server and for a client
"""

import subprocess
import sys
from pathlib import Path

from . import places

PAST = ("20200101000000Z", "20210101000000Z")
FUTURE = ("20450101000000Z", "20460101000000Z")
CONFIGURATION = """
[ca]
default_ca = d
[d]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
default_days = 10
default_crl_days = 10
policy = p
unique_subject = no
[p]
commonName = supplied
"""

# What is wrong with it, as Authority.issue() is told; {} is what must be accepted.
KINDS = {
    "good": {},
    "expired": {"dates": PAST},
    "not_yet_valid": {"dates": FUTURE},
    "wrong_host": {"hosts": "DNS:elsewhere.example.org"},
    "wrong_usage": {"key_usage": "cRLSign", "key": "rsa:2048"},
    "wrong_extended_usage": {},  # that of the other side
    "sha1": {"digest": "sha1"},
    "rsa1024": {"key": "rsa:1024"},
    "revoked": {},
    "unknown_authority": {},
    "authority_of_the_same_name": {},
    "self_signed": {},
    "signed_by_a_leaf": {},
}


class Authority:
    """Makes certificates in a folder: NAME.pem and NAME.key for each, ca.pem for itself."""

    def __init__(self, folder, name="Weir test authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self.ca = folder / "ca.pem"
        self.crl = folder / "revoked.pem"
        self._key = folder / "ca.key"
        (folder / "index.txt").write_text("")
        (folder / "ca.conf").write_text(CONFIGURATION)
        extras = [
            "basicConstraints=critical,CA:TRUE",
            "keyUsage=critical,keyCertSign,cRLSign",
        ]
        self._self_signed(name, self._key, self.ca, extras)

    def _openssl(self, *arguments):
        done = subprocess.run(
            [places.tool("openssl"), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def _self_signed(self, common_name, key, certificate, extras):
        more = [part for extra in extras for part in ("-addext", extra)]
        names = ["-subj", f"/CN={common_name}", "-keyout", key, "-out", certificate]
        self._openssl("req", "-x509", *_new_key("ec"), "-days", "30", *names, *more)

    def files(self, name):
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def issue(
        self,
        name,
        common_name=None,
        hosts="IP:127.0.0.1,DNS:localhost",
        dates=None,
        usage="serverAuth,clientAuth",
        key_usage="digitalSignature",
        key="ec",
        digest="sha256",
        issuer=None,
    ):
        """Returns (certificate, key). dates is (first, last); issuer another (certificate, key)."""
        certificate, key_file = self.files(name)
        request, extras = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extras.write_text(
            "basicConstraints=critical,CA:FALSE\n"
            f"keyUsage=critical,{key_usage}\n"
            f"extendedKeyUsage={usage}\n"
            f"subjectAltName={hosts}\n"
        )
        subject = ["-subj", f"/CN={common_name or name}", "-keyout", key_file, "-out", request]
        self._openssl("req", *_new_key(key), *subject)
        issuer_certificate, issuer_key = issuer or (self.ca, self._key)
        signer = ["-config", "ca.conf", "-cert", issuer_certificate, "-keyfile", issuer_key]
        files = ["-in", request, "-out", certificate, "-notext", "-extfile", extras]
        when = ["-startdate", dates[0], "-enddate", dates[1]] if dates else []
        self._openssl("ca", "-batch", *signer, "-md", digest, *files, *when)
        if issuer:
            chain = certificate.read_text() + Path(issuer_certificate).read_text()
            certificate.write_text(chain)
        return certificate, key_file

    def self_signed(self, name, common_name=None):
        certificate, key = self.files(name)
        extras = ["subjectAltName=IP:127.0.0.1,DNS:localhost", "basicConstraints=CA:FALSE"]
        self._self_signed(common_name or name, key, certificate, extras)
        return certificate, key

    def revoke(self, *names):
        """Puts certificates on the revocation list, and returns the list's file."""
        signer = ["-config", "ca.conf", "-cert", self.ca, "-keyfile", self._key]
        for name in names:
            self._openssl("ca", *signer, "-revoke", self.files(name)[0])
        self._openssl("ca", *signer, "-gencrl", "-out", self.crl)
        return self.crl


def _new_key(kind):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    return curve if kind == "ec" else ["-newkey", kind, "-nodes"]


class Factory:
    """One of each of KINDS for a server and for a client, beside the authority that counts."""

    def __init__(self, folder, client_name="gate-1"):
        self.authority = Authority(folder / "authority")
        self._others = {
            "unknown_authority": Authority(folder / "unknown", "Another authority"),
            "authority_of_the_same_name": Authority(folder / "fake", self.authority.name),
        }
        self._leaf = self.authority.issue("leaf")
        self._made = {}
        for role, common_name in (("server", "bridge"), ("client", client_name)):
            for kind in KINDS:
                self._made[role, kind] = self._make(kind, role, common_name)
        self.crl = self.authority.revoke("server-revoked", "client-revoked")

    def _make(self, kind, role, common_name):
        name = f"{role}-{kind}"
        if kind == "self_signed":
            return self.authority.self_signed(name, common_name)
        usage = {"server": "serverAuth", "client": "clientAuth"}
        own = usage[role]
        other = usage["client" if role == "server" else "server"]
        return self._others.get(kind, self.authority).issue(
            name,
            common_name,
            usage=other if kind == "wrong_extended_usage" else own,
            issuer=self._leaf if kind == "signed_by_a_leaf" else None,
            **KINDS[kind],
        )

    def files(self, role, kind="good"):
        """(certificate, key)"""
        return self._made[role, kind]


if __name__ == "__main__":
    Factory(Path(sys.argv[1]))
    print(f"{sys.argv[1]}: {2 * len(KINDS)} certificates and a revocation list")

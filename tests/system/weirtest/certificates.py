"""A certificate authority for tests, with the OpenSSL command line: good certificates and bad
ones."""

import subprocess

from . import places


class Authority:
    """Makes certificates in a folder: NAME.pem and NAME.key for each, ca.pem for itself."""

    def __init__(self, folder, name="Weir test authority"):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.ca = folder / "ca.pem"
        self._key = folder / "ca.key"
        self._openssl(
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "30",
            "-subj",
            f"/CN={name}",
            "-keyout",
            self._key,
            "-out",
            self.ca,
            "-addext",
            "basicConstraints=critical,CA:TRUE",
            "-addext",
            "keyUsage=critical,keyCertSign,cRLSign",
        )

    def _openssl(self, *arguments):
        done = subprocess.run(
            [places.tool("openssl"), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    def issue(
        self,
        name,
        common_name=None,
        hosts="IP:127.0.0.1,DNS:localhost",
        expired=False,
        usage="serverAuth,clientAuth",
    ):
        """Returns (certificate, key). An expired one ended in 2021."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        request, extras = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extras.write_text(
            "basicConstraints=critical,CA:FALSE\n"
            "keyUsage=critical,digitalSignature\n"
            f"extendedKeyUsage={usage}\n"
            f"subjectAltName={hosts}\n"
        )
        self._openssl(
            "req",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-subj",
            f"/CN={common_name or name}",
            "-keyout",
            key,
            "-out",
            request,
        )
        if expired:
            # `openssl x509` cannot set a date in the past; `openssl ca` can, and wants a database.
            (self.folder / "index.txt").write_text("")
            (self.folder / "ca.conf").write_text(
                "[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\nnew_certs_dir=.\nrand_serial=yes\n"
                "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
            )
            self._openssl(
                "ca",
                "-batch",
                "-config",
                "ca.conf",
                "-cert",
                self.ca,
                "-keyfile",
                self._key,
                "-in",
                request,
                "-out",
                certificate,
                "-notext",
                "-extfile",
                extras,
                "-startdate",
                "20200101000000Z",
                "-enddate",
                "20210101000000Z",
            )
        else:
            self._openssl(
                "x509",
                "-req",
                "-in",
                request,
                "-CA",
                self.ca,
                "-CAkey",
                self._key,
                "-CAcreateserial",
                "-days",
                "10",
                "-extfile",
                extras,
                "-out",
                certificate,
            )
        return certificate, key

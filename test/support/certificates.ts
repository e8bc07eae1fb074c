import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Paths of PEM files: a private authority, a server's certificate for 127.0.0.1 and a client's. */
export interface Certificates {
  readonly caFile: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCertFile: string;
  readonly clientKeyFile: string;
}

/** Makes a private certificate authority and what it signs, with openssl. */
export function makeCertificates(): Certificates {
  const dir = mkdtempSync(path.join(tmpdir(), "fhir-lake-tls-"));
  const openssl = (...args: string[]): void => {
    execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
  };
  const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
  openssl(
    "req",
    "-x509",
    ...curve,
    "-keyout",
    "ca.key",
    "-out",
    "ca.pem",
    "-days",
    "2",
    "-subj",
    "/CN=Test CA",
  );
  writeFileSync(path.join(dir, "server.ext"), "subjectAltName=IP:127.0.0.1\n");
  writeFileSync(path.join(dir, "client.ext"), "extendedKeyUsage=clientAuth\n");
  for (const name of ["server", "client"]) {
    openssl("req", ...curve, "-keyout", `${name}.key`, "-out", `${name}.csr`, "-subj", `/CN=${name}`);
    openssl(
      ...["x509", "-req", "-in", `${name}.csr`, "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"],
      ...["-days", "2", "-out", `${name}.pem`, "-extfile", `${name}.ext`],
    );
  }
  return {
    caFile: path.join(dir, "ca.pem"),
    serverCert: readFileSync(path.join(dir, "server.pem"), "utf8"),
    serverKey: readFileSync(path.join(dir, "server.key"), "utf8"),
    clientCertFile: path.join(dir, "client.pem"),
    clientKeyFile: path.join(dir, "client.key"),
  };
}

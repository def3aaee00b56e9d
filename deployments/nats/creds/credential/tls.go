package credential

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// How long the authority and the servers' certificate are valid, and when a certificate is made anew.
const (
	authorityAge   = 10 * 365 * 24 * time.Hour
	certificateAge = 365 * 24 * time.Hour
	renewBefore    = 30 * 24 * time.Hour
)

// makeTLS makes an authority, if there is none, and a servers' certificate, if there is none for these names or it ends
// soon.
func makeTLS(dir string, names []string) (did []string, err error) {
	at := func(name string) string { return filepath.Join(dir, name) }
	ca, caKey, err := load(at("admin/ca.pem"), at("admin/ca.key"))
	if err != nil {
		ca, caKey, err = issue(at("admin/ca.pem"), at("admin/ca.key"), &x509.Certificate{
			Subject: pkix.Name{CommonName: "Salamander NATS authority"}, NotAfter: time.Now().Add(authorityAge),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, MaxPathLenZero: true,
		}, nil, nil)
		if err != nil {
			return did, fmt.Errorf("make the authority: %w", err)
		}
		did = append(did, "made admin/ca.pem")
	}
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}))
	for _, who := range []string{"gateway", "worker", "nats"} {
		if err := write(at(who+"/ca.pem"), text); err != nil {
			return did, err
		}
	}
	have, _, err := load(at("nats/tls/server.pem"), at("nats/tls/server.key"))
	if err == nil && have.CheckSignatureFrom(ca) == nil && time.Until(have.NotAfter) > renewBefore && covers(have, names) {
		return did, nil
	}
	want := &x509.Certificate{
		Subject: pkix.Name{CommonName: names[0]}, NotAfter: time.Now().Add(certificateAge),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			want.IPAddresses = append(want.IPAddresses, ip)
		} else {
			want.DNSNames = append(want.DNSNames, n)
		}
	}
	if _, _, err := issue(at("nats/tls/server.pem"), at("nats/tls/server.key"), want, ca, caKey); err != nil {
		return did, fmt.Errorf("make the servers' certificate: %w", err)
	}
	return append(did, "made nats/tls/server.pem"), nil
}

func covers(c *x509.Certificate, names []string) bool {
	for _, n := range names {
		if c.VerifyHostname(n) != nil {
			return false
		}
	}
	return true
}

// issue makes a key and a certificate, signed by parent or, without one, by itself, and writes both.
func issue(certFile, keyFile string, c, parent *x509.Certificate, signer crypto.Signer) (*x509.Certificate, crypto.Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	c.SerialNumber = new(big.Int).SetBytes(random(16))
	c.NotBefore = time.Now().Add(-time.Hour) // clocks differ
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		return nil, nil, err
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	if err := write(keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}))); err != nil {
		return nil, nil, err
	}
	if err := write(certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))); err != nil {
		return nil, nil, err
	}
	made, err := x509.ParseCertificate(der)
	return made, key, err
}

var errNoPEM = errors.New("no PEM")

// load reads a certificate and its key.
func load(certFile, keyFile string) (*x509.Certificate, crypto.Signer, error) {
	raw, err := os.ReadFile(certFile)
	if err != nil {
		return nil, nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, nil, errNoPEM
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	if raw, err = os.ReadFile(keyFile); err != nil {
		return nil, nil, err
	}
	if block, _ = pem.Decode(raw); block == nil {
		return nil, nil, errNoPEM
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, nil, errNoPEM
	}
	return c, signer, nil
}

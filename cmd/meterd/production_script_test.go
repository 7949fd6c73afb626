package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// Commands of scripts that start production servers:
//
//	certificate CERT KEY    write a pair for localhost and 127.0.0.1; cert.pem is trusted by the commands below
//	port NAME               set NAME to a free address of this machine
//	await STATUS URL        ask until the answer has that status
//	signal TERM|HUP         send it to the process last put into the background
//	get URL [HEADER]        print status, the header if one is named, and the body

func scriptCertificate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: certificate CERT KEY")
	}
	ts.Check(writeCertificate(ts.MkAbs(args[0]), ts.MkAbs(args[1]), time.Now().Add(time.Hour)))
}

func scriptPort(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: port NAME")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

func scriptAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await STATUS URL")
	}
	client := scriptClient(ts)
	last := ""
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		res, err := client.Get(args[1])
		if err != nil {
			last = err.Error()
			continue
		}
		_ = res.Body.Close()
		if last = fmt.Sprint(res.StatusCode); last == args[0] {
			return
		}
	}
	ts.Fatalf("%s never answered %s; last: %s", args[1], args[0], last)
}

func scriptGet(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: get URL [HEADER]")
	}
	res, err := scriptClient(ts).Get(args[0])
	ts.Check(err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, res.Proto)
	if len(args) == 2 {
		fmt.Fprintf(ts.Stdout(), "%s: %s\n", args[1], res.Header.Get(args[1]))
	}
	fmt.Fprintf(ts.Stdout(), "%s\n", body)
	if failed := res.StatusCode >= 300; failed != neg {
		ts.Fatalf("unexpected answer: %d %s", res.StatusCode, body)
	}
}

// scriptSignal sends what testscript's own kill has no name for.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	running := ts.BackgroundCmds()
	if neg || len(args) != 1 || signals[args[0]] == nil || len(running) == 0 {
		ts.Fatalf("usage: signal TERM|HUP, with a process in the background")
	}
	ts.Check(running[len(running)-1].Process.Signal(signals[args[0]]))
}

// scriptClient trusts the script's cert.pem, if there is one, and nothing else.
// Each has connections of its own.
func scriptClient(ts *testscript.TestScript) *http.Client {
	transport := &http.Transport{DisableKeepAlives: true, ForceAttemptHTTP2: true}
	if b, err := os.ReadFile(ts.MkAbs("cert.pem")); err == nil {
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(b)
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// serials is how many serial numbers there are: two tests do not draw the same.
const serials = 1 << 62

// writeCertificate makes a pair that is its own authority.
func writeCertificate(certFile, keyFile string, expires time.Time) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	number, err := rand.Int(rand.Reader, big.NewInt(serials))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: number, Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: expires,
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}), 0o600)
}

// makeCertificate is writeCertificate for tests in Go.
func makeCertificate(t *testing.T, certFile, keyFile string, expires time.Time) *x509.Certificate {
	t.Helper()
	if err := writeCertificate(certFile, keyFile, expires); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// testToken is an admin token that production takes.
var testToken = strings.Repeat("f3Q9-zR7", 4)

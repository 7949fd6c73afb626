package identity

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/smallstep/pkcs7"

	"github.com/meterd/meterd/internal/metering"
)

// documentSigner is made once: it takes a while.
var documentSigner = sync.OnceValues(func() (*DocumentSigner, error) { return NewDocumentSigner(now) })

const document = `{
  "accountId": "111122223333",
  "architecture": null,
  "availabilityZone": "eu-west-1a",
  "billingProducts": null,
  "devpayProductCodes": null,
  "marketplaceProductCodes": [
    "demo-ami"
  ],
  "imageId": null,
  "instanceId": "i-0123456789abcdef0",
  "instanceType": null,
  "kernelId": null,
  "pendingTime": "2026-11-26T12:00:00Z",
  "privateIp": null,
  "ramdiskId": null,
  "region": "eu-west-1",
  "version": "2017-09-30"
}`

// identityOf gets the three forms of an instance's identity.
func identityOf(t *testing.T, e *InstanceEndpoint) map[string]string {
	t.Helper()
	token := metadataToken(t, e, "300")
	all := map[string]string{}
	for _, name := range []string{"document", "signature", "pkcs7"} {
		w := ask(e, http.MethodGet, identityPath+name, tokenHeader, token)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/plain" {
			t.Fatalf("%s: got %d %v", name, w.Code, w.Header())
		}
		all[name] = w.Body.String()
	}
	return all
}

// signedInstance is an instance, and the certificate that its documents are to be
// checked by.
func signedInstance(t *testing.T) (*InstanceEndpoint, *x509.Certificate) {
	t.Helper()
	e := newInstance(newWellspring())
	e.Signer = documentSigner
	signer, err := documentSigner()
	if err != nil {
		t.Fatal(err)
	}
	return e, signer.Certificate
}

// TestIdentityDocument: AWS's fields, and both signatures over these very bytes.
func TestIdentityDocument(t *testing.T) {
	e, certificate := signedInstance(t)
	got := identityOf(t, e)
	if got["document"] != document {
		t.Errorf("got %s\nwant %s", got["document"], document)
	}
	sum := sha256.Sum256([]byte(document))
	signature, err := base64.StdEncoding.DecodeString(got["signature"])
	if err == nil {
		err = rsa.VerifyPKCS1v15(certificate.PublicKey.(*rsa.PublicKey), crypto.SHA256, sum[:], signature)
	}
	if err != nil {
		t.Errorf("signature: %v", err)
	}
	der, err := base64.StdEncoding.DecodeString(got["pkcs7"])
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := pkcs7.Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate)
	if err := parsed.VerifyWithChainAtTime(roots, now); err != nil || string(parsed.Content) != document {
		t.Errorf("pkcs7: %v, over %s", err, parsed.Content)
	}
	parsed.Content = []byte(strings.Replace(document, "111122223333", "444455556666", 1))
	if parsed.Verify() == nil {
		t.Error("pkcs7 of a document that was changed is good")
	}
	for name, text := range got {
		for line := range strings.Lines(text) {
			if name != "document" && len(strings.TrimSpace(line)) > 64 || strings.Contains(line, "-----") {
				t.Errorf("%s: the line %q", name, line)
			}
		}
	}
}

// TestIdentityByOpenSSL checks as AWS's page tells its readers to.
func TestIdentityByOpenSSL(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not installed")
	}
	e, signer := signedInstance(t)
	got := identityOf(t, e)
	dir := t.TempDir()
	certificate := filepath.Join(dir, "certificate.pem")
	signed := filepath.Join(dir, "pkcs7")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(certificate, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signer.Raw})))
	write(signed, "-----BEGIN PKCS7-----\n"+got["pkcs7"]+"\n-----END PKCS7-----\n")
	out, err := exec.CommandContext(t.Context(), openssl, "smime", "-verify", "-in", signed, "-inform", "PEM", "-certfile", certificate, "-noverify").Output()
	if err != nil || strings.ReplaceAll(string(out), "\r", "") != document {
		t.Errorf("got %v, %s", err, out)
	}
}

// TestMachine: what is known of the machine is in the document.
func TestMachine(t *testing.T) {
	i := Instance{ID: "i-1", Account: "111122223333", Region: "us-east-1", Started: now, Type: "m5.large", Image: "ami-1", Architecture: "x86_64", PrivateIP: "192.0.2.1"}
	text := string(i.document())
	for _, want := range []string{`"instanceType": "m5.large"`, `"imageId": "ami-1"`, `"architecture": "x86_64"`, `"privateIp": "192.0.2.1"`, `"marketplaceProductCodes": null`} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	i.Products = []metering.ProductCode{"a", "b"}
	if other := string(i.document()); other == text {
		t.Error("the products are not in the document")
	}
}

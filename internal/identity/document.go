package identity

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/meterd/meterd/internal/metering"
)

// Instance is what the metadata service says of the instance it runs on.
type Instance struct {
	ID      string
	Account metering.AccountID
	Region  string
	Started time.Time
	// Products are the marketplace's codes of what was launched.
	Products []metering.ProductCode
	// Type, Image, Architecture and PrivateIP are the machine's; the document has
	// null for what is not known.
	Type, Image, Architecture, PrivateIP string
}

// zone is where the instance is. Off AWS a region has one zone.
func (i *Instance) zone() string { return i.Region + "a" }

// documentVersion is that of the form below, as AWS writes it.
const documentVersion = "2017-09-30"

// document is the instance's identity document: AWS's fields in AWS's order, and
// the very bytes that its signatures are over.
// https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-identity-documents.html
func (i *Instance) document() []byte {
	b, err := json.MarshalIndent(struct {
		Account      metering.AccountID     `json:"accountId"`
		Architecture *string                `json:"architecture"`
		Zone         string                 `json:"availabilityZone"`
		Billing      []string               `json:"billingProducts"`
		DevPay       []string               `json:"devpayProductCodes"`
		Products     []metering.ProductCode `json:"marketplaceProductCodes"`
		Image        *string                `json:"imageId"`
		ID           string                 `json:"instanceId"`
		Type         *string                `json:"instanceType"`
		Kernel       *string                `json:"kernelId"`
		Started      string                 `json:"pendingTime"`
		PrivateIP    *string                `json:"privateIp"`
		RAMDisk      *string                `json:"ramdiskId"`
		Region       string                 `json:"region"`
		Version      string                 `json:"version"`
	}{
		Account: i.Account, Architecture: known(i.Architecture), Zone: i.zone(), Products: i.Products, Image: known(i.Image),
		ID: i.ID, Type: known(i.Type), Started: instant(i.Started), PrivateIP: known(i.PrivateIP), Region: i.Region, Version: documentVersion,
	}, "", "  ")
	if err != nil {
		panic(err) // it is of texts
	}
	return b
}

func known(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// DocumentSigner signs identity documents. Who is to believe them has its
// certificate; AWS's own are not ours to sign with.
type DocumentSigner struct {
	Key         *rsa.PrivateKey
	Certificate *x509.Certificate
}

const (
	signerBits     = 2048
	signerLifetime = 5 * 365 * 24 * time.Hour
)

// NewDocumentSigner makes a key and a certificate that it has signed itself.
func NewDocumentSigner(now time.Time) (*DocumentSigner, error) {
	key, err := rsa.GenerateKey(rand.Reader, signerBits)
	if err != nil {
		return nil, fmt.Errorf("identity: making a key for identity documents: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("identity: making a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "meterd instance identity"},
		NotBefore: now.Add(-leeway), NotAfter: now.Add(signerLifetime),
		KeyUsage: x509.KeyUsageDigitalSignature, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("identity: making a certificate for identity documents: %w", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("identity: reading a certificate that was made: %w", err)
	}
	return &DocumentSigner{key, certificate}, nil
}

// signature is the base64 of an RSA signature (PKCS #1 v1.5) with SHA-256.
func (s *DocumentSigner) signature(document []byte) (string, error) {
	sum := sha256.Sum256(document)
	signed, err := rsa.SignPKCS1v15(rand.Reader, s.Key, crypto.SHA256, sum[:])
	return lines(signed), err
}

// pkcs7 is the base64 of signed data (RFC 2315) with the document and the
// certificate in it, without the lines that PEM has around it.
func (s *DocumentSigner) pkcs7(document []byte) (string, error) {
	signed, err := pkcs7.NewSignedData(document)
	if err != nil {
		return "", err
	}
	signed.SetDigestAlgorithm(pkcs7.OIDDigestAlgorithmSHA256) // the library's default is SHA-1
	// Without the attributes, one of which is a time that the library takes from its
	// own clock: the signature is then over the document and nothing else.
	if err := signed.SignWithoutAttr(s.Certificate, s.Key, pkcs7.SignerInfoConfig{}); err != nil {
		return "", err
	}
	der, err := signed.Finish()
	return lines(der), err
}

// lines is base64 in lines of 64 characters, which openssl insists on.
func lines(b []byte) string {
	const length = 64
	text := base64.StdEncoding.EncodeToString(b)
	var out []byte
	for len(text) > length {
		out = append(append(out, text[:length]...), '\n')
		text = text[length:]
	}
	return string(append(out, text...))
}

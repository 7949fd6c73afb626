package main

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// The files of an authority's folder.
const (
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	serverFile    = "server.pem" // with its chain
	serverKeyFile = "server-key.pem"
)

// readCA reads the certificate of a folder's CA.
func readCA(dir string) (*x509.Certificate, error) {
	path := filepath.Join(dir, caFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, missing(dir, err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is no certificate in PEM", path)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return cert, nil
}

// missing adds to an error what makes the files of a folder, if they are not there.
func missing(dir string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w; 'meterd ca create %s' makes a CA", err, shellQuote(dir))
	}
	return err
}

// readAuthority reads the CA of a folder.
func readAuthority(dir string) (*authority, error) {
	path := filepath.Join(dir, caFile)
	pair, err := tls.LoadX509KeyPair(path, filepath.Join(dir, caKeyFile))
	if err != nil {
		return nil, missing(dir, fmt.Errorf("the CA %s with its key: %w", path, err))
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("%s is no CA that 'meterd ca create' has made", path)
	}
	return &authority{pair.Leaf, key}, nil
}

// write makes the CA's files, and the server's. If there is any of them already,
// nothing is changed.
func (a *authority) write(dir string, server *x509.Certificate, serverKey *ecdsa.PrivateKey) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { // keys have modes of their own
		return err
	}
	files, err := a.files(server, serverKey)
	if err != nil {
		return err
	}
	key, err := keyPEM(a.key)
	if err != nil {
		return err
	}
	// The key comes first, and locks the others out.
	files = append([]pemFile{{caKeyFile, key, 0o600}, {caFile, certPEM(a.cert), 0o644}}, files...)
	for i, f := range files {
		err := f.create(dir)
		if err == nil {
			continue
		}
		for _, made := range files[:i] {
			err = errors.Join(err, os.Remove(filepath.Join(dir, made.name)))
		}
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s exists, and stays as it is: 'meterd ca issue' makes another certificate of the CA that is there", filepath.Join(dir, f.name))
		}
		return err
	}
	return nil
}

// files are the server's: the key goes first, so that a pair which was left half
// written is one that does not fit, and is not served.
func (a *authority) files(server *x509.Certificate, serverKey *ecdsa.PrivateKey) ([]pemFile, error) {
	key, err := keyPEM(serverKey)
	return []pemFile{
		{serverKeyFile, key, 0o600},
		{serverFile, append(certPEM(server), certPEM(a.cert)...), 0o644},
	}, err
}

// pemFile is a file of an authority's folder.
type pemFile struct {
	name string
	text []byte
	mode fs.FileMode
}

func (f pemFile) create(dir string) error {
	return writeNew(filepath.Join(dir, f.name), string(f.text), f.mode)
}

// replace keeps the file's owner and mode: the server may run as another user.
func (f pemFile) replace(dir string) error {
	path := filepath.Join(dir, f.name)
	was, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return f.create(dir)
	}
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(dir, ".meterd-part-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = next.Write(f.text)
	if err == nil {
		err = keepOwner(next, was)
	}
	if err == nil {
		err = next.Chmod(was.Mode().Perm())
	}
	if err == nil {
		err = next.Sync()
	}
	if err = errors.Join(err, next.Close()); err == nil {
		err = os.Rename(next.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(next.Name()))
	}
	return nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

func keyPEM(k *ecdsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

package awsapi

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// jwtPart decodes a part of a token.
func jwtPart(token string, i int) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[i])
}

// verifyPS256 verifies a token as AWS's own sample does: PSS over SHA-256, a salt
// of 32 bytes, by hand.
func verifyPS256(public *rsa.PublicKey, token string) error {
	signature, err := jwtPart(token, 2)
	if err != nil {
		return err
	}
	hash := sha256.Sum256([]byte(token[:strings.LastIndexByte(token, '.')]))
	return rsa.VerifyPSS(public, crypto.SHA256, hash[:], signature, &rsa.PSSOptions{SaltLength: sha256.Size})
}

package sigv4_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/meterd/meterd/internal/sigv4"
)

func ExampleVerifier_Verify() {
	now := time.Date(2026, 9, 15, 10, 30, 0, 0, time.UTC)
	credential := sigv4.Credential{Secret: "known to both sides"}

	// The client signs its request last of all.
	request := sigv4.Request{
		Method:     "POST",
		RequestURI: "/",
		Host:       "127.0.0.1:8484",
		Header: map[string][]string{
			"Content-Type": {"application/x-amz-json-1.1"},
			"X-Amz-Target": {"AWSMPMeteringService.MeterUsage"},
		},
		Body: []byte(`{"ProductCode":"prod"}`),
	}
	client := sigv4.Signer{KeyID: "AKIAEXAMPLE", Credential: credential, Region: "us-east-1", Service: "aws-marketplace"}
	if err := client.Sign(request, now); err != nil {
		fmt.Println(err)
	}

	// The server has its own idea of the credential and of the time.
	server := sigv4.Verifier{
		Service: "aws-marketplace",
		Lookup: func(keyID string) (sigv4.Credential, bool) {
			return credential, keyID == "AKIAEXAMPLE"
		},
	}
	required := []string{"content-type", "x-amz-target"}
	id, err := server.Verify(request, required, now.Add(time.Minute))
	fmt.Println(id.KeyID, id.Region, err)

	// Ten minutes later the same bytes are worth nothing.
	_, err = server.Verify(request, required, now.Add(10*time.Minute))
	var refusal *sigv4.Error
	if errors.As(err, &refusal) {
		fmt.Println(refusal.Code)
		fmt.Println(refusal.Message)
	}

	// Output:
	// AKIAEXAMPLE us-east-1 <nil>
	// InvalidSignature
	// Signature expired: 20260915T103000Z is now earlier than 20260915T103500Z (20260915T104000Z - 5 min.)
}

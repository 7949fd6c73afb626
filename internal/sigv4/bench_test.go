package sigv4

import "testing"

func BenchmarkVerify(b *testing.B) {
	body := make([]byte, 4096)
	for _, tt := range []struct {
		name   string
		signer Signer
		fresh  bool // a new verifier for each request, so that each key has to be derived
	}{
		{"long-term", longTerm, false},
		{"session", temporary, false},
		{"uncached", longTerm, true},
	} {
		b.Run(tt.name, func(b *testing.B) {
			r := newRequest()
			r.Body = body
			sign(b, r, tt.signer)
			v := newVerifier()
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if tt.fresh {
					v.keys = keyCache{}
				}
				if _, err := v.Verify(r, meteringDoor, now); err != nil {
					b.Fatal(err)
				}
			}
		})
	}

	b.Run("unknown key", func(b *testing.B) {
		r := newRequest()
		r.Body = make([]byte, 1<<20) // must not be hashed
		sign(b, r, Signer{KeyID: "AKIANOBODY", Region: "us-east-1", Service: service})
		v := newVerifier()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(r, meteringDoor, now); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}

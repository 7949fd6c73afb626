package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/meterd/meterd/internal/admin"
)

// TestExports is read by a real shell: whatever a value is, it arrives as it was.
func TestExports(t *testing.T) {
	c := &admin.Catalog{Credentials: []admin.Credential{{AccessKeyID: "AKIAMETERDSELLER0001", SecretAccessKey: `a'b "$(echo c)" \ ` + "`d`" + `;#`}}}
	e := environmentOf(&net.TCPAddr{IP: net.IPv4zero, Port: 8484}, c, "token", "")
	path := t.TempDir() + "/env"
	if err := e.write(path); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "sh", "-c", ". "+path+"; printf '%s\n' \"$AWS_SECRET_ACCESS_KEY\" \"$METERD_URL\" \"$METERD_ADMIN_TOKEN\"").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := c.Credentials[0].SecretAccessKey + "\nhttp://127.0.0.1:8484\ntoken\n"
	if string(out) != want {
		t.Errorf("the shell read %q, want %q", out, want)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600: it holds secrets", info.Mode(), err)
	}
}

// TestReadmeCall keeps the README's first call the one that the banner shows,
// which test/sdk runs.
func TestReadmeCall(t *testing.T) {
	c, err := admin.ParseCatalog(demoCatalog)
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if call := exampleCall(c); call == "" || !strings.Contains(string(readme), call) {
		t.Errorf("the README does not have the call that dev prints:\n%s", call)
	}
}

// TestHosts serves loopback's names and AWS's own, and what was added.
func TestHosts(t *testing.T) {
	h := hosts{extra: []string{"meterd.internal", "10.1.2.3:8484"}}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "127.0.0.1:8484": true, "127.9.9.9:1": true, "[::1]:8484": true, "[::1]": true,
		"localhost": true, "localhost:8484": true, "LOCALHOST": true, "meterd.localhost:8484": true,
		"metering.marketplace.us-east-1.amazonaws.com":          true,
		"metering.marketplace.cn-northwest-1.amazonaws.com.cn":  true,
		"metering-marketplace.eu-west-1.api.aws":                true,
		"metering.marketplace-fips.us-gov-west-1.amazonaws.com": true,
		"metering-marketplace.eusc-de-east-1.amazonaws.eu":      true,
		"metering.marketplace.eusc-de-east-1.amazonaws.eu":      true,
		"metering.marketplace.us-isob-east-1.sc2s.sgov.gov":     true,
		"metering.marketplace.nowhere-1.amazonaws.com":          true, // for R-31 to refuse
		"entitlement.marketplace.us-east-1.amazonaws.com:443":   true,
		"sts.amazonaws.com":                  true,
		"sts.eu-west-1.amazonaws.com":        true,
		"cloudtrail.us-east-1.amazonaws.com": true,
		"meterd.internal":                    true, "meterd.internal:8484": true, "Meterd.Internal": true, "10.1.2.3:8484": true,

		"": false, "evil.example": false, "localhost.evil.example": false, "127.0.0.1.evil.example": false,
		"metering.marketplace.us-east-1.amazonaws.com.evil.example": false,
		"evil.amazonaws.com": false, "sts.evil.example": false, "metering.marketplace..amazonaws.com": false,
		"metering.marketplace.amazonaws.com": false, "metering.marketplace.a.b.amazonaws.com": false, "10.1.2.4:8484": false, "0.0.0.0": false,
	} {
		if got := h.serves(host); got != want {
			t.Errorf("Host %q: served %t, want %t", host, got, want)
		}
	}
}

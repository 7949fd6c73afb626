package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/store"
)

// put reads the texts of a value into the setting's field. Its error does not
// say where the value came from, nor, if it is a secret, what it is.
func (s *setting) put(c *config, texts []string) error {
	if list, ok := s.field(c).(*[]string); ok {
		for _, text := range texts {
			if err := s.check(text); err != nil {
				return err
			}
		}
		*list = texts
		return nil
	}
	if len(texts) != 1 {
		return fmt.Errorf("there are %d values; it takes one", len(texts))
	}
	text := texts[0]
	switch {
	case text == "" && !s.mayEmpty:
		return errors.New("the value is empty")
	case s.oneOf != nil && !slices.Contains(s.oneOf, text):
		return fmt.Errorf("%q is none of %s", text, strings.Join(s.oneOf, ", "))
	case s.check != nil && text != "":
		if err := s.check(text); err != nil {
			return err
		}
	}
	switch field := s.field(c).(type) {
	case *string:
		*field = text
	case *store.Secret:
		*field = store.Secret(text)
	case *databaseURL:
		*field = databaseURL(text)
	case *slog.Level:
		return field.UnmarshalText([]byte(text))
	case *bool:
		on, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		*field = on
	case *int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > 1_000_000 {
			return fmt.Errorf("%q is not a whole number from 0 to 1000000", text)
		}
		*field = n
	case *time.Duration:
		d, ok := readDuration(text)
		if !ok {
			return fmt.Errorf("%q is not a duration such as 30s, 48h or 90d", text)
		}
		if d < s.least {
			return fmt.Errorf("%q is less than %gh", text, s.least.Hours())
		}
		*field = d
	default:
		return fmt.Errorf("a %T has no text", field)
	}
	return nil
}

// A duration is Go's, or whole days.
const durationPattern = `^([0-9]{1,5}d|([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+|0)$`

var isDuration = regexp.MustCompile(durationPattern)

func readDuration(text string) (time.Duration, bool) {
	if !isDuration.MatchString(text) {
		return 0, false
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.Atoi(days)
		return time.Duration(n) * 24 * time.Hour, err == nil
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// dayOrForEver checks how long something is kept that may be kept for ever.
func dayOrForEver(text string) error {
	if d, ok := readDuration(text); ok && d != 0 && d < 24*time.Hour {
		return fmt.Errorf("%q is less than 24h, and not 0, which is for ever", text)
	}
	return nil
}

// address checks what a server can listen on.
func address(text string) error {
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%q is not an address such as 127.0.0.1:8484 or :8484", text)
	}
	return nil
}

// hostHeader checks what a client sends as Host.
func hostHeader(text string) error {
	switch {
	case strings.Contains(text, "://"):
		return fmt.Errorf("%q is a URL; a Host header is the name in it, such as metering.example.com", text)
	case text == "" || strings.ContainsAny(text, "/*@, \t\r\n"):
		return fmt.Errorf("%q is not a Host header such as metering.example.com or metering.example.com:8443", text)
	}
	return nil
}

// tokenLength is the least that the admin token may have: 128 bits in hex.
const tokenLength = 32

// knownTokens is what tokens of documentation and of examples begin with.
var knownTokens = []string{
	"changeme", "change-me", "change_me", "replaceme", "replace-me", "replace_me", "your-", "your_", "example", "password",
	"default", "insecure", "secret", "admin-token", "admin_token", "0123456789", "1234567890", "abcdefgh",
}

// strongToken refuses an admin token that can be guessed.
func strongToken(text string) error {
	const remedy = "; make one with: openssl rand -base64 32"
	if len(text) < tokenLength {
		return fmt.Errorf("it has %d characters; it needs %d%s", len(text), tokenLength, remedy)
	}
	seen := make(map[byte]bool)
	for i := range len(text) {
		if text[i] <= ' ' || text[i] > '~' {
			return errors.New("it holds a space, or a character that a header cannot carry" + remedy)
		}
		seen[text[i]] = true
	}
	const fewest = 8 // thirty-two random hex digits have fewer once in twenty million
	if len(seen) < fewest {
		return fmt.Errorf("it is made of %d different characters and can be guessed%s", len(seen), remedy)
	}
	for _, known := range knownTokens {
		if strings.HasPrefix(strings.ToLower(text), known) {
			return fmt.Errorf("it begins with %q, as examples do%s", known, remedy)
		}
	}
	return nil
}

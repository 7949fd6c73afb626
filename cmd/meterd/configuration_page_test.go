package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
)

const (
	configurationPage = "../../docs/configuration.md"
	unitFile          = "../../deploy/systemd/meterd.service"
)

// TestConfigurationPage holds the page's tables to what there is. UPDATE=1
// writes them.
func TestConfigurationPage(t *testing.T) {
	b, err := os.ReadFile(configurationPage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(b)
	for name, table := range map[string]string{"settings": settingsTable(), "metrics": metricsTable(t)} {
		begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->\n"
		head, rest, ok := strings.Cut(page, begin)
		found, tail, closed := strings.Cut(rest, end)
		if !ok || !closed {
			t.Fatalf("%s has no place for the table of %s", configurationPage, name)
		}
		if found != table && os.Getenv("UPDATE") == "" {
			t.Errorf("the table of %s is not what there is: make golden writes it", name)
		}
		page = head + begin + table + end + tail
	}
	if os.Getenv("UPDATE") != "" && page != string(b) {
		if err := os.WriteFile(configurationPage, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func settingsTable() string {
	var b strings.Builder
	b.WriteString("| Setting | Default | What it is |\n|---|---|---|\n")
	for i := range settings {
		s := &settings[i]
		standard := ""
		switch {
		case s.required:
			standard = "required"
		case s.standard != "":
			standard = "`" + s.standard + "`"
		}
		doc := s.doc
		if s.secret() {
			doc += "; a secret, without a flag"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", s.name, standard, doc)
	}
	return b.String()
}

// metricsTable lists our own metrics, after something has happened to each.
func metricsTable(t *testing.T) string {
	t.Helper()
	s := newDemoServer(t)
	certFile, keyFile := filepath.Join(t.TempDir(), "c"), filepath.Join(t.TempDir(), "k")
	makeCertificate(t, certFile, keyFile, time.Now().Add(time.Hour))
	var err error
	if s.certificate, err = newCertificate(certFile, keyFile, s.log); err != nil {
		t.Fatal(err)
	}
	m := newMetrics()
	m.follow(s)
	s.watch(m, nil)
	post(t, s.handler(), "BatchMeterUsage", demoBatch(5))
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| Metric | Type | Labels | What it is |\n|---|---|---|---|\n")
	for _, family := range families {
		if !strings.HasPrefix(family.GetName(), "meterd_") {
			continue
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", family.GetName(), strings.ToLower(family.GetType().String()), labels(family), strings.TrimSuffix(family.GetHelp(), "."))
	}
	return b.String()
}

func labels(family *dto.MetricFamily) string {
	var names []string
	for _, l := range family.GetMetric()[0].GetLabel() {
		names = append(names, "`"+l.GetName()+"`")
	}
	return strings.Join(names, ", ")
}

// TestUnitFile: what the unit sets is known, and what is required is set.
func TestUnitFile(t *testing.T) {
	b, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	var environ, credentials []string
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if text, ok := strings.CutPrefix(line, "Environment="); ok {
			environ = append(environ, text)
		}
		if text, ok := strings.CutPrefix(line, "LoadCredential="); ok {
			name, _, _ := strings.Cut(text, ":")
			credentials = append(credentials, name)
		}
	}
	var r reading
	r.unknownVariables(environ)
	if len(environ) == 0 || r.problems != nil {
		t.Error(environ, r.problems)
	}
	for i := range settings {
		s := &settings[i]
		if s.required && lookup(environ, s.variable()) == "" && !(s.secret() && slices.Contains(credentials, s.name)) {
			t.Errorf("%s is required and not set", s.name)
		}
	}
}

package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/meterd/meterd/internal/backup"
)

// against runs a command against a server that is only this handler.
func against(t *testing.T, handler http.HandlerFunc, args ...string) (stdout string, err error) {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	t.Setenv(urlVariable, server.URL)
	t.Setenv(tokenVariable, "token")
	var out bytes.Buffer
	root := newRoot()
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	err = root.ExecuteContext(t.Context())
	return out.String(), err
}

// TestTornAnswers: a server that stops in the middle is not taken for one that
// has finished, and no file is left of what it sent.
func TestTornAnswers(t *testing.T) {
	dir := t.TempDir()
	var archive bytes.Buffer
	data := filepath.Join(dir, "data")
	if err := errors.Join(os.Mkdir(data, 0o700), os.WriteFile(filepath.Join(data, "CURRENT"), bytes.Repeat([]byte("x"), 5000), 0o600),
		backup.Write(&archive, data, backup.About{Made: time.Unix(0, 0)}), os.RemoveAll(data)); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(archive.Bytes())
	changed[len(changed)/2] ^= 1
	file, catalog := filepath.Join(dir, "file"), filepath.Join(t.TempDir(), "catalog.yaml")
	if err := os.WriteFile(catalog, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	send := func(b []byte, torn bool) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(b)
			_ = http.NewResponseController(w).Flush()
			if torn {
				panic(http.ErrAbortHandler)
			}
		}
	}
	record := `{"id":"1","product":"=cmd()","allocations":[]}`
	pages := 0
	for name, tt := range map[string]struct {
		handler http.HandlerFunc
		args    []string
		want    string
	}{
		"backup, torn":      {send(archive.Bytes()[:3000], true), []string{"backup", file}, "no whole backup"},
		"backup, cut off":   {send(archive.Bytes()[:3000], false), []string{"backup", file}, "it is cut off"},
		"backup, changed":   {send(changed, false), []string{"backup", file}, "the backup is damaged"},
		"catalogue, torn":   {send([]byte("sellers:\n"), true), []string{"catalog", "export", file}, "EOF"},
		"apply, torn":       {send([]byte(`{"progress":{"done":1,"total":2}}`+"\n"), true), []string{"catalog", "apply", catalog}, "stopped before it said what came of it"},
		"apply, no last":    {send([]byte(`{"progress":{"done":1,"total":2}}`+"\n"), false), []string{"catalog", "apply", catalog}, "stopped before it said what came of it"},
		"apply, a problem":  {send([]byte(`{"problem":{"status":422,"detail":"nothing was changed"}}`), false), []string{"catalog", "apply", catalog}, "nothing was changed"},
		"check, unbalanced": {send([]byte(`{"audit":{"records":2,"problems":["id twice"]}}`), false), []string{"check"}, "the books do not balance: 1 problems"},
		"export, second page": {func(w http.ResponseWriter, _ *http.Request) {
			if pages++; pages > 1 {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			fmt.Fprintf(w, `{"records":[%s],"next":"more"}`, record)
		}, []string{"usage", "export", file}, "500"},
	} {
		if _, err := against(t, tt.handler, tt.args...); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v; want %s", name, err, tt.want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
			t.Errorf("%s: left behind: %v, %v", name, entries, err)
		}
	}
	if _, err := against(t, send(archive.Bytes(), false), "backup", file); err != nil {
		t.Errorf("a whole backup: %v", err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, archive.Bytes()) {
		t.Errorf("%d bytes, %v; want the %d that were sent", len(got), err, archive.Len())
	}
	out, err := against(t, send([]byte(`{"records":[`+record+`],"next":""}`), false), "usage", "export", "-")
	if err != nil || !strings.Contains(out, ",'=cmd(),") {
		t.Errorf("%q, %v; want the formula inert", out, err)
	}
}

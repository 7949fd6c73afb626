package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/caller"
	"github.com/meterd/meterd/internal/sigv4"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

func TestMain(m *testing.M) {
	testscript.Main(withServers{m}, map[string]func(){"meterd": main, "greedy": greedy})
}

// withServers are the tests, with PostgreSQL for those that ask.
type withServers struct{ m *testing.M }

func (w withServers) Run() int { return pgtest.Main(w.m) }

// TestScripts runs the commands as a person would, each script in a directory of
// its own. Beside meterd a script has three commands:
//
//	ready FILE             wait for the server that writes the env file, and take its variables
//	call [KEY] OP FILE     sign and send an operation; print status and answer
//	admin METHOD PATH [BODY]  call the admin API; print status and answer
//
// and those of production_script_test.go, noun_script_test.go and
// carry_script_test.go.
//
// A short run, as under the race detector, takes the scripts in which the server
// has the most to do; the others are the client's.
func TestScripts(t *testing.T) {
	p := scriptParams("testdata/script", nil)
	if testing.Short() {
		for _, name := range []string{"backup", "catalog", "faults", "first_batch", "serve"} {
			p.Files = append(p.Files, filepath.Join(p.Dir, name+".txtar"))
		}
		p.Dir = ""
	}
	testscript.Run(t, p)
}

// TestPostgresScripts runs those that need a database, which is $DATABASE and
// empty, and another, $OTHER_DATABASE.
func TestPostgresScripts(t *testing.T) {
	if testing.Short() {
		t.Skip("the same, on one store more")
	}
	pgtest.Each(t, func(t *testing.T, c *pgtest.Cluster) {
		testscript.Run(t, scriptParams("testdata/postgres", func(env *testscript.Env) {
			env.Setenv("DATABASE", c.Schema(t))
			env.Setenv("OTHER_DATABASE", c.Schema(t))
		}))
	})
}

// scriptParams are how scripts of a directory are run.
func scriptParams(dir string, setup func(*testscript.Env)) testscript.Params {
	return testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Deadline:            time.Now().Add(8 * time.Minute), // of all of them: for a server that should have refused to start
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup: func(env *testscript.Env) error {
			env.Setenv(tokenVariable, "")
			env.Setenv(urlVariable, "")
			env.Setenv("XDG_STATE_HOME", env.WorkDir) // no test touches the user's
			if setup != nil {
				setup(env)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"ready": scriptReady,
			"call":  scriptCall,
			"admin": scriptAdmin,

			"certificate": scriptCertificate,
			"port":        scriptPort,
			"await":       scriptAwait,
			"get":         scriptGet,
			"signal":      scriptSignal,

			"exits": scriptExits,
			"take":  scriptTake,

			"cut":   scriptCut,
			"spoil": scriptSpoil,
		},
	}
}

func scriptReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("the server wrote no %s", args[0])
		}
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			name, value, _ := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "export "), "=")
			ts.Setenv(name, value)
		}
		if res, err := scriptClient(ts).Get(ts.Getenv(urlVariable) + "/readyz"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return
			}
		}
	}
}

// scriptCall prints "STATUS BODY". In the file, NOW stands for the true time in
// seconds, for servers whose clock runs.
func scriptCall(ts *testscript.TestScript, neg bool, args []string) {
	key := ts.Getenv("AWS_ACCESS_KEY_ID")
	if len(args) == 3 {
		key, args = args[0], args[1:]
	}
	if len(args) != 2 {
		ts.Fatalf("usage: call [KEY] OP FILE")
	}
	body := strings.ReplaceAll(strings.TrimSpace(ts.ReadFile(args[1])), "NOW", fmt.Sprint(time.Now().Unix()))
	req, err := signedFor(cmp.Or(ts.Getenv("AWS_REGION"), region), ts.Getenv(urlVariable), key, cmp.Or(ts.Getenv("AWS_SECRET_ACCESS_KEY"), demoSecret), args[0], body)
	ts.Check(err)
	printAnswer(ts, neg, req)
}

func scriptAdmin(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: admin METHOD PATH [BODY]")
	}
	var body io.Reader
	if len(args) == 3 {
		body = strings.NewReader(args[2])
	}
	req, err := http.NewRequest(args[0], ts.Getenv(urlVariable)+"/admin/v1"+args[1], body)
	ts.Check(err)
	req.Header.Set("Authorization", "Bearer "+ts.Getenv(tokenVariable))
	printAnswer(ts, neg, req)
}

func printAnswer(ts *testscript.TestScript, neg bool, req *http.Request) {
	res, err := scriptClient(ts).Do(req)
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	fmt.Fprintf(ts.Stdout(), "%d %s\n", res.StatusCode, bytes.TrimSpace(answer))
	if failed := res.StatusCode >= 300; failed != neg {
		ts.Fatalf("unexpected answer: %d %s", res.StatusCode, answer)
	}
}

// demoSecret is that of all credentials of the demo catalogue.
const demoSecret = "example-secret"

// signedRequest is a call of an operation, as an SDK makes it.
func signedRequest(url, key, secret, operation, body string) (*http.Request, error) {
	return signedFor(region, url, key, secret, operation, body)
}

// signedFor is one for a region.
func signedFor(region, url, key, secret, operation, body string) (*http.Request, error) {
	req, err := http.NewRequest(http.MethodPost, url+"/", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AWSMPMeteringService."+operation)
	r := sigv4.Request{Method: req.Method, RequestURI: "/", Host: req.Host, Header: req.Header, Body: []byte(body)}
	signer := sigv4.Signer{KeyID: key, Credential: sigv4.Credential{Secret: secret}, Region: region, Service: caller.SigningName}
	return req, signer.Sign(r, time.Now())
}

// everyCommand lists a command and all below it.
func everyCommand(cmd *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{cmd}
	for _, sub := range cmd.Commands() {
		all = append(all, everyCommand(sub)...)
	}
	return all
}

// TestHelp reads every command's help: each has a summary and, if it does
// something, an example that is a call of it.
func TestHelp(t *testing.T) {
	for _, cmd := range everyCommand(newRoot()) {
		if cmd.Short == "" {
			t.Errorf("%s: no summary", cmd.CommandPath())
		}
		if cmd.Runnable() && !cmd.HasSubCommands() && !strings.HasPrefix(cmd.Example, "  meterd ") {
			t.Errorf("%s: no example", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Example) {
			found, _, err := newRoot().Find(strings.Fields(line)[1:])
			if err != nil || found.CommandPath() != cmd.CommandPath() {
				t.Errorf("%s: the example %q is another command's", cmd.CommandPath(), strings.TrimSpace(line))
			}
		}
	}
}

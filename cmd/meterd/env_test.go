package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// nasty are values that a shell would see something in.
var nasty = []string{
	"", " ", "plain", "a b", "'", "''", `"`, `\`, `\\`, `\'`, `'"`, `'\"`, "$HOME", "${HOME}", "$(id)", "`id`", "'$(id)'", "'`id`", "'$HOME", `'\$HOME`,
	"#", "a#b", ";", "&", "*", "~", "!", "!!", "'!!", "%PATH%", "\t", "ä日😀", "‘’‚‛", "-n", "=", "a=b", "{a,b}",
}

// TestAssignmentsInShells has real shells read the lines.
func TestAssignmentsInShells(t *testing.T) {
	file := filepath.Join(t.TempDir(), "env")
	for _, reader := range []struct {
		form, shell string
		script      string
	}{
		{"bash", "sh", `. "$1"; exec printenv V`},
		{"bash", "bash", `eval "$(cat "$1")"; exec printenv V`}, // as evalLine has it
		{"dotenv", "sh", `set -a; . "$1"; exec printenv V`},
		{"dotenv", "bash", `set -a; . "$1"; exec printenv V`},
		{"fish", "fish", `source $argv[1]; exec printenv V`},
		{"powershell", "pwsh", `. $args[0]; printenv V`},
	} {
		if _, err := exec.LookPath(reader.shell); err != nil {
			t.Logf("%s is not installed: TestAssignments alone says what it would read", reader.shell)
			continue
		}
		for _, value := range nasty {
			line, err := assignment(reader.form, variable{"V", value})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.CommandContext(t.Context(), reader.shell, "-c", reader.script, "-", file).Output()
			if err != nil || string(out) != value+"\n" {
				t.Errorf("%s read %q from %s, %v; want %q", reader.shell, out, line, err, value)
			}
		}
	}
}

func TestAssignments(t *testing.T) {
	for _, test := range []struct{ value, bash, fish, powershell, dotenv string }{
		{"plain/+=", "export V=plain/+=", "set -gx V plain/+=", "$Env:V = 'plain/+='", "V=plain/+="},
		{"", "export V=''", "set -gx V ''", "$Env:V = ''", "V=''"},
		{"a b$c", "export V='a b$c'", "set -gx V 'a b$c'", "$Env:V = 'a b$c'", "V='a b$c'"},
		{`it's`, `export V='it'\''s'`, `set -gx V 'it\'s'`, `$Env:V = 'it''s'`, `V="it's"`},
		{`\'"$` + "`", `export V='\'\''"$` + "`'", `set -gx V '\\\'"$` + "`'", `$Env:V = '\''"$` + "`'", `V="\\'\"\$\` + "`\""},
		{"‘’‚‛", "export V='‘’‚‛'", "set -gx V '‘’‚‛'", "$Env:V = '‘‘’’‚‚‛‛'", "V='‘’‚‛'"},
	} {
		for form, want := range map[string]string{"bash": test.bash, "fish": test.fish, "powershell": test.powershell, "dotenv": test.dotenv} {
			if got, err := assignment(form, variable{"V", test.value}); got != want || err != nil {
				t.Errorf("%s: got %s, %v; want %s", form, got, err, want)
			}
		}
	}
	for _, form := range shells {
		for _, value := range []string{"a\nb", "a\r", "\x00"} {
			if line, err := assignment(form, variable{"V", value}); err == nil {
				t.Errorf("%s: %q became %s", form, value, line)
			}
		}
	}
}

func TestDefaultShell(t *testing.T) {
	for shell, want := range map[string]string{"/usr/bin/fish": "fish", "/bin/bash": "bash", "/bin/zsh": "bash", "": "bash"} {
		t.Setenv("SHELL", shell)
		if got := defaultShell(); got != want {
			t.Errorf("%s: got %s, want %s", shell, got, want)
		}
	}
}

func TestClientEnviron(t *testing.T) {
	got := clientEnviron([]string{"A=1", "AWS_PROFILE=work", "AWS_REGION=old", "AWS_SESSION_TOKEN=x", "AWS_PAGER=", "AWS_ENDPOINT_URL=http://x"}, []variable{{"AWS_REGION", "new"}})
	if want := []string{"A=1", "AWS_PAGER=", "AWS_REGION=new"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

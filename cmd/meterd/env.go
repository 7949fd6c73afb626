package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// shells are the values of env's --shell.
var shells = []string{"bash", "fish", "powershell", "dotenv"}

func newEnv() *cobra.Command {
	var shell string
	cmd := &cobra.Command{
		Use: "env", Short: "Print the variables that make AWS SDKs, and these commands, clients of the server", Args: exactly(),
		Long: `Print the variables that make AWS SDKs, the AWS CLI and meterd's own commands
clients of the server: the 'meterd dev' that runs for this user, or what METERD_URL,
METERD_ADMIN_TOKEN and the AWS variables in the environment say. They hold secrets.`,
		Example: "  meterd env\n  meterd env --shell dotenv > .env\n  meterd env --shell powershell",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if shell == "" {
				shell = defaultShell()
			}
			if !slices.Contains(shells, shell) {
				return &usageError{fmt.Errorf("--shell %q is none of %s", shell, strings.Join(shells, ", ")), cmd.CommandPath()}
			}
			c, err := connect("")
			if err != nil {
				return err
			}
			text := ""
			for _, v := range c.variables() {
				line, err := assignment(shell, v)
				if err != nil {
					return err
				}
				text += line + "\n"
			}
			for _, name := range rivals {
				if os.Getenv(name) != "" {
					cmd.PrintErrf("meterd: %s is set, too, and may win: unset it, or use 'meterd exec'\n", name)
				}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&shell, "shell", "", "bash (and every POSIX shell), fish, powershell or dotenv (default: fish if $SHELL is, bash otherwise)")
	if err := cmd.RegisterFlagCompletionFunc("shell", cobra.FixedCompletions(shells, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag is there, and has no other function
	}
	return cmd
}

func defaultShell() string {
	if filepath.Base(os.Getenv("SHELL")) == "fish" {
		return "fish"
	}
	return "bash"
}

// evalLine has the user's shell take the variables.
func evalLine(program string) string {
	if defaultShell() == "fish" {
		return program + " env | source"
	}
	return `eval "$(` + program + ` env)"`
}

// assignment is the line that sets a variable. A value with a line break has no
// form that all of them read.
func assignment(shell string, v variable) (string, error) {
	if strings.ContainsAny(v.value, "\n\r\x00") {
		return "", fmt.Errorf("%s has a line break in it, which no line can set", v.name)
	}
	switch shell {
	case "fish":
		return "set -gx " + v.name + " " + fishQuote(v.value), nil
	case "powershell":
		return "$Env:" + v.name + " = " + powershellQuote(v.value), nil
	case "dotenv":
		return v.name + "=" + dotenvQuote(v.value), nil
	}
	return "export " + v.name + "=" + shellQuote(v.value), nil
}

// isPlain holds for words that no shell and no dotenv reader sees anything in.
func isPlain(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("_-./:@%+=,", r))
	}) < 0
}

// shellQuote leaves a plain word as it is and quotes anything else.
func shellQuote(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// fishQuote: in single quotes fish knows \\ and \' and nothing else.
func fishQuote(s string) string {
	if isPlain(s) {
		return s
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}

// powershellQuote doubles every quote that PowerShell takes for a single one, the
// typographic ones as well.
func powershellQuote(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("'‘’‚‛", r) {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	return "'" + b.String() + "'"
}

// dotenvQuote: single quotes are literal for every reader, and say everything but
// one of their own; then it is double quotes, with what is special in them escaped,
// as POSIX shells and Docker Compose read it.
func dotenvQuote(s string) string {
	switch {
	case isPlain(s):
		return s
	case !strings.Contains(s, "'"):
		return "'" + s + "'"
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, `$`, `\$`, "`", "\\`").Replace(s) + `"`
}

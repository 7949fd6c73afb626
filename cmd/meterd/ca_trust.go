package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/template"

	"github.com/spf13/cobra"
)

//go:embed trust_help.txt
var trustHelp string

func newCATrustHelp() *cobra.Command {
	var in string
	cmd := &cobra.Command{
		Use: "trust-help DIR", Short: "Say how clients come to trust the CA, and how AWS's names lead here", Args: exactly("DIR"),
		Long: `Print what is to be done on this machine so that clients whose endpoint is AWS's own
reach meterd: lines for the hosts file, what port 443 needs, and how the AWS CLI, the
SDKs and others are told to trust the CA in DIR; and how to undo all of it. Nothing
is changed.`,
		Example: "  meterd ca trust-help tls\n  meterd ca trust-help tls --region eu-west-1",
		RunE: func(cmd *cobra.Command, args []string) error {
			names := namesFor(in)
			if names == nil {
				return &usageError{fmt.Errorf("--region %q: meterd knows no name of AWS's in it", in), cmd.CommandPath()}
			}
			a, err := readCA(args[0])
			if err != nil {
				return err
			}
			dir, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			binary, err := os.Executable()
			if err != nil {
				return err
			}
			return printTrustHelp(cmd.OutOrStdout(), trustGuide{
				OS: runtime.GOOS, Dir: dir, CA: filepath.Join(dir, caFile), KeyFile: caKeyFile,
				Name: a.Subject.CommonName, Hosts: names, Program: invocation(), Binary: binary,
			})
		},
	}
	cmd.Flags().StringVar(&in, "region", region, "whose names the hosts file is to have")
	return cmd
}

// namesFor are the names of AWS's in a region, and those that are in none.
func namesFor(region string) (names []string) {
	found := false
	for _, name := range new(hosts).serverNames() {
		in := strings.Contains(name, "."+region+".")
		if in || name == "sts.amazonaws.com" {
			names = append(names, name)
		}
		found = found || in
	}
	if !found {
		return nil
	}
	return names
}

// trustGuide is what trust_help.txt is filled with.
type trustGuide struct {
	OS              string // as GOOS has it
	Dir, CA         string
	KeyFile         string
	Name            string // of the CA
	Hosts           []string
	Program, Binary string
}

func printTrustHelp(w io.Writer, g trustGuide) error {
	quote, shell := shellQuote, defaultShell()
	if g.OS == "windows" {
		quote, shell = powershellQuote, "powershell"
	}
	help, err := template.New("").Funcs(template.FuncMap{
		"q":   quote,
		"set": func(name string) (string, error) { return assignment(shell, variable{name, g.CA}) },
	}).Parse(trustHelp)
	if err != nil {
		return err
	}
	return help.Execute(w, g)
}

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func newCA() *cobra.Command {
	noun := group("ca", "Make a local CA, for clients whose endpoint is AWS's own name",
		newCACreate(), newCAIssue(), newCATrustHelp())
	noun.PersistentFlags().Lookup("url").Hidden = true // no server takes part
	return noun
}

func newCACreate() *cobra.Command {
	var given []string
	cmd := &cobra.Command{
		Use: "create DIR", Short: "Make a CA and a server certificate with AWS's names, in a folder", Args: exactly("DIR"),
		Long: `Make a CA, and a certificate of it for a server that stands in for AWS: its names
are those of AWS's metering and entitlement services, of STS and of CloudTrail in
every region, localhost, 127.0.0.1, ::1, and --hosts. The CA can sign within AWS's
domains and for those others, and for nothing else.

DIR gets ca.pem, ca-key.pem, server.pem and server-key.pem. What is there already
is never overwritten. Nobody trusts the CA yet: 'meterd ca trust-help DIR' says
how clients come to.`,
		Example: "  meterd ca create tls\n  meterd ca create tls --hosts meterd.internal,10.1.2.3",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := namesOf(given)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			now := time.Now()
			a, err := newAuthority(names, now)
			if err != nil {
				return err
			}
			server, key, err := a.issue(names, now)
			if err != nil {
				return err
			}
			if err := a.write(args[0], server, key); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), `%[1]s: a new CA, "%[2]s", until %[3]s
  for %[4]s
  and what is below them, and for nothing else
%[5]s: %[6]d names, until %[7]s

Serve with it:          meterd dev --tls %[8]s
Have it trusted:        meterd ca trust-help %[8]s

Whoever has %[9]s can pose as AWS to all who trust the CA. It is needed
for 'meterd ca issue' alone: remove it if no other certificate is to be made.
`, filepath.Join(args[0], caFile), a.cert.Subject.CommonName, a.cert.NotAfter.Format(time.DateOnly), a.permits(),
				filepath.Join(args[0], serverFile), len(names), server.NotAfter.Format(time.DateOnly), shellQuote(args[0]), filepath.Join(args[0], caKeyFile))
			return err
		},
	}
	hostsFlag(cmd, &given)
	return cmd
}

func newCAIssue() *cobra.Command {
	var given []string
	cmd := &cobra.Command{
		Use: "issue DIR", Short: "Make the server certificate anew, of the CA in a folder", Args: exactly("DIR"),
		Long: `Make server.pem and server-key.pem anew, of the CA that is in DIR: before they
expire, or for other --hosts, which have to be within what the CA may sign for.
Clients notice nothing, and a server that runs takes them within five seconds.`,
		Example: "  meterd ca issue tls\n  meterd ca issue tls --hosts eu.meterd.internal",
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := namesOf(given)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			a, err := readAuthority(args[0])
			if err != nil {
				return err
			}
			server, key, err := a.issue(names, time.Now())
			if err != nil {
				return err
			}
			files, err := a.files(server, key)
			for _, f := range files {
				err = errors.Join(err, f.replace(args[0]))
			}
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s: %d names, until %s\n", filepath.Join(args[0], serverFile), len(names), server.NotAfter.Format(time.DateOnly))
			return err
		},
	}
	hostsFlag(cmd, &given)
	return cmd
}

func hostsFlag(cmd *cobra.Command, given *[]string) {
	cmd.Flags().StringSliceVar(given, "hosts", nil, "names and addresses beside AWS's and this machine's that the server is reached at")
}

// permits are the domains and addresses that the CA can sign for.
func (a *authority) permits() string {
	all := append([]string(nil), a.cert.PermittedDNSDomains...)
	for _, r := range a.cert.PermittedIPRanges {
		all = append(all, r.IP.String())
	}
	return strings.Join(all, ", ")
}

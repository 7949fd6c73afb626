package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
)

// workloadRun is `meterd workload run`: a program as the workload it would be on
// AWS.
type workloadRun struct {
	platform, account, region string
	id, role, serviceAccount  string
	listen                    string
}

// runPlatforms are those that a program can be started as.
var runPlatforms = []string{string(metering.PlatformEC2), string(metering.PlatformECS), string(metering.PlatformEKS)}

func newWorkloadRun() *cobra.Command {
	var r workloadRun
	cmd := &cobra.Command{
		Use: "run -- COMMAND [ARGUMENT...]", Short: "Run a program as an EC2 instance, an ECS task or an EKS pod",
		Long: `Run a program as a workload in a buyer's account. It gets its credentials as it
would on AWS, from the platform itself: an instance from its metadata service (of
version 2), a task from the container endpoint, a pod with a projected token from
STS. All AWS credentials, profiles and endpoints of this shell are kept from it,
and so is the admin token. An unmodified AWS SDK then meters and registers.

When the program ends, what it has registered stops being metered. The exit code
is its own, or 127 if it is not found and 126 if it cannot be run. Signals are
passed on to it.

The role is meterd-workload of the account, which may meter, unless --role names
another; that one has to trust the platform: ec2.amazonaws.com,
ecs-tasks.amazonaws.com, or the issuer of the pods' tokens.`,
		Example: `  meterd workload run --platform ec2 --account 111122223333 -- ./appliance
  meterd workload run --platform ecs --account 111122223333 --region eu-west-1 -- python3 worker.py
  meterd workload run --platform eks --account 111122223333 --role meter --service-account shop:billing -- ./pod`,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVar(&r.platform, "platform", "", "what the program is to run on: ec2, ecs or eks")
	flags.StringVar(&r.account, "account", "", "the buyer's account that it runs in")
	flags.StringVar(&r.region, "region", "", "where it runs (default: where the workload is, or "+region+")")
	flags.StringVar(&r.id, "id", "", "the workload's id (default: a new one in the platform's form)")
	flags.StringVar(&r.role, "role", "", "the name of a role of the account (default: "+admin.WorkloadRole+")")
	flags.StringVar(&r.serviceAccount, "service-account", "", "of a pod, as NAMESPACE:NAME (default: the account id and "+admin.WorkloadRole+")")
	flags.StringVar(&r.listen, "listen", "127.0.0.1:0", "address of the metadata service or the container endpoint: of loopback, or link-local")
	flags.SetInterspersed(false) // what follows the command is the command's
	wordsFlag(cmd, "platform", runPlatforms...)
	return cmd
}

// check reads the flags. Nothing has been made yet.
func (r *workloadRun) check(cmd *cobra.Command, args []string) error {
	misused := func(format string, args ...any) error {
		return &usageError{fmt.Errorf(format, args...), cmd.CommandPath()}
	}
	if err := need(cmd, "", []string{"platform", "account"}); err != nil {
		return err
	}
	namespace, name, isPair := strings.Cut(r.serviceAccount, ":")
	switch {
	case len(args) == 0:
		return misused("COMMAND is missing")
	case !slices.Contains(runPlatforms, r.platform):
		return misused("--platform %q is none of %s", r.platform, strings.Join(runPlatforms, ", "))
	case !metering.AccountID(r.account).Valid():
		return misused("--account %q is not an account id: 12 digits", r.account)
	case r.serviceAccount != "" && r.platform != string(metering.PlatformEKS):
		return misused("--service-account is for pods: --platform eks")
	case r.serviceAccount != "" && (!isPair || namespace == "" || name == ""):
		return misused("--service-account %q is not NAMESPACE:NAME", r.serviceAccount)
	}
	// Whoever reaches the endpoint of an instance gets its credentials.
	at, err := netip.ParseAddrPort(r.listen)
	if err != nil {
		return misused("--listen %q is not an address and a port, such as 127.0.0.1:0", r.listen)
	}
	if addr := at.Addr().Unmap(); !addr.IsLoopback() && !addr.IsLinkLocalUnicast() && addr != podIdentityV6 {
		return misused("--listen %s: credentials are handed out to this machine alone, at an address of loopback or one such as 169.254.170.2", r.listen)
	}
	return nil
}

func (r *workloadRun) run(cmd *cobra.Command, args []string) error {
	if err := r.check(cmd, args); err != nil {
		return err
	}
	path, err := exec.LookPath(args[0])
	if err != nil {
		return notRun(args[0], err)
	}
	// A signal is the program's to act on; what comes after it is still to be done.
	ctx := context.WithoutCancel(cmd.Context())
	c, err := newClient(cmd)
	if err != nil {
		return err
	}
	w, made, err := r.workload(ctx, c)
	if err != nil {
		return err
	}
	started := &startedWorkload{client: c, workload: w, ask: r.session(), warn: cmd.ErrOrStderr()}
	defer started.end()
	if made {
		defer started.forget(ctx)
	}
	variables, err := started.offer(ctx, r.listen)
	if err != nil {
		return err
	}
	if cmd.Context().Err() != nil { // stopped before it began
		return cmd.Context().Err()
	}
	err = runChild(path, args, workloadEnviron(os.Environ(), slices.Concat(variables, endpointVariables(c.url, w.Region), trusting(c.ca))))
	started.stop(ctx)
	return notRunChild(args[0], err)
}

// session is what credentials are asked for with.
func (r *workloadRun) session() map[string]string {
	in := map[string]string{}
	namespace, name, _ := strings.Cut(r.serviceAccount, ":")
	for member, value := range map[string]string{"role": r.role, "namespace": namespace, "service_account": name} {
		if value != "" {
			in[member] = value
		}
	}
	return in
}

// workload finds the workload of the flags, or makes it known.
func (r *workloadRun) workload(ctx context.Context, c *client) (w admin.Workload, made bool, err error) {
	w = admin.Workload{ID: r.id, Platform: metering.Platform(r.platform), Account: metering.AccountID(r.account), Region: r.region}
	if w.ID == "" {
		w.ID = newWorkloadID(w.Platform)
	} else {
		var known admin.Workload
		err := c.call(ctx, http.MethodGet, resourcePath("/workloads", w.ID), nil, &known)
		var refused *refusedError
		switch {
		case err == nil && (known.Platform != w.Platform || known.Account != w.Account || r.region != "" && known.Region != r.region):
			return w, false, fmt.Errorf("workload %s is there already: %s in account %s, %s; another needs another --id",
				w.ID, known.Platform, known.Account, known.Region)
		case err == nil:
			return known, false, nil
		case !errors.As(err, &refused) || refused.Status != http.StatusNotFound:
			return w, false, err
		}
	}
	if w.Region == "" {
		w.Region = region
	}
	err = c.call(ctx, http.MethodPut, resourcePath("/workloads", w.ID), w, &w)
	return w, err == nil, err
}

// newWorkloadID is an id as the platform gives them out.
func newWorkloadID(p metering.Platform) string {
	var b [16]byte
	rand.Read(b[:]) // it never fails
	switch p {
	case metering.PlatformEC2:
		return fmt.Sprintf("i-%x", b)[:2+17]
	case metering.PlatformEKS: // a random UUID (RFC 9562, section 5.4)
		b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
		return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
	}
	return fmt.Sprintf("%x", b)
}

// stop ends what the workload has registered. The program has ended, so what goes
// wrong here is said and changes nothing else.
func (s *startedWorkload) stop(ctx context.Context) {
	for cursor := ""; ; {
		var page admin.Registrations
		query := url.Values{"workload": {s.workload.ID}, "cursor": {cursor}}
		if err := s.client.call(ctx, http.MethodGet, "/registrations?"+query.Encode(), nil, &page); err != nil {
			s.say("its registrations were not stopped: %v", err)
			return
		}
		for _, r := range page.Registrations {
			if r.State != "running" {
				continue
			}
			if err := s.client.call(ctx, http.MethodPost, resourcePath("/registrations", r.ID)+"/stop", nil, nil); err != nil {
				s.say("registration %s of product %s was not stopped: %v", r.ID, r.Product, err)
			}
		}
		if cursor = page.Next; cursor == "" {
			return
		}
	}
}

// forget removes a workload that was made for this run and never metered. One that
// did is refused, and stays.
func (s *startedWorkload) forget(ctx context.Context) {
	err := s.client.call(ctx, http.MethodDelete, resourcePath("/workloads", s.workload.ID), nil, nil)
	var refused *refusedError
	if err != nil && !errors.As(err, &refused) {
		s.say("it was not removed: %v", err)
	}
}

func (s *startedWorkload) say(format string, args ...any) {
	fmt.Fprintf(s.warn, "meterd: workload %s: %s\n", s.workload.ID, fmt.Sprintf(format, args...))
}

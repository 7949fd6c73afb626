package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var registrations = noun[admin.Registration]{
	word: "registration", path: "/registrations", arg: "ID",
	view: view[admin.Registration]{
		columns:  []string{"id", "product", "account", "workload", "platform", "region", "state", "started", "last_seen", "stopped", "metered_seconds"},
		narrow:   []string{"id", "product", "account", "workload", "region", "state", "metered_seconds"},
		headings: map[string]string{"metered_seconds": "SECONDS"},
		row: func(r *admin.Registration) []string {
			return []string{
				r.ID, r.Product, r.Account, r.Workload, r.Platform, r.Region, r.State,
				timeCell(&r.Started), timeCell(&r.LastSeen), timeCell(r.Stopped), strconv.FormatInt(r.MeteredSeconds, 10),
			}
		},
		name: func(r *admin.Registration) string { return r.ID },
	},
}

func newRegistration() *cobra.Command {
	return group("registration", "Manage registered workloads: what RegisterUsage has begun to meter",
		registrations.list("  meterd registration list --product demo-container", option{name: "product", help: "of one product"}, option{name: "workload", help: "of one workload"}),
		registrations.act("stop", "Stop metering a registered workload now", "  meterd registration stop 6b1ecf1e-0f6c-4b59-8f3b-5a6d2a9f1c77"),
	)
}

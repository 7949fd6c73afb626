package main

import (
	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
	"github.com/meterd/meterd/internal/metering"
)

var workloads = noun[admin.Workload]{
	word: "workload", path: "/workloads", arg: "ID",
	view: view[admin.Workload]{
		columns: []string{"id", "platform", "account", "region", "heartbeat"},
		row: func(w *admin.Workload) []string {
			return []string{w.ID, string(w.Platform), string(w.Account), w.Region, w.Heartbeat}
		},
		name: func(w *admin.Workload) string { return w.ID },
	},
}

func newWorkload() *cobra.Command {
	return group("workload", "Manage workloads: instances, tasks, pods and runtimes that may meter themselves",
		workloads.list("  meterd workload list --account 111122223333", option{name: "account", help: "of one account"}),
		workloads.show("  meterd workload show task-demo"),
		workloads.set("Make a workload known, or change what the flags say of one", "  meterd workload set i-0abc --platform ec2 --account 111122223333 --region us-east-1",
			[]string{"platform", "account", "region"},
			textField("platform", "what it runs on", func(w *admin.Workload, v string) { w.Platform = metering.Platform(v) }, "ec2", "ecs", "eks", "agentcore"),
			textField("account", "the buyer's account that it runs in", func(w *admin.Workload, v string) { w.Account = metering.AccountID(v) }),
			textField("region", "where it runs", func(w *admin.Workload, v string) { w.Region = v }),
			textField("heartbeat", "how long it may be silent before it counts as stopped, such as 5m", func(w *admin.Workload, v string) { w.Heartbeat = v })),
		workloads.remove("Remove a workload that never metered", "  meterd workload remove i-0abc --yes"),
		newWorkloadRun(),
	)
}

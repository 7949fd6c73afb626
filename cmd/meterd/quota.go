package main

import (
	"fmt"
	"math"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/meterd/meterd/internal/admin"
)

var quotas = noun[admin.QuotaState]{
	word: "quota", path: "/quotas", arg: "ACCOUNT/OPERATION",
	view: view[admin.QuotaState]{
		columns: []string{"account", "operation", "per_second", "standard", "enforced"},
		row: func(q *admin.QuotaState) []string {
			return []string{
				string(q.Account), string(q.Operation), strconv.FormatFloat(q.PerSecond, 'f', -1, 64),
				strconv.FormatBool(q.Standard), strconv.FormatBool(q.Enforced),
			}
		},
		name: func(q *admin.QuotaState) string { return string(q.Account) + "/" + string(q.Operation) },
	},
}

func newQuota() *cobra.Command {
	cmd := group("quota", "Manage quotas: how often accounts may call operations",
		quotas.list("  meterd quota list\n  meterd quota list --account 111122223333", option{name: "account", help: "what holds for one account"}),
		quotas.show("  meterd quota show every/MeterUsage"),
		newQuotaSet(),
		also("delete", quotas.remove("Remove a quota: every account's holds again, or AWS's", "  meterd quota remove 111122223333/MeterUsage --yes")),
	)
	cmd.Long = `Manage how many calls a second of an operation an account may make, in each region.
ACCOUNT is an account, or the word every: those that have no quota of their own.
What nobody has set is AWS's. A change holds for the very next call, and on other
nodes of the same database within five seconds; the nodes share each quota.`
	return cmd
}

func newQuotaSet() *cobra.Command {
	var output string
	cmd := newCommand("set "+quotas.arg+" RATE", "Set how many calls a second an account may make",
		"  meterd quota set 111122223333/MeterUsage 200\n  meterd quota set every/BatchMeterUsage 50\n  meterd quota set every/RegisterUsage 0.5",
		func(cmd *cobra.Command, args []string) error {
			if err := exactly(quotas.arg, "RATE")(cmd, args); err != nil {
				return err
			}
			return quotas.one()(cmd, args[:1])
		},
		func(cmd *cobra.Command, c *client, args []string) error {
			if err := checkForm(cmd, output, quotas.view); err != nil {
				return err
			}
			rate, err := strconv.ParseFloat(args[1], 64)
			if err != nil || math.IsNaN(rate) || math.IsInf(rate, 0) {
				return &usageError{fmt.Errorf("%q is not a number of calls a second, such as 200 or 0.5", args[1]), cmd.CommandPath()}
			}
			in := struct {
				PerSecond float64 `json:"per_second"`
			}{rate}
			var set admin.QuotaState
			if err := c.call(cmd.Context(), http.MethodPut, quotas.at(args[0]), in, &set); err != nil {
				return err
			}
			return printOne(cmd, output, quotas.view, &set)
		})
	outputFlag(cmd, &output)
	cmd.ValidArgsFunction = completeName(quotas.word)
	return also("put", cmd)
}

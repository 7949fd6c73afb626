package main

import "github.com/spf13/cobra"

func newAudit() *cobra.Command {
	return group("audit", "Prove what the trail of events says, and hand it on", newAuditExport(), newAuditVerifyFiles())
}

package postgres

import "strings"

// Statement is one SQL statement as it is sent to the database.
type Statement struct {
	Name string
	SQL  string
}

// Statements is every statement that a store sends, for those who check them: a
// database that prepares them, a grammar that parses them. Those that are another
// on Citus are there twice.
func Statements() []Statement {
	all := []Statement{
		{"begin", begin},
		{"commit", commit},
		{"rollback", rollback},
		{"bound a statement", boundStatement},
		{"bound an idle transaction", boundIdle},
		{"find records", findRecords},
		{"find tokens", findTokens},
		{"find redemptions", findRedemptions},
		{"find running", findRunning},
		{"find registrations", findRegistrations},
		{"insert records", insertRecords},
		{"insert tokens", insertTokens},
		{"insert admissions", insertAdmissions},
		{"insert registrations", insertRegistrations},
		{"update registrations", updateRegistrations},
		{"insert running", insertRunning},
		{"update running", updateRunning},
		{"insert redemptions", insertRedemptions},
		{"update redemptions", updateRedemptions},
		{"insert events", insertEvents},
		{"insert refusals", insertRefusals},
		{"wait for the standby", waitForStandby},
		{"touch the catalogue", touchCatalogue},
		{"lock records", lockRecords},
		{"lock tokens", lockTokens},

		{"records by product", recordsByProduct},
		{"records by buyer", recordsByBuyer},
		{"records by party", recordsByParty},
		{"records by account", recordsByAccount},
		{"records by account and product", recordsByAccountAndProduct},
		{"all records", recordsAll},
		{"registrations by product", registrationsByProduct},
		{"registration by id", registrationByID},
		{"refusals by seller", refusalsBySeller},
		{"events by account", eventsByAccount},
		{"events by operation", eventsByOperation},
		{"newest events by account", newestByAccount},
		{"newest events by operation", newestByOperation},
		{"events by place", eventsByPlace},
		{"last event by place", lastByPlace},
		{"chains", findChains},
		{"floors", findFloors},
		{"insert chains", insertChains},
		{"digests", findDigests},
		{"last digest", lastDigest},
		{"insert digests", insertDigests},
		{"delete events", deleteEvents},
		{"admitted", findAdmission},
		{"redeemed", findRedemption},

		{"expired refusals", expiredRefusals},
		{"delete refusals", deleteRefusals},
		{"expired tokens", expiredTokens},
		{"delete tokens", deleteTokens},

		{"catalogue revision", findRevision},
		{"raise the catalogue revision", raiseRevision},
		{"entries", findEntries},
		{"revisions since", revisionsSince},
		{"history", findHistory},
		{"secrets as they are", currentSecrets},
		{"secrets as they were", formerSecrets},
		{"upsert entries", upsertEntries},
		{"delete entries", deleteEntries},
		{"insert revisions", insertRevisions},
		{"seal an entry", sealEntry},
		{"seal a revision", sealRevision},

		{"export revisions", exportRevisions},
		{"export records", exportRecords},
		{"export tokens", exportTokens},
		{"export admissions", exportAdmissions},
		{"export registrations", exportRegistrations},
		{"export redemptions", exportRedemptions},
		{"export events", exportEvents},
		{"export refusals", exportRefusals},
		{"export floors", exportFloors},
		{"stand an import", standImport},
		{"holds anything", holdsAnything},

		{"count nodes", countNodes},
		{"take a lease", takeLease},
		{"count leases", countLeases},
		{"find old leases", findOldLeases},
		{"drop leases", dropLeases},
		{"commit lightly", commitLightly},
		{"settings", findSettings},
		{"version of the tables", findVersion},
		{"begin to read", beginReading},
		{"engine", findEngine},
	}
	for _, s := range all {
		if on := onCitus(s.SQL); on != s.SQL {
			all = append(all, Statement{s.Name + " on Citus", on})
		}
	}
	for i := range all {
		all[i].SQL = plain(all[i].SQL)
	}
	return all
}

// A statement that joins a table with arrays says where a condition on the tenant
// would go: Citus finds the one shard that a group is for by a constant, which all
// accounts of the group are equal to there. Elsewhere a group is of many accounts.
const (
	tenantMark = " /* tenant: t */"
	tenantIs   = " AND t.account = ($1::text[])[1]"
)

func onCitus(sql string) string { return strings.ReplaceAll(sql, tenantMark, tenantIs) }
func plain(sql string) string   { return strings.ReplaceAll(sql, tenantMark, "") }

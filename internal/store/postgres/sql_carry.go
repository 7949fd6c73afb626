package postgres

// All that a store holds, table by table, in the order of primary keys.

const exportRevisions = `SELECT kind, name, revision, changed_by, changed, body FROM revision
WHERE (kind, name, revision) > ($1, $2, $3)
ORDER BY kind, name, revision LIMIT $4`

const exportRecords = `SELECT ` + recordColumns + `
FROM record t
WHERE (t.account, t.hour, t.product, t.kind, t.party, t.dimension, t.region) > ($1, $2, $3, $4, $5, $6, $7)
ORDER BY t.account, t.hour, t.product, t.kind, t.party, t.dimension, t.region LIMIT $8`

const exportTokens = `SELECT account, region, value, hash, answer, day FROM client_token
WHERE (account, region, value) > ($1, $2, $3)
ORDER BY account, region, value LIMIT $4`

const exportAdmissions = `SELECT account, workload, product FROM admission
WHERE (account, workload, product) > ($1, $2, $3)
ORDER BY account, workload, product LIMIT $4`

const exportRegistrations = `SELECT ` + registrationColumns + `, n.id IS NOT NULL
FROM registration t
LEFT JOIN running n ON n.account = t.account AND n.workload = t.workload AND n.product = t.product AND n.id = t.id
WHERE (t.account, t.id) > ($1, $2)
ORDER BY t.account, t.id LIMIT $3`

const exportRedemptions = `SELECT account, token, key_id, first_redeemed, last_redeemed, times FROM redemption
WHERE (account, token) > ($1, $2)
ORDER BY account, token LIMIT $3`

const exportEvents = `SELECT ` + eventColumns + `
FROM event WHERE (account, happened, id) > ($1, $2, $3)
ORDER BY account, happened, id LIMIT $4`

const exportRefusals = `SELECT ` + refusalColumns + `
FROM refusal WHERE (account, happened, id) > ($1, $2, $3)
ORDER BY account, happened, id LIMIT $4`

// An import keeps where it stands with what it has brought. Whoever finds it
// elsewhere than he left it is not the only one.
const standImport = `UPDATE catalogue SET importing = $2, revision = greatest(revision, $3)
WHERE one = 1 AND importing = $1`

const holdsAnything = `SELECT EXISTS (SELECT 1 FROM revision) OR EXISTS (SELECT 1 FROM record) OR EXISTS (SELECT 1 FROM client_token)
	OR EXISTS (SELECT 1 FROM admission) OR EXISTS (SELECT 1 FROM registration) OR EXISTS (SELECT 1 FROM redemption)
	OR EXISTS (SELECT 1 FROM event) OR EXISTS (SELECT 1 FROM refusal) OR EXISTS (SELECT 1 FROM trail_digest)`

// Chains that have a floor; the others are those of their events.
const exportFloors = `SELECT id, floor, floor_hash FROM chain WHERE floor > 0 AND id > $1 ORDER BY id LIMIT $2`

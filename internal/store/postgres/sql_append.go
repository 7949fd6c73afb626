package postgres

// How a group of calls is committed: one transaction that finds what the calls
// are decided from, and writes what was decided. Arrays bring the rows, sorted by
// key, so that two groups that want the same keys come to them in the same order.

const (
	begin    = `BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE`
	commit   = `COMMIT`
	rollback = `ROLLBACK`
)

// A session has no state of ours: bounds are set in each transaction, and a pool
// between us and the database may hand its connections around.
const (
	boundStatement = `SET LOCAL statement_timeout = 5000`
	boundIdle      = `SET LOCAL idle_in_transaction_session_timeout = 10000`
)

const recordColumns = `t.account, t.hour, t.product, t.kind, t.party, t.dimension, t.region,
	t.id, t.claimed, t.received, t.workload, t.quantity, t.allocations, t.sum`

const keysOfRecords = `unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[])
	AS k (account, hour, product, kind, party, dimension, region)`

const matchRecords = `t.account = k.account AND t.hour = k.hour AND t.product = k.product AND t.kind = k.kind
	AND t.party = k.party AND t.dimension = k.dimension AND t.region = k.region`

// A record is looked up as the first one from its key on, in the order of the
// primary key, so that no other index can serve: by equality the planner may take
// one that is led by the hour, while it has no statistics, and look at every record
// of the hour for each (a hundred times as slow, for the first minute).
const findRecords = `SELECT ` + recordColumns + `
FROM ` + keysOfRecords + `
CROSS JOIN LATERAL (
	SELECT * FROM record t
	WHERE (t.account, t.hour, t.product, t.kind, t.party, t.dimension, t.region)
		>= (k.account, k.hour, k.product, k.kind, k.party, k.dimension, k.region)` + tenantMark + `
	ORDER BY t.account, t.hour, t.product, t.kind, t.party, t.dimension, t.region LIMIT 1) t
WHERE ` + matchRecords

// The others are looked up row by row, too: a join would leave it to the planner
// to go through a table that it has seen small.
const findTokens = `SELECT t.account, t.region, t.value, t.hash, t.answer
FROM unnest($1::text[], $2::text[], $3::text[]) AS k (account, region, value)
CROSS JOIN LATERAL (
	SELECT * FROM client_token t
	WHERE t.account = k.account AND t.region = k.region AND t.value = k.value` + tenantMark + ` LIMIT 1) t`

// A token is one seller's: whoever has resolved it is asked for, whatever account
// that is.
const findRedemptions = `SELECT account, token, key_id, first_redeemed, last_redeemed, times
FROM redemption WHERE token = ANY($1::bytea[])`

const registrationColumns = `t.account, t.id, t.product, t.workload, t.platform, t.region, t.heartbeat, t.started, t.last_seen, t.stopped`

const findRunning = `SELECT ` + registrationColumns + `
FROM unnest($1::text[], $2::text[]) AS k (account, workload)
CROSS JOIN LATERAL (
	SELECT t.* FROM running n JOIN registration t ON t.account = n.account AND t.id = n.id
	WHERE n.account = k.account AND n.workload = k.workload` + tenantMark + `) t`

const findRegistrations = `SELECT ` + registrationColumns + `
FROM unnest($1::text[], $2::uuid[]) AS k (account, id)
CROSS JOIN LATERAL (SELECT * FROM registration t WHERE t.account = k.account AND t.id = k.id` + tenantMark + ` LIMIT 1) t`

const insertRecords = `INSERT INTO record (account, hour, product, kind, party, dimension, region,
	id, buyer, claimed, received, workload, quantity, allocations, sum)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[],
	$8::uuid[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::bigint[])
ON CONFLICT DO NOTHING`

const insertTokens = `INSERT INTO client_token (account, region, value, hash, answer, day)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[], $5::uuid[], $6::bigint[])
ON CONFLICT DO NOTHING`

const insertAdmissions = `INSERT INTO admission (account, workload, product)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[])
ON CONFLICT DO NOTHING`

const insertRegistrations = `INSERT INTO registration (account, id, product, workload, platform, region, heartbeat, started, last_seen, stopped)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[])
ON CONFLICT DO NOTHING`

// Only what is still as it was read is changed; who finds fewer rows changed than
// he asked for begins again.
const updateRegistrations = `UPDATE registration t SET last_seen = k.last_seen, stopped = k.stopped
FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
	AS k (account, id, was_seen, was_stopped, last_seen, stopped)
WHERE t.account = k.account AND t.id = k.id AND t.last_seen = k.was_seen AND t.stopped = k.was_stopped` + tenantMark

const insertRunning = `INSERT INTO running (account, workload, product, id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[])
ON CONFLICT DO NOTHING`

const updateRunning = `UPDATE running t SET id = k.id
FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::uuid[])
	AS k (account, workload, product, was, id)
WHERE t.account = k.account AND t.workload = k.workload AND t.product = k.product AND t.id = k.was` + tenantMark

const insertRedemptions = `INSERT INTO redemption (account, token, key_id, first_redeemed, last_redeemed, times)
SELECT * FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[])
ON CONFLICT DO NOTHING`

const updateRedemptions = `UPDATE redemption t SET key_id = k.key_id, last_redeemed = k.last_redeemed, times = k.times
FROM unnest($1::text[], $2::bytea[], $3::bigint[], $4::text[], $5::bigint[], $6::bigint[])
	AS k (account, token, was, key_id, last_redeemed, times)
WHERE t.account = k.account AND t.token = k.token AND t.times = k.was` + tenantMark

const insertEvents = `INSERT INTO event (account, happened, id, operation, chain, number, body)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::bigint[], $7::bytea[])
ON CONFLICT DO NOTHING`

const insertRefusals = `INSERT INTO refusal (account, happened, id, seller, key_id, region, operation, request_id, product, reason, detail, record)
SELECT * FROM unnest($1::text[], $2::bigint[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[])
ON CONFLICT DO NOTHING`

// A transaction that has written nothing commits without waiting for a standby,
// and what it has read may be lost with the primary (reliability.md, P1). A
// message in the log of the primary makes it wait. On Citus the standby that
// counts is the worker's: there the rows that were read are locked, which writes
// to their worker's log.
const waitForStandby = `SELECT pg_logical_emit_message(true, 'meterd', '')`

// touchCatalogue writes, and changes nothing, where there is no such message. On
// Citus it is committed on every worker.
const touchCatalogue = `UPDATE catalogue SET importing = importing WHERE one = 1`

const lockRecords = `SELECT t.id FROM ` + keysOfRecords + `
JOIN record t ON ` + matchRecords + tenantMark + `
FOR UPDATE OF t`

const lockTokens = `SELECT t.answer FROM unnest($1::text[], $2::text[], $3::text[]) AS k (account, region, value)
JOIN client_token t ON t.account = k.account AND t.region = k.region AND t.value = k.value` + tenantMark + `
FOR UPDATE OF t`

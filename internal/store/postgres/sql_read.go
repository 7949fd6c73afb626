package postgres

// Lists, by pages: each goes on after the last key it has shown, in the order of
// an index.

const recordsByProduct = `SELECT ` + recordColumns + `
FROM record t
WHERE t.product = $1 AND t.hour >= $2 AND t.hour < $3 AND (t.hour, t.id) > ($4, $5)
ORDER BY t.hour, t.id LIMIT $6`

const recordsByBuyer = `SELECT ` + recordColumns + `
FROM record t
WHERE t.product = $1 AND t.hour >= $2 AND t.hour < $3 AND (t.hour, t.id) > ($4, $5) AND t.account = $7 AND t.buyer = $8
ORDER BY t.hour, t.id LIMIT $6`

// A party is one of a buyer's, or a record of the account's own.
const recordsByParty = `SELECT ` + recordColumns + `
FROM record t
WHERE t.product = $1 AND t.hour >= $2 AND t.hour < $3 AND (t.hour, t.id) > ($4, $5) AND t.account = $7 AND t.buyer = ANY($8::text[]) AND t.party = $9
ORDER BY t.hour, t.id LIMIT $6`

const recordsAll = `SELECT ` + recordColumns + `
FROM record t
WHERE t.hour >= $1 AND t.hour < $2 AND (t.hour, t.id) > ($3, $4)
ORDER BY t.hour, t.id LIMIT $5`

const recordsByAccount = `SELECT ` + recordColumns + `
FROM record t
WHERE t.account = $1 AND t.hour >= $2 AND t.hour < $3
	AND (t.hour, t.product, t.kind, t.party, t.dimension, t.region) > ($4, $5, $6, $7, $8, $9)
ORDER BY t.hour, t.product, t.kind, t.party, t.dimension, t.region LIMIT $10`

const recordsByAccountAndProduct = `SELECT ` + recordColumns + `
FROM record t
WHERE t.account = $1 AND t.hour >= $2 AND t.hour < $3
	AND (t.hour, t.product, t.kind, t.party, t.dimension, t.region) > ($4, $5, $6, $7, $8, $9) AND t.product = $11
ORDER BY t.hour, t.product, t.kind, t.party, t.dimension, t.region LIMIT $10`

const registrationsByProduct = `SELECT ` + registrationColumns + `
FROM registration t
WHERE t.product = $1 AND (t.started, t.id) > ($2, $3)
ORDER BY t.started, t.id LIMIT $4`

const registrationByID = `SELECT ` + registrationColumns + ` FROM registration t WHERE t.id = $1`

const refusalColumns = `account, happened, id, seller, key_id, region, operation, request_id, product, reason, detail, record`

const refusalsBySeller = `SELECT ` + refusalColumns + `
FROM refusal
WHERE seller = $1 AND happened >= $2 AND happened < $3 AND (happened, id) > ($4, $5)
ORDER BY happened, id LIMIT $6`

const findAdmission = `SELECT account FROM admission WHERE account = $1 AND workload = $2 AND product = $3`

const findRedemption = `SELECT account, token, key_id, first_redeemed, last_redeemed, times FROM redemption WHERE token = $1`

// What has been kept long enough goes in batches, by key.

const expiredRefusals = `SELECT account, happened, id FROM refusal WHERE happened < $1 LIMIT 1000`

const deleteRefusals = `DELETE FROM refusal t
USING unnest($1::text[], $2::bigint[], $3::uuid[]) AS k (account, happened, id)
WHERE t.account = k.account AND t.happened = k.happened AND t.id = k.id`

const expiredTokens = `SELECT account, region, value FROM client_token WHERE day < $1 LIMIT 1000`

// A token that was bound again meanwhile stays.
const deleteTokens = `DELETE FROM client_token t
USING unnest($1::text[], $2::text[], $3::text[]) AS k (account, region, value)
WHERE t.account = k.account AND t.region = k.region AND t.value = k.value AND t.day < $4`

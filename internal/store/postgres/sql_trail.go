package postgres

// The trail: events by time and by their places in chains, and the digests.

const eventColumns = `account, happened, id, operation, chain, number, body`

const eventsByAccount = `SELECT ` + eventColumns + `
FROM event
WHERE account = $1 AND happened >= $2 AND happened < $3 AND (happened, id) > ($4, $5)
ORDER BY happened, id LIMIT $6`

const eventsByOperation = `SELECT ` + eventColumns + `
FROM event
WHERE account = $1 AND happened >= $2 AND happened < $3 AND (happened, id) > ($4, $5) AND operation = $7
ORDER BY happened, id LIMIT $6`

const newestByAccount = `SELECT ` + eventColumns + `
FROM event
WHERE account = $1 AND happened >= $2 AND happened < $3 AND (happened, id) < ($4, $5)
ORDER BY happened DESC, id DESC LIMIT $6`

const newestByOperation = `SELECT ` + eventColumns + `
FROM event
WHERE account = $1 AND happened >= $2 AND happened < $3 AND (happened, id) < ($4, $5) AND operation = $7
ORDER BY happened DESC, id DESC LIMIT $6`

const eventsByPlace = `SELECT ` + eventColumns + `
FROM event
WHERE chain = $1 AND number > $2
ORDER BY number LIMIT $3`

const lastByPlace = `SELECT ` + eventColumns + `
FROM event
WHERE chain = $1
ORDER BY number DESC LIMIT 1`

const findChains = `SELECT id FROM chain WHERE id > $1 ORDER BY id LIMIT $2`

const findFloors = `SELECT id, floor, floor_hash FROM chain WHERE id = ANY($1::uuid[])`

const insertChains = `INSERT INTO chain (id, floor, floor_hash)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bytea[])
ON CONFLICT (id) DO UPDATE SET floor = excluded.floor, floor_hash = excluded.floor_hash
WHERE chain.floor < excluded.floor`

const findDigests = `SELECT number, body FROM trail_digest WHERE number > $1 ORDER BY number LIMIT $2`

const lastDigest = `SELECT number, body FROM trail_digest ORDER BY number DESC LIMIT 1`

const insertDigests = `INSERT INTO trail_digest (number, body)
SELECT * FROM unnest($1::bigint[], $2::bytea[])
ON CONFLICT DO NOTHING`

const deleteEvents = `DELETE FROM event t
USING unnest($1::text[], $2::bigint[], $3::uuid[]) AS k (account, happened, id)
WHERE t.account = k.account AND t.happened = k.happened AND t.id = k.id`

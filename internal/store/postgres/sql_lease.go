package postgres

// Leases say which nodes live. A node writes its own row only, and the database's
// clock is the only one that counts.

// A lease lasts for three renewals: one that fails, or comes late, costs nothing.
const takeLease = `INSERT INTO lease (node, expires) VALUES ($1, now() + interval '6 seconds')
ON CONFLICT (node) DO UPDATE SET expires = excluded.expires`

const countLeases = `SELECT count(*) FROM lease WHERE expires > now()`

const findOldLeases = `SELECT node FROM lease WHERE expires < now() - interval '1 minute' ORDER BY node LIMIT 1000`

const dropLeases = `DELETE FROM lease t USING unnest($1::text[]) AS k (node) WHERE t.node = k.node`

// A lease that is lost is written again in two seconds: it is not worth the wait
// for a disk, nor for a standby, which may be gone. It is for the statements that
// are sent with it, which are one transaction without a BEGIN.
const commitLightly = `SELECT set_config('synchronous_commit', 'off', true)`

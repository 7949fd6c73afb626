package postgres

// The catalogue. Whoever changes it raises its revision from the one that he has
// seen: of two that have seen the same, one waits for the other and then finds
// that it is no longer so. Nobody does while it is imported: then the highest
// revision is not there yet.

const findRevision = `SELECT revision, importing FROM catalogue WHERE one = 1`

const raiseRevision = `UPDATE catalogue SET revision = $2 WHERE one = 1 AND revision = $1 AND importing = ''`

const findEntries = `SELECT kind, body FROM entry`

const revisionsSince = `SELECT kind, name, revision, changed_by, changed, body FROM revision
WHERE revision > $1 ORDER BY revision LIMIT $2`

const findHistory = `SELECT kind, name, revision, changed_by, changed, body FROM revision
WHERE kind = $1 AND name = $2 ORDER BY revision`

const insertRevisions = `INSERT INTO revision (kind, name, revision, changed_by, changed, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::bigint[], $6::text[])
ON CONFLICT DO NOTHING`

const upsertEntries = `INSERT INTO entry (kind, name, revision, body)
SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[])
ON CONFLICT (kind, name) DO UPDATE SET revision = excluded.revision, body = excluded.body
WHERE entry.revision < excluded.revision`

const deleteEntries = `DELETE FROM entry t
USING unnest($1::text[], $2::text[], $3::bigint[]) AS k (kind, name, revision)
WHERE t.kind = k.kind AND t.name = k.name AND t.revision < k.revision`

// Secrets are sealed anew when a node starts with another key.

const currentSecrets = `SELECT kind, name, revision, body FROM entry WHERE kind = ANY($1::text[])`

const formerSecrets = `SELECT kind, name, revision, body FROM revision WHERE kind = ANY($1::text[]) AND body <> ''`

const sealEntry = `UPDATE entry SET body = $4 WHERE kind = $1 AND name = $2 AND revision = $3`

const sealRevision = `UPDATE revision SET body = $4 WHERE kind = $1 AND name = $2 AND revision = $3`

// What a database is, and how it is set. A setting that an engine does not have
// is NULL.

const findEngine = `SELECT version(), current_setting('server_encoding', true), to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL`

const findSettings = `SELECT current_setting('fsync', true), current_setting('full_page_writes', true),
	current_setting('synchronous_commit', true), current_setting('synchronous_standby_names', true),
	current_setting('transaction_read_only', true), current_setting('data_sync_retry', true),
	current_setting('data_checksums', true)`

// Sessions of other users do not show their names, and those of ours do.
const countNodes = `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`

// What goose has written down of the steps that were made.
const findVersion = `SELECT coalesce(max(version_id), 0) FROM meterd_migration WHERE is_applied`

const beginReading = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`

-- The catalogue. It is small, read whole by every node, and has no tenant: on a
-- distributed engine each node of it holds all of it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS entry (
	kind     text   NOT NULL,
	name     text   NOT NULL,
	revision bigint NOT NULL,
	body     text   NOT NULL,
	PRIMARY KEY (kind, name)
);

-- What entries were, and by whom; an empty body: it was removed.
CREATE TABLE IF NOT EXISTS revision (
	kind       text   NOT NULL,
	name       text   NOT NULL,
	revision   bigint NOT NULL,
	changed_by text   NOT NULL,
	changed    bigint NOT NULL,
	body       text   NOT NULL,
	PRIMARY KEY (kind, name, revision)
);

CREATE INDEX IF NOT EXISTS revision_in_order ON revision (revision);

-- One row: the catalogue's revision, which every change raises and every node
-- looks at, and where an import stands ('' when none is under way).
CREATE TABLE IF NOT EXISTS catalogue (
	one       bigint NOT NULL,
	revision  bigint NOT NULL,
	importing text   NOT NULL,
	PRIMARY KEY (one)
);

INSERT INTO catalogue (one, revision, importing) VALUES (1, 0, '') ON CONFLICT (one) DO NOTHING;

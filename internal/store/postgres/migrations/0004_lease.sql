-- Which nodes live. Each writes its own row every few seconds, by the database's
-- clock, and counts those that have not run out. Nothing rests on it but what part
-- of every quota a node lets through, so that it can be lost.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS lease (
	node    text        NOT NULL,
	expires timestamptz NOT NULL,
	PRIMARY KEY (node)
);

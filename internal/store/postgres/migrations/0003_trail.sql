-- The trail: an event for each call, in chains. Nothing was ever released with the
-- events that were here before; they told too little of a call to be carried over.

-- +goose NO TRANSACTION
-- +goose Up
DROP TABLE IF EXISTS event;

-- What leads is what events are found by; the body has all that they say.
CREATE TABLE IF NOT EXISTS event (
	account   text   NOT NULL,
	happened  bigint NOT NULL,
	id        uuid   NOT NULL,
	operation text   NOT NULL,
	chain     uuid   NOT NULL,
	number    bigint NOT NULL,
	body      bytea  NOT NULL,
	PRIMARY KEY (account, happened, id)
);

CREATE INDEX IF NOT EXISTS event_by_operation ON event (account, operation, happened, id);

CREATE INDEX IF NOT EXISTS event_by_place ON event (chain, number);

-- Each chain, and the last of its events that was kept long enough: it begins
-- after that one. A chain has no tenant.
CREATE TABLE IF NOT EXISTS chain (
	id         uuid   NOT NULL,
	floor      bigint NOT NULL,
	floor_hash bytea  NOT NULL,
	PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS trail_digest (
	number bigint NOT NULL,
	body   bytea  NOT NULL,
	PRIMARY KEY (number)
);

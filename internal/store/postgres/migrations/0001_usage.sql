-- What calls write. The tenant of every table is the calling account: it leads
-- every key, is in every unique key, and is never changed. Times are nanoseconds
-- since 1970, the least bigint is the zero time; hours and days are counted from
-- 1970, too. Each statement is a transaction of its own and may run twice.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS record (
	account     text   NOT NULL,
	hour        bigint NOT NULL,
	product     text   NOT NULL,
	kind        bigint NOT NULL,
	party       text   NOT NULL,
	dimension   text   NOT NULL,
	region      text   NOT NULL,
	id          uuid   NOT NULL,
	buyer       text   NOT NULL,
	claimed     bigint NOT NULL,
	received    bigint NOT NULL,
	workload    text   NOT NULL,
	quantity    bigint NOT NULL,
	allocations text   NOT NULL,
	sum         bigint NOT NULL,
	PRIMARY KEY (account, hour, product, kind, party, dimension, region)
);

CREATE INDEX IF NOT EXISTS record_by_product ON record (product, hour, id);

CREATE INDEX IF NOT EXISTS record_by_buyer ON record (account, product, buyer, hour, id);

CREATE INDEX IF NOT EXISTS record_by_hour ON record (hour, id);

CREATE TABLE IF NOT EXISTS client_token (
	account text   NOT NULL,
	region  text   NOT NULL,
	value   text   NOT NULL,
	hash    bytea  NOT NULL,
	answer  uuid   NOT NULL,
	day     bigint NOT NULL,
	PRIMARY KEY (account, region, value)
);

CREATE INDEX IF NOT EXISTS client_token_by_day ON client_token (day);

CREATE TABLE IF NOT EXISTS admission (
	account  text NOT NULL,
	workload text NOT NULL,
	product  text NOT NULL,
	PRIMARY KEY (account, workload, product)
);

CREATE TABLE IF NOT EXISTS registration (
	account   text   NOT NULL,
	id        uuid   NOT NULL,
	product   text   NOT NULL,
	workload  text   NOT NULL,
	platform  text   NOT NULL,
	region    text   NOT NULL,
	heartbeat bigint NOT NULL,
	started   bigint NOT NULL,
	last_seen bigint NOT NULL,
	stopped   bigint NOT NULL,
	PRIMARY KEY (account, id)
);

CREATE INDEX IF NOT EXISTS registration_by_product ON registration (product, started, id);

CREATE INDEX IF NOT EXISTS registration_by_id ON registration (id);

-- The last registration of a workload for each product.
CREATE TABLE IF NOT EXISTS running (
	account  text NOT NULL,
	workload text NOT NULL,
	product  text NOT NULL,
	id       uuid NOT NULL,
	PRIMARY KEY (account, workload, product)
);

CREATE TABLE IF NOT EXISTS redemption (
	account        text   NOT NULL,
	token          bytea  NOT NULL,
	key_id         text   NOT NULL,
	first_redeemed bigint NOT NULL,
	last_redeemed  bigint NOT NULL,
	times          bigint NOT NULL,
	PRIMARY KEY (account, token)
);

CREATE INDEX IF NOT EXISTS redemption_by_token ON redemption (token);

CREATE TABLE IF NOT EXISTS refusal (
	account    text   NOT NULL,
	happened   bigint NOT NULL,
	id         uuid   NOT NULL,
	seller     text   NOT NULL,
	key_id     text   NOT NULL,
	region     text   NOT NULL,
	operation  text   NOT NULL,
	request_id text   NOT NULL,
	product    text   NOT NULL,
	reason     text   NOT NULL,
	detail     text   NOT NULL,
	record     text   NOT NULL,
	PRIMARY KEY (account, happened, id)
);

CREATE INDEX IF NOT EXISTS refusal_by_seller ON refusal (seller, happened, id);

CREATE INDEX IF NOT EXISTS refusal_by_age ON refusal (happened);

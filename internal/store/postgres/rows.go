package postgres

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
)

// zeroTime is the zero time as it is stored: in 64 bits of nanoseconds since 1970
// it has no place of its own.
const zeroTime = math.MinInt64

// nanos is a time as it is stored. Times that do not fit were refused before
// ([store.CheckTime]).
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return zeroTime
	}
	return t.UnixNano()
}

func instant(n int64) time.Time {
	if n == zeroTime {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// column is one field of rows, as an array.
func column[Row, T any](rows []Row, field func(*Row) T) []T {
	all := make([]T, len(rows))
	for i := range rows {
		all[i] = field(&rows[i])
	}
	return all
}

func uuids[Row any](rows []Row, field func(*Row) metering.ID) [][16]byte {
	return column(rows, func(r *Row) [16]byte { return field(r) })
}

// keyColumns are the first seven arguments of statements about records.
func keyColumns(keys []metering.Key) []any {
	return []any{
		column(keys, func(k *metering.Key) string { return string(k.Account) }),
		column(keys, func(k *metering.Key) int64 { return int64(k.Hour) }),
		column(keys, func(k *metering.Key) string { return string(k.Product) }),
		column(keys, func(k *metering.Key) int64 { return int64(k.Kind) }),
		column(keys, func(k *metering.Key) string { return k.Party }),
		column(keys, func(k *metering.Key) string { return k.Dimension }),
		column(keys, func(k *metering.Key) string { return k.Region }),
	}
}

// keptRecord is a record with what is stored in other forms than it has.
type keptRecord struct {
	*metering.Record
	allocations string
	sum         int64
}

func keepRecord(r *metering.Record) (keptRecord, error) {
	k := keptRecord{Record: r}
	if len(r.Allocations) > 0 {
		b, err := json.Marshal(r.Allocations)
		if err != nil {
			return k, fmt.Errorf("postgres: record %s: %w", r.ID, err)
		}
		k.allocations = string(b)
	}
	k.sum = sumOf(r)
	return k, nil
}

// weight is about how many bytes a record takes.
func (k *keptRecord) weight() int { return 256 + len(k.allocations) }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sumOf is a CRC-32C over all that a record says, key included: a row that was
// changed behind our back, or that the database has under the wrong key, is found
// by whoever reads it.
func sumOf(r *metering.Record) int64 {
	var buf [512]byte // keeps most records off the heap
	return int64(crc32.Checksum(store.AppendRecord(buf[:0], r), castagnoli))
}

// scanRecord reads recordColumns.
func scanRecord(row pgx.CollectableRow) (metering.Record, error) {
	var (
		r                          metering.Record
		id                         [16]byte
		hour, kind, claimed, given int64
		quantity, sum              int64
		allocations                string
		k                          = &r.Key
	)
	err := row.Scan(&k.Account, &hour, &k.Product, &kind, &k.Party, &k.Dimension, &k.Region,
		&id, &claimed, &given, &r.Workload, &quantity, &allocations, &sum)
	if err != nil {
		return r, err
	}
	r.ID, k.Hour, k.Kind = id, metering.Hour(hour), metering.KeyKind(kind)
	r.Timestamp, r.Received, r.Quantity = instant(claimed), instant(given), int32(quantity)
	if allocations != "" {
		if err := json.Unmarshal([]byte(allocations), &r.Allocations); err != nil {
			return r, fmt.Errorf("%w: record %s: %w", ErrDamaged, r.ID, err)
		}
	}
	if sumOf(&r) != sum || int64(k.Hour) != hour || int64(k.Kind) != kind || int64(r.Quantity) != quantity {
		return r, fmt.Errorf("%w: the record under %+v: its checksum does not match", ErrDamaged, *k)
	}
	return r, nil
}

// scanRegistration reads registrationColumns.
func scanRegistration(row pgx.CollectableRow) (metering.Registration, error) {
	var (
		r                                   metering.Registration
		id                                  [16]byte
		heartbeat, started, seen, stoppedAt int64
	)
	err := row.Scan(&r.Account, &id, &r.Product, &r.Workload, &r.Platform, &r.Region, &heartbeat, &started, &seen, &stoppedAt)
	r.ID, r.Heartbeat = id, time.Duration(heartbeat)
	r.Started, r.LastSeen, r.Stopped = instant(started), instant(seen), instant(stoppedAt)
	return r, err
}

// redemption is who has resolved a registration token, and which.
type redemption struct {
	token [32]byte
	store.Redeemed
}

func scanRedemption(row pgx.CollectableRow) (redemption, error) {
	var (
		r                  redemption
		token              []byte
		first, last, times int64
	)
	if err := row.Scan(&r.Account, &token, &r.KeyID, &first, &last, &times); err != nil {
		return r, err
	}
	if copy(r.token[:], token) != len(token) || len(token) != len(r.token) {
		return r, fmt.Errorf("%w: a registration token of %d bytes", ErrDamaged, len(token))
	}
	r.First, r.Last, r.Count = instant(first), instant(last), int(times)
	return r, nil
}

// keptRefusal is a refusal with what is stored in another form than it has.
type keptRefusal struct {
	*store.Refusal
	record string
}

func keepRefusal(r *store.Refusal) (keptRefusal, error) {
	k := keptRefusal{Refusal: r}
	if r.Record != nil {
		b, err := json.Marshal(r.Record)
		if err != nil {
			return k, fmt.Errorf("postgres: refusal %s: %w", r.ID, err)
		}
		k.record = string(b)
	}
	return k, nil
}

// scanRefusal reads refusalColumns.
func scanRefusal(row pgx.CollectableRow) (store.Refusal, error) {
	var (
		r        store.Refusal
		happened int64
		id       [16]byte
		record   string
	)
	err := row.Scan(&r.Account, &happened, &id, &r.Seller, &r.KeyID, &r.Region, &r.Operation, &r.RequestID, &r.Product, &r.Reason, &r.Detail, &record)
	if err != nil {
		return r, err
	}
	r.Time, r.ID = instant(happened), id
	if record == "" {
		return r, nil
	}
	if err := json.Unmarshal([]byte(record), &r.Record); err != nil {
		return r, fmt.Errorf("%w: refusal %s: %w", ErrDamaged, r.ID, err)
	}
	return r, nil
}

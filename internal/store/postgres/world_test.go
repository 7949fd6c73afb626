package postgres_test

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/meterd/meterd/internal/metering"
	"github.com/meterd/meterd/internal/store"
	"github.com/meterd/meterd/internal/store/postgres/pgtest"
)

const seller metering.AccountID = "111111111111"

func noon() time.Time { return time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC) }

// record is the seller's record number n: its id says so, and its key, unless
// another has the same place.
func record(n, place int, quantity int32) metering.Record {
	at := noon().Add(time.Duration(place/100) * time.Hour)
	r := metering.Record{
		Key: metering.Key{
			Kind: metering.KindLegacy, Account: seller, Region: "us-east-1", Product: "prod",
			Party: "333333333333", Dimension: "d" + string(rune('a'+place%100/10)) + string(rune('a'+place%10)), Hour: metering.HourOf(at),
		},
		Timestamp: at, Received: at, Quantity: quantity,
	}
	binary.BigEndian.PutUint64(r.ID[8:], uint64(n))
	return r
}

// numberOf is the number that a record was made with.
func numberOf(r *metering.Record) int { return int(binary.BigEndian.Uint64(r.ID[8:])) }

func call(records ...metering.Record) store.Call {
	return store.Call{Account: seller, Region: "us-east-1", At: noon(), Records: records}
}

// query reads one value from a cluster, beside whatever a proxy does.
func query[T any](tb testing.TB, url, sql string, args ...any) T {
	tb.Helper()
	conn, err := pgx.Connect(context.Background(), url)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(context.Background(), sql, args...)
	if err != nil {
		tb.Fatal(err)
	}
	value, err := pgx.CollectExactlyOneRow(rows, pgx.RowTo[T])
	if err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return value
}

// eventually waits until something holds.
func eventually(tb testing.TB, what string, holds func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
	}
	tb.Fatalf("%s: not within 30 s", what)
}

// isUnknown checks that an outcome is not known, which is neither success nor a
// definite refusal.
func isUnknown(tb testing.TB, what string, err error) {
	tb.Helper()
	if !errors.Is(err, store.ErrUnknown) || errors.Is(err, store.ErrUnavailable) {
		tb.Fatalf("%s: got %v, want an unknown outcome", what, err)
	}
}

// own is a cluster of the test's own, of each version, with tables in it.
func own(t *testing.T, settings map[string]string, test func(t *testing.T, c *pgtest.Cluster, url string)) {
	for _, version := range pgtest.Tried() {
		t.Run("postgres"+strconv.Itoa(version), func(t *testing.T) {
			c := pgtest.Start(t, version, settings)
			test(t, c, migrated(t, c))
		})
	}
}

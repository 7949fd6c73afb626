// Package report folds metering records into sums: how much of each dimension of
// each product was used, by buyer, by region, by hour, day or month, as is asked.
package report

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/meterd/meterd/internal/metering"
)

// Column is something that sums are split by. Product and dimension are none:
// sums are always split by both, since what they count has different units.
type Column string

// The columns. Hour, Day and Month are periods, in UTC; at most one can be asked
// for.
const (
	Buyer  Column = "buyer"
	Region Column = "region"
	Hour   Column = "hour"
	Day    Column = "day"
	Month  Column = "month"
)

// Columns are all there are.
func Columns() []Column { return []Column{Buyer, Region, Hour, Day, Month} }

// maxRows bounds what one report holds in memory: some 20 MB.
const maxRows = 100_000

// ErrTooManyRows is a report that would be too long to hold.
var ErrTooManyRows = fmt.Errorf("more than %d rows: narrow the query, with a shorter time, one product, or fewer columns", maxRows)

// ErrOverflow is a sum above what an int64 holds. It takes 2^32 records of the
// greatest quantity in one row; a sum that is wrong is worse than none.
var ErrOverflow = errors.New("a sum is above 2^63-1: narrow the query, with a shorter time or more columns")

// Sum is one row: what its records have in common, and what they add up to. What
// was not asked for is empty.
type Sum struct {
	Product   metering.ProductCode
	Buyer     metering.AccountID
	Dimension string
	Region    string
	Start     time.Time // first instant of the period
	Quantity  int64
	Records   int64
}

// Sums adds records up. It is for one goroutine.
type Sums struct {
	buyer, region bool
	period        Column
	rows          map[row]*Sum
	start         metering.Hour // of the period that last lies in, so that months are seldom computed
	last          metering.Hour
	began         bool
}

// row is what tells the rows apart. The period is its first hour.
type row struct {
	product   metering.ProductCode
	dimension string
	buyer     metering.AccountID
	region    string
	start     metering.Hour
}

// New splits by the columns, beside product and dimension.
func New(columns ...Column) (*Sums, error) {
	s := &Sums{rows: make(map[row]*Sum)}
	for i, c := range columns {
		if slices.Contains(columns[:i], c) {
			return nil, fmt.Errorf("the column %s is asked for twice", c)
		}
		switch c {
		case Buyer:
			s.buyer = true
		case Region:
			s.region = true
		case Hour, Day, Month:
			if s.period != "" {
				return nil, fmt.Errorf("%s and %s are both asked for: a report has one period", s.period, c)
			}
			s.period = c
		default:
			return nil, fmt.Errorf("%q is no column: there are %v", string(c), Columns())
		}
	}
	return s, nil
}

// Add counts a record. The error is [ErrTooManyRows] or [ErrOverflow], and the
// record is then not counted.
func (s *Sums) Add(r *metering.Record) error {
	at := row{product: r.Key.Product, dimension: r.Key.Dimension}
	if s.buyer {
		at.buyer = r.Key.Buyer()
	}
	if s.region {
		at.region = r.Key.Region
	}
	if s.period != "" {
		at.start = s.periodOf(r.Key.Hour)
	}
	sum := s.rows[at]
	if sum == nil {
		if len(s.rows) == maxRows {
			return ErrTooManyRows
		}
		sum = s.insert(at)
	}
	if int64(r.Quantity) > math.MaxInt64-sum.Quantity {
		return ErrOverflow
	}
	sum.Quantity += int64(r.Quantity)
	sum.Records++
	return nil
}

// insert makes a row of its own strings: a record's may be cut from the page that
// it was read with, and would keep all of it in memory.
func (s *Sums) insert(at row) *Sum {
	at.product = metering.ProductCode(strings.Clone(string(at.product)))
	at.dimension = strings.Clone(at.dimension)
	at.buyer = metering.AccountID(strings.Clone(string(at.buyer)))
	at.region = strings.Clone(at.region)
	sum := &Sum{Product: at.product, Buyer: at.buyer, Dimension: at.dimension, Region: at.region}
	if s.period != "" {
		sum.Start = at.start.Time()
	}
	s.rows[at] = sum
	return sum
}

// periodOf is the first hour of the period that an hour lies in.
func (s *Sums) periodOf(h metering.Hour) metering.Hour {
	switch s.period {
	case Day:
		const day = 24
		into := h % day
		if into < 0 { // before 1970
			into += day
		}
		return h - into
	case Month:
		if !s.began || h != s.last {
			t := h.Time()
			s.start = metering.HourOf(time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC))
			s.last, s.began = h, true
		}
		return s.start
	}
	return h
}

// Rows are the sums so far, by product, period, buyer, dimension and region.
func (s *Sums) Rows() []Sum {
	rows := make([]Sum, 0, len(s.rows))
	for _, sum := range s.rows {
		rows = append(rows, *sum)
	}
	slices.SortFunc(rows, func(a, b Sum) int {
		return cmp.Or(
			cmp.Compare(a.Product, b.Product), a.Start.Compare(b.Start), cmp.Compare(a.Buyer, b.Buyer),
			cmp.Compare(a.Dimension, b.Dimension), cmp.Compare(a.Region, b.Region),
		)
	})
	return rows
}
